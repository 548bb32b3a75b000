"""Winograd's 3 x 3 convolution: its matrices, its steps, and when it is the faster."""
