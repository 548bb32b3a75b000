"""Convolution by its sums: by the engine's compiled kernels where they can, else by adding shifted arrays."""

from __future__ import annotations

from itertools import product

import numpy as np

from ..arrays import FLOAT32, FLOAT64
from ..functional import conv1d, conv2d, conv3d
from ..shapes import Ints, Pads
from .cost import engine_is_faster
from .problem import Problem

CONVOLUTIONS = (conv1d, conv2d, conv3d)
MOST_TERMS = 64
"""Up to so many float32 products are added up in float32, where arrays are added."""


def direct(p: Problem) -> np.ndarray:
    """Return the convolution, in the result's type; integers wrap around, as NumPy's do."""
    return by_engine(p) if engine_is_faster(p) else plain(p)


def plain(p: Problem) -> np.ndarray:
    """Return the convolution by NumPy's one-dimensional one, or by adding x, shifted and scaled, for each element of w.

    Only elements that overlap are multiplied, so that what isn't finite in w doesn't meet zeros outside x. Sums of very many
    float32 products are made in float64.
    """
    dtype = FLOAT32 if p.result == np.float16 else p.result
    x, w = p.x.astype(dtype, copy=False), p.w.astype(dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if x.ndim == 1:
            return p.as_result(np.convolve(x, w)[p.start[0] : p.start[0] + p.size[0]])
        y = np.zeros(p.size, np.result_type(dtype, FLOAT64) if w.size > MOST_TERMS and dtype.kind in "fc" else dtype)
        for index in product(*map(range, w.shape)):
            to, of = [], []
            for j, start, size, n in zip(index, p.start, p.size, x.shape, strict=True):
                first, last = max(0, j - start), min(size, n + j - start)
                to.append(slice(first, max(first, last)))
                of.append(slice(first + start - j, max(first, last) + start - j))
            y[tuple(to)] += x[tuple(of)] * w[index]
    return p.as_result(y.astype(dtype, copy=False))


def by_engine(p: Problem) -> np.ndarray:
    """Return the convolution by the compiled kernels; the problem must have an engine_type.

    Where the kernel for one channel and one filter can't do it or is slower, `lanes` neighbouring results on the last axis are the
    filters of another: copies of w, each moved on by one pixel, with zeros around, that go over the image in steps of `lanes`
    pixels. One filter would use one lane of a vector. A complex number is two channels.
    """
    dtype = p.engine_type
    assert dtype is not None
    pads, pieces = [], []
    for n, k, start, size in zip(p.x.shape, p.w.shape, p.start, p.size, strict=True):
        first, last = start - (k - 1), start + size
        pads.append((max(0, -first), max(0, last - n)))
        pieces.append(slice(max(0, first), min(n, last)))
    image = _channels(p.x[tuple(pieces)], dtype)
    weights = _weights(p.w[(slice(None, None, -1),) * p.w.ndim], dtype, p.x.dtype.kind == "c", p.result.kind == "c")
    lanes = 1 if p.by_rows else p.lanes(dtype.itemsize)
    y = _correlation(image, weights, tuple(pads), p.size, lanes, "plane" if p.by_rows else "auto")
    if lanes > 1 and np.isnan(y.max()):  # a pixel that is not finite, times the zeros around w, may have spread
        y = _correlation(image, weights, tuple(pads), p.size, 1, "auto")
    return p.as_result((y.view(np.result_type(dtype, np.complex64)) if p.result.kind == "c" else y)[..., 0])


def _channels(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return x as (*size, 1), or (*size, 2) if complex."""
    if x.dtype.kind != "c":
        return x.astype(dtype, copy=False)[..., None]
    return np.ascontiguousarray(x, np.result_type(dtype, np.complex64))[..., None].view(dtype)


def _weights(w: np.ndarray, dtype: np.dtype, complex_x: bool, complex_result: bool) -> np.ndarray:
    """Return w as (*kernel, channels of x, channels of the result)."""
    if not complex_result:
        return w.astype(dtype)[..., None, None]
    real, imag = w.real.astype(dtype), w.imag.astype(dtype)
    rows = [[real, imag], [-imag, real]] if complex_x else [[real, imag]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _correlation(image: np.ndarray, weights: np.ndarray, pads: Pads, size: Ints, lanes: int, algorithm: str) -> np.ndarray:
    """Return the correlation (*size, channels of the result), `lanes` of its last axis at once."""
    *lead, k, channels, filters = weights.shape
    moved = np.zeros((*lead, k + lanes - 1, channels, lanes, filters), weights.dtype)
    for lane in range(lanes):
        moved[..., lane : lane + k, :, lane, :] = weights
    (before, after), dims = pads[-1], len(size)
    y = CONVOLUTIONS[dims - 1](
        image[None],
        moved.reshape(*lead, k + lanes - 1, channels, lanes * filters),
        stride=lanes if dims == 1 else (1,) * (dims - 1) + (lanes,),
        padding=(*pads[:-1], (before, after + -size[-1] % lanes)),
        algorithm=algorithm,
    )
    y = y.reshape(*size[:-1], -1, filters)[..., : size[-1], :]
    return np.ascontiguousarray(y)
