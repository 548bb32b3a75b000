"""Vectors and register tiles inside numba code, and the CPU that they are compiled for."""
