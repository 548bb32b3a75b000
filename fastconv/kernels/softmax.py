"""Softmax, its logarithm, cross-entropy and their gradients, row by row; the row's maximum is taken off first."""

import numpy as np

from .._jit import jit


@jit
def softmax_row(x, start, count, y):
    """Write the softmax of x[start : start + count] to the same place of y; no probability is ever zero.

    A probability too small for the dtype is given as its smallest normal number, so that -log(p) and -1 / p are finite.
    """
    highest = x[start]
    for i in range(start + 1, start + count):
        if x[i] > highest or np.isnan(x[i]):
            highest = x[i]
    total = x.dtype.type(0)
    for i in range(start, start + count):
        y[i] = np.exp(x[i] - highest)
        total += y[i]
    smallest = np.finfo(x.dtype).tiny
    for i in range(start, start + count):
        y[i] = max(y[i] / total, smallest) if y[i] == y[i] else y[i] / total


@jit
def softmax(x, y, count, start, stop):
    """Softmax of the rows start..stop, `count` elements each."""
    for row in range(start, stop):
        softmax_row(x, row * count, count, y)


@jit
def softmax_grad(dy, y, dx, count, start, stop):
    """dx = y * (dy - sum(dy * y)) for each row, where y is the softmax."""
    for row in range(start * count, stop * count, count):
        mean = dy.dtype.type(0)
        for i in range(row, row + count):
            mean += dy[i] * y[i]
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
        total = x.dtype.type(0)
        for i in range(row, row + count):
            total += np.exp(x[i] - highest)
        for i in range(row, row + count):
            y[i] = x[i] - highest - np.log(total)


@jit
def log_softmax_grad(dy, y, dx, count, start, stop):
    """dx = dy - exp(y) * sum(dy) for each row, where y is the log-softmax."""
    for row in range(start * count, stop * count, count):
        total = dy.dtype.type(0)
        for i in range(row, row + count):
            total += dy[i]
        for i in range(row, row + count):
            dx[i] = dy[i] - np.exp(y[i]) * total
