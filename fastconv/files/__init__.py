"""Files: where they may lie, how they are replaced as a whole, and how their content is read without trust. No numba."""
