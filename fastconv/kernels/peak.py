"""What this machine can do at most: multiply-adds with all operands in registers, and bytes copied between large arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..runtime.jit import jit
from ..runtime.task import Task
from .simd.tile import most_rows, tile_outer, tile_store, tile_zero
from .simd.vector import lanes, lanes_of, vload, vstore

ROWS, VECTORS = most_rows(2), 2
REPEATS = 200_000
"""So many rounds of a tile take some milliseconds."""
COPY_BYTES = 16 * 2**20
"""More than a second-level cache, and about what a layer's arrays take. (A Xeon copies 1 MB twice as fast, 64 MB half as fast.)"""


@jit
def multiply_add(x, w, y, repeats):
    """Add x[0] times VECTORS vectors of w to each of a tile's rows, `repeats` times, and store it in y, ROWS lines long.

    With a number of x for each row LLVM keeps vectors of them all in memory, and the loop loses a third to reading them.
    """
    tile = tile_zero(x, ROWS, VECTORS)
    for _ in range(repeats):
        tile = tile_outer(tile, x, 0, 0, w, 0)
    tile_store(tile, y, 0, VECTORS * lanes(x), VECTORS * lanes(x))


@jit
def copy(source, target, step, start, stop):
    """Copy pieces of `step` elements."""
    for i in range(start * step, stop * step, lanes(source)):
        vstore(target, i, vload(source, i))


def _best_seconds(call: Callable[[], object], runs: int) -> float:
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def fma_peak(dtype: np.dtype, runs: int = 5) -> float:
    """Return one core's GFLOP/s in float32 or float64, the best of some runs; a multiply-add is two."""
    block = VECTORS * lanes_of(dtype)
    x, w, y = np.ones(1, dtype), np.zeros(block, dtype), np.empty(ROWS * block, dtype)
    multiply_add(x, w, y, 1)
    return 2 * ROWS * block * REPEATS / _best_seconds(lambda: multiply_add(x, w, y, REPEATS), runs) / 1e9


def copy_bandwidth(run: Callable, runs: int = 3) -> float:
    """Return GB/s read and written by a copy from one large array to another, cut by `split` as kernels' work is."""
    source, target, pieces = *_large_arrays(), 64
    step = len(source) // pieces

    return 2 * COPY_BYTES / _best_seconds(lambda: run(Task(copy, (source, target, step), pieces, 2**62)), runs) / 1e9


@lru_cache(maxsize=1)
def _large_arrays() -> tuple[np.ndarray, np.ndarray]:
    return np.ones(COPY_BYTES // 8), np.zeros(COPY_BYTES // 8)
