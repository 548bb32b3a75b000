"""What fastconv says while it works: progress and waiting on standard error, warnings of the user's own lines."""
