"""Convolutions of long signals by transforms of overlapping blocks of them."""
