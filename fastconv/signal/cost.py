"""Which is faster, the sums or the transforms: a model of a few constants, measured and fitted by `python -m bench.conv_method`.

The constants are for one thread, so that the choice, and with it a result's last bits, doesn't depend on the number of threads.
"""

from __future__ import annotations

from math import log2, prod

from .direct import VECTOR_BYTES
from .fourier import error_bound, lengths
from .problem import Problem

# Seconds, on an AVX-512 Xeon with Python 3.11 and NumPy 2.4. With them the choice among 200 random problems was the faster method
# in 91% of them, took 1.01 times the faster method's seconds in the mean, and 1.42 times at most.
ENGINE_CALL = 3.7e-5
ENGINE_OUTPUT = 1.3e-9
ENGINE_MULTIPLICATION_BYTE = 4e-12
ENGINE_WEIGHT = 4.9e-9
SHIFT_CALL = 6.8e-6
SHIFT_ELEMENT = 4.7e-10
FFT_AXIS = 1.2e-5
FFT_STEP = 3.9e-10
FFT_WORTH = 0.75
"""Sums are more accurate, so transforms must save a quarter of the time."""


def engine_terms(p: Problem, bytes_each: int) -> tuple[float, ...]:
    """Return by how much the ENGINE_ constants count: the call, the results, the multiplications' bytes, the moved weights."""
    channels, filters = (2 if array_kind == "c" else 1 for array_kind in (p.x.dtype.kind, p.result.kind))
    lanes = max(1, min(p.size[-1], VECTOR_BYTES // bytes_each // filters))
    widened = max(prod(p.w.shape) // p.w.shape[-1] * (p.w.shape[-1] + lanes - 1), 1) * channels * filters
    outputs = prod(p.size)
    return 1.0, outputs * filters, outputs * widened * bytes_each, widened * lanes


def shift_terms(p: Problem) -> tuple[float, ...]:
    """Return by how much the SHIFT_ constants count: one pass for each element of w, and the elements that all passes touch."""
    return p.w.size, float(p.w.size) * prod(p.size)


def fft_terms(p: Problem) -> tuple[float, ...]:
    """Return by how much the FFT_ constants count: the axes, and the elements that the three transforms' log2(n) steps touch.

    Single precision takes NumPy as long as double precision.
    """
    axes, sizes = lengths(p)
    arrays = (p.x.shape, p.w.shape, tuple(map(max, p.x.shape, p.w.shape)))
    transforms = sum(prod(n for axis, n in enumerate(shape) if axis not in axes) for shape in arrays)
    length = prod(sizes)
    return 1.0 + len(axes), transforms * length * log2(2 * length) * (2 if p.result.kind == "c" else 1)


def direct_seconds(p: Problem) -> float:
    """Return how long `direct` should take."""
    if p.engine_type is None:
        return _cost((SHIFT_CALL, SHIFT_ELEMENT), shift_terms(p))
    constants = (ENGINE_CALL, ENGINE_OUTPUT, ENGINE_MULTIPLICATION_BYTE, ENGINE_WEIGHT)
    return _cost(constants, engine_terms(p, p.engine_type.itemsize))


def fft_seconds(p: Problem) -> float:
    """Return how long `by_fft` should take."""
    return _cost((FFT_AXIS, FFT_STEP), fft_terms(p))


def _cost(constants: tuple[float, ...], terms: tuple[float, ...]) -> float:
    return sum(constant * term for constant, term in zip(constants, terms, strict=True))


def faster(p: Problem) -> str:
    """Return "direct" or "fft"; bools and integers that an FFT might not round to the exact result are always "direct"."""
    if fft_seconds(p) >= FFT_WORTH * direct_seconds(p) or p.result.kind == "b":
        return "direct"
    return "direct" if p.result.kind in "iu" and error_bound(p) >= 0.25 else "fft"
