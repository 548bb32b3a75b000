"""What is done to results before they leave the cache: a residual is added, and an activation applied."""
