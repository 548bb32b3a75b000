"""Convolutions as one loop nest over tables of positions: what these are made of, and the kernels that run it."""
