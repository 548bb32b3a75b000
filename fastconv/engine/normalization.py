"""What layers compute that bring their input into shape: batch normalisation, and margins of zeros."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..kernels.arrays.column_sums import LEAST_ROWS, MOST_PARTS
from ..kernels.layers.batch_norm import (
    batch_statistics,
    block_of,
    gradient_parts,
    moment_parts,
    normalize,
    normalize_grad,
    row_of,
    running_statistics,
    weight_gradients,
)
from ..kernels.layers.zero_pad import Padded, remove_padding, zero_pad
from ..runtime.memory import buffer
from ..runtime.task import Task

FLOAT64 = np.dtype(np.float64)


class BatchNorm:
    """Batch normalisation: in training by the batch's statistics, which the running ones follow, else by the running ones.

    The gradient of either goes back: through the running ones too, where a frozen layer stands among others that are trained.
    """

    in_place = False

    def __init__(
        self,
        weights: dict[str, np.ndarray],
        gradients: dict[str, np.ndarray],
        momentum: float,
        epsilon: float,
        training: bool,
    ):
        self._weights, self._gradients, self._training = weights, gradients, training
        self._channels, self._settings = weights["gamma"].size, np.array([momentum, epsilon])
        self._mean, self._inverse = (buffer(self._channels, FLOAT64) for _ in range(2))

    def _sum(self, run, kernel, arrays, size):
        """Return the sums that a kernel makes in parts."""
        count = max(1, min(MOST_PARTS, size // self._channels // LEAST_ROWS))
        sums = buffer(2 * self._channels * count, FLOAT64)
        scratch = partial(buffer, 3 * row_of(self._channels), FLOAT64)
        run(Task(kernel, (*arrays, sums, scratch, block_of(self._channels), count), count, 4 * size))
        return sums

    def _rows(self, run, kernel, x, arrays, rows):
        """Have a kernel do all rows, with scratch for so many of them."""
        scratch, block = partial(buffer, rows * row_of(self._channels), x.dtype), block_of(self._channels)
        run(Task(kernel, (x, *arrays, scratch, block), -(-x.size // block), 4 * x.size))

    def forward(self, run, x, y):
        gamma, beta, *running = (self._weights[name] for name in ("gamma", "beta", "running_mean", "running_var"))
        if self._training:
            sums = self._sum(run, moment_parts, (x, self._channels), x.size)
            kernel, given = batch_statistics, (x, sums, self._settings, *running)
        else:
            kernel, given = running_statistics, (*running, self._settings)
        run(Task(kernel, (*given, self._mean, self._inverse), self._channels))
        self._rows(run, normalize, x, (self._mean, self._inverse, gamma, beta, y), 3)

    def backward(self, run, x, y, dy, dx):
        pixels, gamma, factors = x.size // self._channels, self._weights["gamma"], buffer(3 * self._channels, FLOAT64)
        if self._training:
            sums = self._sum(run, gradient_parts, (x, dy, self._mean), x.size)
            gradients = self._gradients["gamma"], self._gradients["beta"]
        else:  # mean and variance don't depend on x, and gamma and beta are frozen
            sums = buffer(2 * self._channels, FLOAT64)
            gradients = buffer(self._channels, gamma.dtype), buffer(self._channels, gamma.dtype)
            sums[:] = 0
        run(Task(weight_gradients, (sums, pixels, self._inverse, gamma, *gradients, factors), self._channels))
        if dx is not None:
            self._rows(run, normalize_grad, x, (dy, self._mean, factors, dx), 4)


class ZeroPadding:
    """Zeros around images; the geometry is that of kernels/layers/zero_pad.py."""

    in_place = False

    def __init__(self, images: int, geometry: tuple[int, ...]):
        self._images, self._padded = images, Padded(*geometry)

    def forward(self, run, x, y):
        p = self._padded
        run(Task(zero_pad, (x, y, tuple(p)), self._images * (p.above + p.height + p.below), y.size))

    def backward(self, run, x, y, dy, dx):
        if dx is not None:
            run(Task(remove_padding, (dy, dx, tuple(self._padded)), self._images * self._padded.height, dx.size))
