"""Flat arrays in blocks of elements: clear them, convert them, add up the parts that threads have made of a sum."""

import numpy as np

from ...runtime.jit import jit
from ..simd.vector import lanes, vadd, vload_part, vstore_part

BLOCK = 4096
MOST_PARTS = 8
LEAST_PART_FLOPS = 2**19


@jit
def clear(y, start, stop):
    """Set the blocks start..stop of BLOCK elements to zero; the last may be shorter."""
    y[start * BLOCK : min(stop * BLOCK, len(y))] = 0


@jit
def convert(x, y, start, stop):
    """y = x in y's type, for the blocks start..stop of BLOCK elements."""
    for i in range(start * BLOCK, min(stop * BLOCK, len(y))):
        y[i] = x[i]


@jit
def add_parts(parts, y, start, stop):
    """Add up, in their order, the parts of y's length that parts consists of, for the blocks start..stop of BLOCK elements."""
    end = min(stop * BLOCK, len(y))
    for i in range(start * BLOCK, end, lanes(y)):
        total = vload_part(parts, i, end - i)
        for part in range(len(y), len(parts), len(y)):
            total = vadd(total, vload_part(parts, part + i, end - i))
        vstore_part(y, i, total, end - i)


@jit
def add_wide_parts(parts, y, start, stop):
    """As add_parts, for parts in float64."""
    for i in range(start * BLOCK, min(stop * BLOCK, len(y))):
        total = 0.0
        for part in range(0, len(parts), len(y)):
            total += parts[part + i]
        y[i] = total


def count_parts(items: int, tiles: int, sums_bytes: int, data_bytes: int, flops: int) -> int:
    """Return into how many parts a weight gradient's items are cut, each with sums of its own, whatever the number of threads.

    Threads that have parts of their own don't read each other's images; but all parts' sums are written and read once more, which
    should take an eighth of the time of reading the images. Where `tiles` are too few for threads, there are parts all the same.
    """
    affordable = max(1, min(MOST_PARTS, data_bytes // (8 * sums_bytes), flops // LEAST_PART_FLOPS))
    parts = max(1 << affordable.bit_length() - 1, -(-MOST_PARTS // tiles) if flops >= MOST_PARTS * LEAST_PART_FLOPS else 1)
    return min(items, parts)


def blocks_of(array: np.ndarray) -> int:
    """Return how many blocks an array has for `clear` and `add_parts`."""
    return -(-array.size // BLOCK)
