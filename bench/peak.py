"""This machine's peak rate of multiply-adds on one core, measured with a register tile that stays in its registers."""

from __future__ import annotations

import time

import numpy as np

from fastconv._jit import jit
from fastconv.kernels.simd import lanes, lanes_of
from fastconv.kernels.tile import most_rows, tile_outer, tile_store, tile_zero

ROWS, VECTORS, REPEATS = most_rows(2), 2, 200_000


@jit
def _multiply_add(x, w, y, repeats):
    tile = tile_zero(x, ROWS, VECTORS)
    for _ in range(repeats):
        tile = tile_outer(tile, x, 0, 1, w, 0)
    tile_store(tile, y, 0, VECTORS * lanes(x), VECTORS * lanes(x))


def fma_peak(dtype: str) -> float:
    """Return GFLOP/s of the best of some short runs."""
    block = VECTORS * lanes_of(np.dtype(dtype))
    x, w, y = np.ones(ROWS, dtype), np.zeros(block, dtype), np.empty(ROWS * block, dtype)
    _multiply_add(x, w, y, 1)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        _multiply_add(x, w, y, REPEATS)
        best = min(best, time.perf_counter() - start)
    return 2 * ROWS * block * REPEATS / best / 1e9
