"""Convolutions by plain loops, which take any geometry, and by NumPy's Fourier transforms."""
