"""Convolution of a long signal with a shorter one by blocks that overlap (overlap-save), each a cyclic convolution.

A block of `count` vectors is `lanes` sequences, one in each lane: element i = point * lanes + lane. Transformed over points, each
frequency has a vector, and the convolution is a product of it with a small matrix, whose rows are pieces of one row: the lanes'
transforms of w, those that come from the point before turned by its frequency. So no vector is ever taken apart, nor are points
sorted. Two blocks at a time are the real and the imaginary parts.
"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from ...runtime.jit import inlined, jit
from ...runtime.machine import LEAST_CACHES, VECTOR_BYTES
from ...runtime.memory import buffer
from ...runtime.task import Task
from ..simd.vector import lanes, lanes_of, vadd, vload, vmul_add, vsplat, vstore, vsub, vzero
from .transform import backward, forward, frequencies, turns

MOST_POINTS = 2**12
"""Longer blocks leave the second-level cache."""
STEP, PRODUCT, FARTHER = 2.1e-9, 0.7e-9, 1.4
"""Seconds of a vector for a step of both transforms, and for its product with one lane; and how much longer they are where two
blocks with their factors leave the second-level cache. (Zen 5.)"""


@inlined
def fetch(x, position, block):
    """block = x from a position on, zeros outside x."""
    low = min(max(0, -position), len(block))
    high = max(low, min(len(block), len(x) - position))
    whole = low + (high - low) // lanes(x) * lanes(x)
    block[:low] = 0
    for i in range(low, whole, lanes(x)):
        vstore(block, i, vload(x, position + i))
    for i in range(whole, high):
        block[i] = x[position + i]
    block[high:] = 0


@inlined
def deliver(block, taps, y, position):
    """y from a position on = what isn't wrapped around in a block, as much of it as y has room for."""
    count = min(len(block) - taps + 1, len(y) - position)
    whole = max(0, count // lanes(y) * lanes(y))
    for i in range(0, whole, lanes(y)):
        vstore(y, position + i, vload(block, taps - 1 + i))
    for i in range(whole, count):
        y[position + i] = block[taps - 1 + i]


@inlined
def multiply(re, im, factors, count):
    """Multiply each frequency's vector by its matrix: row s of it is the vector from place lanes - s on, of 2 * lanes numbers."""
    size = lanes(re)
    for p in range(0, count * size, size):
        rr, ri, ir, ii = vzero(re), vzero(re), vzero(re), vzero(re)
        for s in range(size):
            a, b = vsplat(re, re[p + s]), vsplat(re, im[p + s])
            c, d = vload(factors, 4 * p + size - s), vload(factors, 4 * p + 3 * size - s)
            rr, ri, ir, ii = vmul_add(a, c, rr), vmul_add(a, d, ri), vmul_add(b, c, ir), vmul_add(b, d, ii)
        vstore(re, p, vsub(rr, ii))
        vstore(im, p, vadd(ri, ir))


@jit
def overlap_save(x, factors, table, first, taps, y, re, im, start, stop):
    """y[i] = the sum of w[k] * x[first + i - k]; units are pairs of blocks."""
    count, new = len(re) // lanes(re), len(re) - taps + 1
    for unit in range(start, stop):
        position = 2 * unit * new
        fetch(x, first + position - taps + 1, re)
        fetch(x, first + position + new - taps + 1, im)
        forward(re, im, table, count)
        multiply(re, im, factors, count)
        backward(re, im, table, count)
        deliver(re, taps, y, position)
        deliver(im, taps, y, position + new)


@jit
def overlap_factors(w, table, roots, re, im, factors, start, stop):
    """factors = for each frequency w's transform in each lane, turned by the root and not, real parts and imaginary; one unit."""
    size, count = lanes(re), len(re) // lanes(re)
    fetch(w, 0, re)
    im[:] = 0
    forward(re, im, table, count)
    scale = re.dtype.type(1) / re.dtype.type(count)
    for p in range(count):
        c, s = roots[2 * p], roots[2 * p + 1]
        for k in range(size):
            a, b, at = scale * re[p * size + k], scale * im[p * size + k], 4 * p * size + k
            factors[at], factors[at + size] = a * c - b * s, a
            factors[at + 2 * size], factors[at + 3 * size] = a * s + b * c, b


@lru_cache(maxsize=64)
def roots_of(count: int, dtype: np.dtype) -> np.ndarray:
    """Return cosine and sine of a delay by one point, for each frequency in its place."""
    angles = frequencies(count) * (-2 * np.pi / count)
    return np.stack([np.cos(angles), np.sin(angles)], -1).ravel().astype(dtype)


def fastest_points(taps: int, outputs: int, dtype: np.dtype) -> tuple[float, int]:
    """Return how many seconds it should take with so many weights, and the points of blocks; infinity and 0 if none is enough.

    The points, and with them a result's last bits, are no matter of this machine's caches.
    """
    lanes, best = lanes_of(dtype), (float("inf"), 0)
    for points in (2**n for n in range(2, MOST_POINTS.bit_length())):
        new = points * lanes - taps + 1
        if new > 0:
            near = 6 * points * VECTOR_BYTES <= LEAST_CACHES.second
            vector = (STEP * points.bit_length() + PRODUCT * lanes) * (1 if near else FARTHER)
            best = min(best, (-(-outputs // (2 * new)) * points * vector, points))
    return best


class OverlapPlan:
    """The convolution of a signal with `taps` weights, so many elements of it, in blocks of the best length."""

    def __init__(self, taps: int, outputs: int, dtype: np.dtype):
        _, self.points = fastest_points(taps, outputs, dtype)
        if not self.points:
            raise ValueError(f"overlap: a block has at most {MOST_POINTS * lanes_of(dtype)} elements, too few for {taps} weights")
        self._taps, self._size = taps, self.points * lanes_of(dtype)
        self._pairs = -(-outputs // (2 * (self._size - taps + 1)))
        self.name = f"overlap_{dtype.name}_{self.points}x{lanes_of(dtype)}"
        self.flops = self._pairs * self.points * lanes_of(dtype) * (8 * lanes_of(dtype) + 10 * self.points.bit_length())

    def __call__(self, run, x, w, first, y):
        """y = the full convolution of x and w from element `first` on."""
        table, roots = turns(self.points, x.dtype), roots_of(self.points, x.dtype)
        factors, scratch = buffer(4 * self._size, x.dtype), partial(buffer, self._size, x.dtype)
        run(Task(overlap_factors, (w, table, roots, scratch, scratch, factors), 1))
        run(Task(overlap_save, (x, factors, table, first, self._taps, y, scratch, scratch), self._pairs, self.flops))
