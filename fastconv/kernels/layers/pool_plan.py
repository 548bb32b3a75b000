"""Pooling planned: which kernels, on which tables of windows, and whether long sums are made in float64."""

import numpy as np

from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import PoolSpec
from ..arrays.blocks import blocks_of, clear, convert
from ..arrays.long_sums import BLOCK_TERMS, ONE_SUM
from .pool import FLOAT32, FLOAT64, SUM, average_grad, average_in_blocks, pick_grad_kernel, pool_index_kernel, pool_kernel

UNROLLED_WINDOWS = ((1, 2, 2), (1, 3, 3))
"""These windows, where none leaves the image, have kernels of their own."""
READ_FLOPS = 4
"""An element that is read takes the time of about so many floating-point operations."""
TINY_READS = 2_000
"""Work below this isn't worth a kernel of its own."""
MOST_FLOAT32 = 2**24
"""Up to so many equal maxima can be counted in float32."""


def _overlap(table: np.ndarray) -> int:
    """Return how many windows along an axis meet in one pixel, at most."""
    first, end = table[:, 0], table[:, 1]
    return int((np.arange(1, len(table) + 1) - np.searchsorted(end, first, side="right")).max())


class PoolPlan:
    """One pooling with its geometry in three axes; forward and gradient called with flat arrays.

    `count_padding` says whether an average counts the padding's pixels too.
    """

    def __init__(self, spec: PoolSpec, count_padding: bool = False):
        fill, axes = 3 - len(spec.size), range(len(spec.size))
        windows = [(np.zeros(1, np.int64), np.ones(1, np.int64), np.ones(1, np.int64))] * fill + [spec.windows(a) for a in axes]
        size, outputs, dilation = ((1,) * fill + v for v in (spec.size, spec.outputs, spec.dilation))
        tables = [
            np.stack([first, end, counted if count_padding else -((first - end) // step)], axis=1)
            for (first, end, counted), step in zip(windows, dilation, strict=True)
        ]
        numbers = np.array((*size, *outputs, *dilation, spec.channels), np.int64)
        self.images, self.geometry = spec.images, np.concatenate([numbers, *(table.ravel() for table in tables)])
        self.disjoint = all((table[:-1, 1] <= table[1:, 0]).all() for table in tables)
        joined = all(d == 1 and (t[1:, 0] == t[:-1, 1]).all() for t, d in zip(tables, dilation, strict=True))
        ends = all(t[0, 0] == 0 and t[-1, 1] == n for t, n in zip(tables, size, strict=True))
        self.covered = joined and ends
        extents = tuple(int(table[0, 1] - table[0, 0]) for table in tables)
        same = all((t[:, 1] - t[:, 0] == e).all() and (t[:, 2] == e).all() for t, e in zip(tables, extents, strict=True))
        reads = int(np.prod(extents)) * int(np.prod(spec.output_shape))
        self.flops = READ_FLOPS * reads
        self.whole = extents if same and extents in UNROLLED_WINDOWS and reads > TINY_READS else (0, 0, 0)
        self._overlap = int(np.prod([_overlap(table) for table in tables]))
        self._most = int(np.prod([(-((t[:, 0] - t[:, 1]) // d)).max() for t, d in zip(tables, dilation, strict=True)]))

    def pick(self, run, pick, x, y):
        """Max or min pooling of x into y."""
        run(Task(pool_kernel(pick, self.whole), (x, y, self.geometry, 0), self.images, self.flops))

    def pick_index(self, run, pick, x, y, indices):
        """Max or min pooling of x into y, and into indices where each window's is: flat over the image's spatial axes."""
        run(Task(pool_index_kernel(pick), (x, y, indices, self.geometry), self.images, 4 * self.flops))

    def pick_grad(self, run, pick, ties, dy, x, dx):
        """The gradient of max or min pooling, by the rule for ties; the caller's dx is overwritten."""
        if self._adds_many(dx) or (dx.dtype == FLOAT32 and self._most > MOST_FLOAT32):
            wide = self._widened(run, dy), self._widened(run, x), buffer(dx.size, FLOAT64)
            self.pick_grad(run, pick, ties, *wide)
            run(Task(convert, (wide[-1], dx), blocks_of(dx), dx.size))
            return
        kernel = pick_grad_kernel(pick, ties, int(self.disjoint), self.whole)
        if not self.covered:
            run(Task(clear, (dx,), blocks_of(dx), dx.size))
        run(Task(kernel, (dy, x, dx, self.geometry), self.images, 3 * self.flops))

    def average(self, run, divisor, x, y):
        """Average pooling of x into y; a divisor other than 0 takes the place of each window's count."""
        kernel = pool_kernel(SUM, self.whole)
        if self._most > BLOCK_TERMS and x.dtype == FLOAT32:
            kernel = average_in_blocks
        run(Task(kernel, (x, y, self.geometry, divisor), self.images, self.flops))

    def average_grad(self, run, divisor, dy, dx):
        """The gradient of average pooling; the caller's dx is overwritten."""
        if self._adds_many(dx):
            wide = buffer(dx.size, FLOAT64)
            self.average_grad(run, divisor, self._widened(run, dy), wide)
            run(Task(convert, (wide, dx), blocks_of(dx), dx.size))
            return
        run(Task(clear, (dx,), blocks_of(dx), dx.size))
        run(Task(average_grad, (dy, dx, self.geometry, divisor), self.images, self.flops))

    def _adds_many(self, dx):
        """Return whether so many windows overlap that a pixel's gradients, one added to the other, need more than float32."""
        return self._overlap > ONE_SUM and dx.dtype == FLOAT32

    def _widened(self, run, array):
        """Return an array as float64."""
        wide = buffer(array.size, FLOAT64)
        run(Task(convert, (array, wide), blocks_of(array), array.size))
        return wide
