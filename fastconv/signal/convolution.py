"""Convolution and correlation in any number of dimensions, zeros outside."""

from __future__ import annotations

import warnings
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .cost import blocks_are_faster, faster
from .direct import direct
from .fourier import by_blocks, by_fft
from .problem import MODES, Problem, as_operands, check_option, output_window, problem, second_is_larger

METHODS = ("auto", "direct", "fft")


def transformed(p: Problem) -> tuple[np.ndarray, bool]:
    """Return the convolution by transforms, of blocks or of the whole arrays, and whether it can be relied on."""
    return by_blocks(p) if blocks_are_faster(p) else by_fft(p)


METHOD_OF = {"direct": direct, "fft": transformed}


def convolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> np.ndarray:
    """Convolve two arrays of the same number of dimensions: y[i] = sum of in1[j] * in2[i - j] over j, zeros outside.

    Parameters
    ----------
    in1, in2 : array_like
        Bools, integers, floats or complex numbers; 0-d arrays and scalars are multiplied.
    mode : "full", "same" or "valid"
        What to return of the n + k - 1 elements on an axis of n and k elements: all; n, from (k - 1) // 2 on, which is the middle;
        or the abs(n - k) + 1 that need no zeros, for which one array must be at least as large as the other on every axis.
    method : "auto", "direct" or "fft"
        Sums, fast Fourier transforms, or what should be faster, as `choose_conv_method`. Transforms spread NaN, infinity and
        overflow over all elements; "auto" then computes by sums, in which they stay where they belong. A transform's rounding
        errors are those of the largest elements, everywhere. Real signals that are longer than their kernel are transformed in
        blocks, to which all that is held.

    Returns
    -------
    ndarray
        Of type ``numpy.result_type(in1, in2)``. Integers wrap around and bools are "or" of "and", as NumPy's: exactly so with
        "auto" and "direct", and rounded from float64 with "fft" unless one doesn't fit into 64 bits. Single precision is computed
        in single precision.

    Raises
    ------
    ValueError
        If the numbers of dimensions differ, the mode or method is unknown, "valid" doesn't fit, or an array is empty; only in1
        may be, with mode "same".
    TypeError
        If an array has a mask, or holds objects, strings or dates, which SciPy takes in one dimension.

    Warns
    -----
    RuntimeWarning
        If method "fft" was asked for and NaN, infinity or overflow has spread.

    Notes
    -----
    The same as ``scipy.signal.convolve(in1, in2, mode, method)``, which refuses some bools and half precision.

    Examples
    --------
    >>> from fastconv.signal import convolve
    >>> convolve([1, 2, 3], [0, 1, 10])
    array([ 0,  1, 12, 23, 30])
    >>> convolve([1, 2, 3], [0, 1, 10], mode="same")
    array([ 1, 12, 23])
    """
    x, w = _checked("convolve", in1, in2, mode, method)
    return _computed(_problem("convolve", x, w, mode), method) if x.ndim else _product(x, w)


def correlate(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> np.ndarray:
    """Correlate two arrays of as many dimensions: y[i] = sum of in1[i + j - (k - 1)] * conj(in2[j]) over j, zeros outside.

    Parameters
    ----------
    in1, in2 : array_like
        As for `convolve`.
    mode : "full", "same" or "valid"
        What to return of the n + k - 1 elements on an axis of n and k elements: all; n, from (k - 1) // 2 on; or abs(n - k) + 1.
    method : "auto", "direct" or "fft"
        As for `convolve`; transforms spread NaN and infinity.

    Returns
    -------
    ndarray
        As of `convolve`, of in1 with in2 reversed on every axis and conjugated.

    Raises
    ------
    ValueError, TypeError
        As `convolve`, and it warns as `convolve`.

    Notes
    -----
    The same as ``scipy.signal.correlate(in1, in2, mode, method)``.

    Examples
    --------
    >>> from fastconv.signal import correlate
    >>> correlate([0, 0, 1, 2, 3], [1, 2, 3], mode="valid")
    array([ 3,  8, 14])
    >>> correlate([1j], [1j])
    array([1.+0.j])
    """
    x, w = _checked("correlate", in1, in2, mode, method)
    return _computed(_problem("correlate", x, np.flip(w).conj(), mode), method) if x.ndim else _product(x, w.conj())


def choose_conv_method(in1: ArrayLike, in2: ArrayLike, mode: str = "full", measure: bool = False) -> Any:
    """Return which method `convolve` and `correlate` take by themselves, "direct" or "fft".

    Parameters
    ----------
    in1, in2, mode
        As for `convolve`.
    measure : bool
        Run both methods and time them, instead of asking the model of their costs.

    Returns
    -------
    str, or (str, dict) with measure
        The method, and the seconds of "direct" and "fft". The model is of one thread of the machine that it was measured on.
        Without measure, bools are "direct", and so are integers for which FFTs might not round to the exact result. Where the
        FFTs' result isn't finite, `convolve` and `correlate` go on to take sums.

    Raises
    ------
    ValueError, TypeError
        As `convolve`.

    Notes
    -----
    The same as ``scipy.signal.choose_conv_method(in1, in2, mode, measure)``, for fastconv's costs.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.signal import choose_conv_method
    >>> choose_conv_method(np.ones(1000), np.ones(3)), choose_conv_method(np.ones(10**6), np.ones(10**5))
    ('direct', 'fft')
    """
    x, w = _checked("choose_conv_method", in1, in2, mode, "auto")
    if not (x.ndim and x.size):
        return ("direct", {"direct": 0.0, "fft": 0.0}) if measure else "direct"
    p = _problem("choose_conv_method", x, w, mode)
    if not measure:
        return faster(p)
    seconds = {name: _least_seconds(name, p) for name in METHOD_OF}
    return min(seconds, key=seconds.__getitem__), seconds


def _checked(operation: str, in1: Any, in2: Any, mode: str, method: str) -> tuple[np.ndarray, np.ndarray]:
    check_option(operation, "mode", mode, MODES)
    check_option(operation, "method", method, METHODS)
    x, w = as_operands(operation, in1, in2)
    if x.ndim != w.ndim:
        raise ValueError(f"{operation}: in1 and in2 must have the same number of axes, but have {x.ndim} and {w.ndim}")
    if not w.size or (not x.size and mode != "same"):
        raise ValueError(f"{operation}: in1 and in2 must not be empty, but have shapes {x.shape} and {w.shape}")
    return x, w


def _product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return the convolution of two numbers, which overflows as silently as one of arrays."""
    with np.errstate(all="ignore"):
        return x * w


def _problem(operation: str, x: np.ndarray, w: np.ndarray, mode: str) -> Problem:
    if mode == "valid":
        second_is_larger(operation, x.shape, w.shape)
    return problem(x, w, *output_window(operation, mode, x.shape, w.shape, tuple((k - 1) // 2 for k in w.shape)))


def _computed(p: Problem, method: str) -> np.ndarray:
    if 0 in p.size:
        return np.zeros(p.size, p.result)
    if (faster(p) if method == "auto" else method) == "direct":
        return direct(p)
    y, reliable = transformed(p)
    if not reliable:
        if method == "auto" or p.result.kind in "iu":
            return direct(p)
        warnings.warn("convolution by FFT spreads NaN and infinity to all elements; method='direct' doesn't", RuntimeWarning, 3)
    return y


def _least_seconds(method: str, p: Problem) -> float:
    METHOD_OF[method](p)
    seconds = []
    for _ in range(3):
        start = perf_counter()
        METHOD_OF[method](p)
        seconds.append(perf_counter() - start)
    return min(seconds)
