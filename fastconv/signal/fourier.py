"""Convolution by fast Fourier transforms: NumPy's of whole arrays, or the engine's of the blocks of a long signal."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import FLOAT32, FLOAT64, all_finite, kernel_ready
from ..kernels.overlap.blocks import OverlapPlan
from ..runtime.memory import aligned_empty
from ..runtime.threads import parallel_for
from ..shapes import Ints
from .problem import Problem


@lru_cache(maxsize=1024)
def good_length(least: int) -> int:
    """Return the smallest 2**a * 3**b * 5**c that is at least `least`, which transforms fast."""
    best = 1 << (least - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << (-(-least // three) - 1).bit_length())
            three *= 3
        five *= 5
    return best


def lengths(p: Problem) -> tuple[Ints, Ints]:
    """Return the axes to transform, which are those where no array has length 1, and to which lengths.

    A transform shorter than the full convolution folds its ends onto each other: it is long enough if they miss what is wanted.
    """
    axes, sizes = [], []
    for axis, (n, k, start, size) in enumerate(zip(p.x.shape, p.w.shape, p.start, p.size, strict=True)):
        if min(n, k) > 1:
            axes.append(axis)
            sizes.append(good_length(max(n, k, n + k - 1 - start, start + size)))
    return tuple(axes), tuple(sizes)


def error_bound(p: Problem) -> float:
    """Return more than the rounding error of any element of an integer convolution: several times the known bound on FFTs."""
    _, sizes = lengths(p)
    elements = float(np.prod([float(n) for n in sizes]))
    norms = p.largest / p.w.size * np.sqrt(float(p.x.size) * p.w.size)
    return 32 * (1 + np.log2(elements)) * float(np.finfo(np.float64).eps) * norms


def transform_type(p: Problem) -> np.dtype:
    """Return the type in which the transforms are made."""
    kind = p.result.kind
    real = FLOAT32 if kind in "fc" and p.result.itemsize <= (8 if kind == "c" else 4) else FLOAT64
    if p.result.itemsize > (16 if kind == "c" else 8):
        return p.result
    return np.result_type(real, np.complex64) if kind == "c" else real


def by_fft(p: Problem) -> tuple[np.ndarray, bool]:
    """Return the convolution by NumPy's transforms of the whole arrays, and whether it can be relied on, as `judged`."""
    (axes, sizes), dtype = lengths(p), transform_type(p)
    x, w = p.x.astype(dtype, copy=False), p.w.astype(dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if not axes:
            y = x * w
        elif p.result.kind == "c":
            y = np.fft.ifftn(np.fft.fftn(x, sizes, axes) * np.fft.fftn(w, sizes, axes), sizes, axes)
        else:
            y = np.fft.irfftn(np.fft.rfftn(x, sizes, axes) * np.fft.rfftn(w, sizes, axes), sizes, axes)
        y = y[tuple(slice(start, start + size) for start, size in zip(p.start, p.size, strict=True))]
    return judged(p, y, spread=bool(axes))


def by_blocks(p: Problem) -> tuple[np.ndarray, bool]:
    """Return the convolution of a long signal by transforms of its blocks, and whether it can be relied on, as `judged`."""
    dtype = transform_type(p)
    x, w, y = kernel_ready(p.x, dtype), kernel_ready(p.w, dtype), aligned_empty(p.size, dtype)
    OverlapPlan(w.size, y.size, dtype)(parallel_for, x, w, p.start[0], y)
    return judged(p, y)


def judged(p: Problem, y: np.ndarray, spread: bool = True) -> tuple[np.ndarray, bool]:
    """Return what transforms gave in the result's type, integers rounded to the nearest, and whether it can be relied on.

    A transform spreads NaN, infinity and its own overflow over each line that it transforms, all of which then is not finite. So
    one look at every element that is wanted tells whether something spread. Integers that need more bits are lost: floats don't
    wrap around.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if p.result.kind not in "biu":
            result = p.as_result(y)
            return result, not spread or all_finite(result if result.dtype == y.dtype else y)
        limit = 2**64 if p.result == np.uint64 else 2**63
        return p.as_result(np.rint(y)), p.largest < limit or bool(np.abs(y).max() < limit)
