"""Convolution and correlation of images, with a choice of what is outside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import all_finite, check_no_mask
from ..shapes import Ints, Pads, check_elements
from .direct import direct
from .problem import MODES, as_operands, check_option, output_window, problem, second_is_larger

PAD_MODES = {
    "fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap", "symm": "symmetric", "symmetric": "symmetric",
}  # fmt: skip


def convolve2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: complex | ArrayLike = 0
) -> np.ndarray:
    """Convolve two images: y[i, j] = sum of in1[i - a, j - b] * in2[a, b] over a and b.

    Parameters
    ----------
    in1, in2 : (h, w) and (kh, kw) array_like
        Bools, integers, floats or complex numbers.
    mode : "full", "same" or "valid"
        What to return of the (h + kh - 1, w + kw - 1) pixels: all; (h, w), from ((kh - 1) // 2, (kw - 1) // 2) on; or the
        (abs(h - kh) + 1, abs(w - kw) + 1) that see nothing outside in1, or in2 if that is larger.
    boundary : "fill" ("pad"), "wrap" ("circular") or "symm" ("symmetric")
        What is outside in1: fillvalue; in1 again; in1 mirrored, the pixels at its edges twice. Both as often as it takes.
    fillvalue : scalar
        For "fill"; a float is cut to an integer for integer images.

    Returns
    -------
    ndarray
        Of type ``numpy.result_type(in1, in2)``; integers are exact and wrap around, bools are "or" of "and", as NumPy's.

    Raises
    ------
    ValueError
        If the arrays aren't two-dimensional, the mode or boundary is unknown, "valid" doesn't fit, fillvalue isn't one number of
        the result's type, or there is nothing to wrap or mirror.
    TypeError
        If an array has a mask, or holds objects, strings or dates.

    Notes
    -----
    The same as ``scipy.signal.convolve2d(in1, in2, mode, boundary, fillvalue)``, which refuses bools and half precision.
    Always by sums; for two large images with zeros outside, `convolve` chooses FFTs.

    Examples
    --------
    >>> from fastconv.signal import convolve2d
    >>> image = [[1, 2, 3], [4, 5, 6]]
    >>> convolve2d(image, [[1, 0, -1]], mode="same")
    array([[ 2,  2, -2],
           [ 5,  2, -5]])
    >>> convolve2d(image, [[1, 0, -1]], mode="same", boundary="symm")
    array([[1, 2, 1],
           [1, 2, 1]])
    """
    return _convolved("convolve2d", in1, in2, mode, boundary, fillvalue, correlation=False)


def correlate2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: complex | ArrayLike = 0
) -> np.ndarray:
    """Correlate two images: y[i, j] = sum of in1[i + a - (kh - 1), j + b - (kw - 1)] * conj(in2[a, b]) over a and b.

    Parameters
    ----------
    in1, in2 : (h, w) and (kh, kw) array_like
    mode : "full", "same" or "valid"
        As for `convolve2d`, but "same" is from (kh // 2, kw // 2) on, one pixel further than that of `correlate` for even sizes.
    boundary, fillvalue
        As for `convolve2d`.

    Returns
    -------
    ndarray
        As of `convolve2d`, of in1 with in2 reversed on both axes and conjugated.

    Raises
    ------
    ValueError, TypeError
        As `convolve2d`.

    Notes
    -----
    The same as ``scipy.signal.correlate2d(in1, in2, mode, boundary, fillvalue)``. As there, "valid" with a larger in2 conjugates
    in1 instead of in2, so that it is the conjugate of what `correlate` returns.

    Examples
    --------
    >>> from fastconv.signal import correlate2d
    >>> correlate2d([[1, 2, 3], [4, 5, 6]], [[1, 1], [1, 1]], mode="valid")
    array([[12, 16]])
    """
    return _convolved("correlate2d", in1, in2, mode, boundary, fillvalue, correlation=True)


def _convolved(operation: str, in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, correlation: bool) -> np.ndarray:
    check_option(operation, "mode", mode, MODES)
    check_option(operation, "boundary", boundary, tuple(PAD_MODES))
    x, w = as_operands(operation, in1, in2)
    if not x.ndim == w.ndim == 2:
        raise ValueError(f"{operation}: in1 and in2 must have 2 axes, but have shapes {x.shape} and {w.shape}")
    swapped = mode == "valid" and second_is_larger(operation, x.shape, w.shape)
    middle = tuple(k // 2 if correlation else (k - 1) // 2 for k in w.shape)
    start, size = output_window(operation, mode, x.shape, w.shape, middle)
    pad = PAD_MODES[boundary]
    fill = _fill(operation, fillvalue, np.result_type(x, w)) if pad == "constant" else None
    if correlation:
        x, w = (x.conj(), np.flip(w)) if swapped else (x, np.flip(w).conj())
    nothing_outside = mode == "valid" or (fill == 0 and all_finite(w))  # zero times what isn't finite in the kernel is NaN
    if not w.size or 0 in size or (not x.size and nothing_outside):
        return np.zeros(size, np.result_type(x, w))
    if nothing_outside:
        return direct(problem(x, w, start, size))
    before = tuple(max(0, k - 1 - first) for k, first in zip(w.shape, start, strict=True))
    after = tuple(max(0, first + s - n) for first, s, n in zip(start, size, x.shape, strict=True))
    return direct(problem(_extended(operation, x, tuple(zip(before, after, strict=True)), pad, fill), w, _sum(start, before), size))


def _extended(operation: str, x: np.ndarray, pads: Pads, pad: str, fill: np.ndarray | None) -> np.ndarray:
    """Return x with what is outside."""
    check_elements(operation, *(n + sum(pair) for n, pair in zip(x.shape, pads, strict=True)))
    if fill is not None:
        return np.pad(x.astype(fill.dtype, copy=False), pads, "constant", constant_values=fill)
    if not x.size:
        raise ValueError(f"{operation}: there is nothing to {pad} in an image of shape {x.shape}")
    return np.pad(x, pads, pad)  # type: ignore[call-overload]  # one of PAD_MODES


def _sum(a: Ints, b: Ints) -> Ints:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _fill(operation: str, fillvalue: Any, result: np.dtype) -> np.ndarray:
    """Return the fill value in the result's type."""
    check_no_mask(operation, "fillvalue", fillvalue)
    array = np.asarray(fillvalue)
    if array.size != 1:
        raise ValueError(f"{operation}: `fillvalue` must be scalar or an array with one element, but has shape {array.shape}")
    value = array.item()
    fits = array.dtype.kind in "biufc" and (result.kind == "c" or np.imag(value) == 0)
    if fits and result.kind in "iu":
        limits = np.iinfo(result)
        fits = bool(np.isfinite(value)) and limits.min <= int(np.real(value)) <= limits.max
    if not fits:
        raise ValueError(f"{operation}: could not cast `fillvalue` directly to the output type {result}: {fillvalue!r}")
    with np.errstate(over="ignore"):  # half precision
        return np.asarray(value if result.kind == "c" else np.real(value)).astype(result)
