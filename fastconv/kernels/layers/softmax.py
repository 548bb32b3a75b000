"""Softmax, its logarithm, cross-entropy and their gradients, row by row; the row's maximum is taken off first.

Rows are summed in float64: in float32 a sum of ones ends at 2^24.
"""

import numpy as np

from ...runtime.jit import jit


@jit
def softmax_row(x, start, count, y):
    """Write the softmax of x[start : start + count] to the same place of y; only minus infinity has a probability of zero.

    Any other that is too small for the dtype is given as its smallest normal number, so that -log(p) and -1 / p are finite. Plus
    infinity, NaN and nothing but minus infinity make NaN of the row.
    """
    highest, total = x[start], 0.0
    for i in range(start + 1, start + count):
        if x[i] > highest or np.isnan(x[i]):
            highest = x[i]
    for i in range(start, start + count):
        y[i] = np.exp(x[i] - highest)
        total += y[i]
    smallest = np.finfo(x.dtype).tiny
    for i in range(start, start + count):
        p = y[i] / total
        y[i] = smallest if p < smallest and x[i] != -np.inf else p


@jit
def softmax(x, y, count, start, stop):
    """Softmax of the rows start..stop, `count` elements each."""
    for row in range(start, stop):
        softmax_row(x, row * count, count, y)


@jit
def softmax_grad(dy, y, dx, count, start, stop):
    """dx = y * (dy - sum(dy * y)) for each row, where y is the softmax."""
    for row in range(start * count, stop * count, count):
        mean = 0.0
        for i in range(row, row + count):
            mean += np.float64(dy[i]) * y[i]
        for i in range(row, row + count):
            dx[i] = y[i] * (dy[i] - mean)


@jit
def log_softmax(x, y, count, start, stop):
    """y = x - log(sum(exp(x))) for each row."""
    for row in range(start * count, stop * count, count):
        highest = x[row]
        for i in range(row + 1, row + count):
            if x[i] > highest or np.isnan(x[i]):
                highest = x[i]
        total = 0.0
        for i in range(row, row + count):
            total += np.exp(x[i] - highest)
        for i in range(row, row + count):
            y[i] = x[i] - highest - np.log(total)


@jit
def log_softmax_grad(dy, y, dx, count, start, stop):
    """dx = dy - exp(y) * sum(dy) for each row, where y is the log-softmax."""
    for row in range(start * count, stop * count, count):
        total = 0.0
        for i in range(row, row + count):
            total += dy[i]
        for i in range(row, row + count):
            dx[i] = dy[i] - np.exp(y[i]) * total
