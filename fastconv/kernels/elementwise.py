"""Activations and dropout in place, BLOCK elements a unit, and sums over pixels."""

import numpy as np

from .._jit import jit
from .batch import EPOCH, POSITION, SEED
from .pack import BLOCK
from .random import bits_of, key_of


@jit
def relu(y, slope, start, stop):
    """y = max(y, 0), or where slope[0] isn't zero, slope[0] * y for negative y; NaN stays NaN."""
    for i in range(start * BLOCK, min(stop * BLOCK, len(y))):
        y[i] = slope[0] * y[i] if y[i] < 0 else y[i]


@jit
def relu_grad(y, dy, slope, start, stop):
    """dy = dy where y > 0, slope[0] * dy elsewhere; y is relu's result."""
    for i in range(start * BLOCK, min(stop * BLOCK, len(y))):
        dy[i] = dy[i] if y[i] > 0 else slope[0] * dy[i]


@jit
def dropout(y, size, order, state, layer, threshold, scale, start, stop):
    """Set elements to zero at random by seed, epoch, image and element, and multiply the others by scale[0]; units are images.

    An element is kept if its 32 random bits are at least `threshold`. The same call on dy is the gradient.
    """
    factor, least = scale[0], np.uint32(threshold)
    for i in range(start, stop):
        key = key_of(state[SEED], state[EPOCH], order[state[POSITION] + i], layer)
        for k in range(size):
            kept = bits_of(key, k) >= least
            y[i * size + k] = y[i * size + k] * factor if kept else y.dtype.type(0)


@jit
def column_sums(x, channels, parts, part_count, start, stop):
    """parts[p] = the sums over part p of x's pixels of each channel; units are parts."""
    pixels = len(x) // channels
    for part in range(start, stop):
        total = parts[part * channels : (part + 1) * channels]
        total[:] = 0
        for pixel in range(pixels * part // part_count, pixels * (part + 1) // part_count):
            for c in range(channels):
                total[c] += x[pixel * channels + c]
