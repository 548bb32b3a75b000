"""What is done to whole arrays of numbers: cleared, converted, and added up without losing digits."""
