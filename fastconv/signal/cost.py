"""Which way is fastest: a model of a few constants, measured and fitted by `python -m bench.conv_method`.

The constants are for one thread, so that the choice, and with it a result's last bits, doesn't depend on the number of threads.
"""

from __future__ import annotations

from math import log2, prod

from ..arrays import FLOAT32, FLOAT64
from ..kernels.overlap.blocks import fastest_points
from .fourier import error_bound, lengths, transform_type
from .problem import Problem

# Seconds, on an AVX-512 Xeon with Python 3.11 and NumPy 2.4. There, of 200 random problems, the way chosen was the fastest of the
# three for 88%, took 1.05 times the fastest one's seconds in the mean, and 2.51 times at most.
ENGINE = (4.6e-5, 8.5e-10, 4.3e-12, 3.5e-9)
PLANE = (3.1e-5, 3.4e-10, 4.2e-12)
SHIFTS = (6e-6, 6.6e-10)
NUMPY = (4.9e-6, 9.1e-9, 5.9e-11)
FFT = (1.3e-5, 4.1e-10)
BLOCKS = (3e-5, 5e-10, 1.5)
FFT_WORTH = 0.75
"""Sums are more accurate, so transforms must save a quarter of the time."""


def engine_terms(p: Problem) -> tuple[float, ...]:
    """Return how often each constant of ENGINE counts: the call, the results, the bytes to multiply, the weights to copy."""
    channels, filters = (2 if array_type.kind == "c" else 1 for array_type in (p.x.dtype, p.result))
    bytes_each = p.engine_type.itemsize if p.engine_type else 8
    *lead, k = p.w.shape
    lanes = p.lanes(bytes_each)
    outputs, weights = prod(p.size) * filters, prod(lead) * (k + lanes - 1) * channels
    return 1.0, outputs, outputs * weights * bytes_each, weights * lanes * filters


def plane_terms(p: Problem) -> tuple[float, ...]:
    """Return how often each constant of PLANE counts: the call, the results, and the bytes to multiply."""
    bytes_each = p.engine_type.itemsize if p.engine_type else 8
    return 1.0, prod(p.size), float(prod(p.size)) * p.w.size * bytes_each


def shift_terms(p: Problem) -> tuple[float, ...]:
    """Return how often each constant of SHIFTS counts: a pass for each element of w, and the elements that all passes touch."""
    return p.w.size, float(p.w.size) * prod(p.size)


def numpy_terms(p: Problem) -> tuple[float, ...]:
    """Return how often each constant of NUMPY counts: the call, the results, and their multiplications.

    For up to 11 floats NumPy has a loop that is some ten times as fast.
    """
    return 1.0, p.x.size * (0.1 if p.w.size <= 11 and p.result.kind == "f" else 1), float(p.x.size) * p.w.size


def fft_terms(p: Problem) -> tuple[float, ...]:
    """Return how often each constant of FFT counts: the axes, and the elements that the three transforms' log2(n) steps touch.

    Single precision takes NumPy as long as double precision.
    """
    axes, sizes = lengths(p)
    arrays = (p.x.shape, p.w.shape, tuple(map(max, p.x.shape, p.w.shape)))
    transforms = sum(prod(n for axis, n in enumerate(shape) if axis not in axes) for shape in arrays)
    length = prod(sizes)
    return 1.0 + len(axes), transforms * length * log2(2 * length) * (2 if p.result.kind == "c" else 1)


def blocks_terms(p: Problem) -> tuple[float, ...]:
    """Return how often each constant of BLOCKS counts: the call, the elements to read and write, and the blocks' seconds."""
    if p.x.ndim != 1 or p.result.kind == "c" or transform_type(p) not in (FLOAT32, FLOAT64):
        return 1.0, 0.0, float("inf")
    return 1.0, float(p.x.size + p.size[0]), fastest_points(p.w.size, p.size[0], transform_type(p))[0]


def _seconds(constants: tuple[float, ...], terms: tuple[float, ...]) -> float:
    return sum(constant * term for constant, term in zip(constants, terms, strict=True))


def engine_seconds(p: Problem) -> float:
    """Return how long the engine should take, if it can."""
    return _seconds(PLANE, plane_terms(p)) if p.by_rows else _seconds(ENGINE, engine_terms(p))


def plain_seconds(p: Problem) -> float:
    """Return how long NumPy's own sums should take."""
    return _seconds(NUMPY, numpy_terms(p)) if p.x.ndim == 1 else _seconds(SHIFTS, shift_terms(p))


def fft_seconds(p: Problem) -> float:
    """Return how long transforms of the whole arrays should take."""
    return _seconds(FFT, fft_terms(p))


def blocks_seconds(p: Problem) -> float:
    """Return how long transforms of a signal's blocks should take; infinity if it is none, or its kernel too long."""
    return _seconds(BLOCKS, blocks_terms(p))


def blocks_are_faster(p: Problem) -> bool:
    """Return whether transforms should be of blocks."""
    return blocks_seconds(p) < fft_seconds(p)


def engine_is_faster(p: Problem) -> bool:
    """Return whether the engine should do the sums; whether it can takes a look at all the elements, so comes last."""
    return engine_seconds(p) < plain_seconds(p) and p.engine_type is not None


def faster(p: Problem) -> str:
    """Return "direct" or "fft"; bools and integers that an FFT might not round to the exact result are always "direct"."""
    direct_seconds = engine_seconds(p) if engine_is_faster(p) else plain_seconds(p)
    if min(fft_seconds(p), blocks_seconds(p)) >= FFT_WORTH * direct_seconds or p.result.kind == "b":
        return "direct"
    return "direct" if p.result.kind in "iu" and error_bound(p) >= 0.25 else "fft"
