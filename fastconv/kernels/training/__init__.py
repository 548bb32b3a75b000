"""What a training computes besides its layers: batches, losses, updates, random numbers."""
