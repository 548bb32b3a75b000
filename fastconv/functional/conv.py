"""Convolution (correlation, as in every deep-learning framework) in one, two and three dimensions, and its two gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from .._arrays import check_rank, operands
from ..kernels.table import choose
from ..shapes import ConvSpec, Ints, as_int, check_elements, check_shape, conv_spec
from .layout import (
    CHANNELS_LAST,
    from_last,
    is_first,
    last_shape,
    last_weight_shape,
    to_last,
    weights_from_last,
    weights_to_last,
)


def _spec(operation: str, input_shape: Ints, weight_shape: Ints, geometry: dict[str, Any]) -> ConvSpec:
    return conv_spec(operation, input_shape, weight_shape, **geometry)


def _shape(operation: str, name: str, shape: Any, rank: int) -> Ints:
    """Return a shape argument as a tuple of `rank` ints."""
    if not isinstance(shape, (tuple, list)) or len(shape) != rank:
        raise ValueError(f"{operation}: {name} must have {rank} entries, but is {shape!r}")
    checked = tuple(as_int(operation, f"{name}[{axis}]", size, 0) for axis, size in enumerate(shape))
    check_elements(operation, *checked)
    return checked


def _forward(operation: str, dims: int, x: Any, w: Any, bias: Any, layout: str, algorithm: str, **geometry: Any) -> np.ndarray:
    first = is_first(operation, layout, dims)
    x, w, bias = operands(operation, x=x, w=w, bias=bias)
    check_rank(operation, "x", x, dims + 2, layout)
    check_rank(operation, "w", w, dims + 2, "(two more than the kernel's)")
    spec = _spec(operation, last_shape(x.shape, first), last_weight_shape(w.shape, first), geometry)
    if bias is not None:
        check_shape(operation, "bias", bias.shape, (spec.filters,))
    y = np.empty(spec.output_shape, x.dtype)
    if not x.size:
        y[...] = 0 if bias is None else bias
    elif y.size:
        plan = choose(operation, "output", spec, x.dtype, algorithm)
        plan(_threads.split, to_last(x, first).reshape(-1), weights_to_last(w, first).reshape(-1), bias, y.reshape(-1))
    return from_last(y, first)


def _input_grad(
    operation: str, dims: int, dy: Any, w: Any, input_shape: Any, layout: str, algorithm: str, **geometry: Any
) -> np.ndarray:
    first = is_first(operation, layout, dims)
    dy, w = operands(operation, dy=dy, w=w)
    check_rank(operation, "dy", dy, dims + 2, layout)
    check_rank(operation, "w", w, dims + 2, "(two more than the kernel's)")
    shape = last_shape(_shape(operation, "input_shape", input_shape, dims + 2), first)
    spec = _spec(operation, shape, last_weight_shape(w.shape, first), geometry)
    dy = to_last(dy, first)
    check_shape(operation, f"dy (as {CHANNELS_LAST[dims]})", dy.shape, spec.output_shape)
    if not dy.size:
        return from_last(np.zeros(spec.input_shape, dy.dtype), first)
    dx = np.empty(spec.input_shape, dy.dtype)
    if dx.size:
        plan = choose(operation, "input_grad", spec, dy.dtype, algorithm)
        plan(_threads.split, dy.reshape(-1), weights_to_last(w, first).reshape(-1), dx.reshape(-1))
    return from_last(dx, first)


def _weight_grad(
    operation: str, dims: int, x: Any, dy: Any, weight_shape: Any, layout: str, algorithm: str, **geometry: Any
) -> np.ndarray:
    first = is_first(operation, layout, dims)
    x, dy = operands(operation, x=x, dy=dy)
    check_rank(operation, "x", x, dims + 2, layout)
    check_rank(operation, "dy", dy, dims + 2, layout)
    shape = last_weight_shape(_shape(operation, "weight_shape", weight_shape, dims + 2), first)
    spec = _spec(operation, last_shape(x.shape, first), shape, geometry)
    dy = to_last(dy, first)
    check_shape(operation, f"dy (as {CHANNELS_LAST[dims]})", dy.shape, spec.output_shape)
    if not (x.size and dy.size):
        return weights_from_last(np.zeros(spec.weight_shape, x.dtype), first)
    plan = choose(operation, "weight_grad", spec, x.dtype, algorithm)
    dw = np.empty(spec.weight_shape, x.dtype)
    plan(_threads.split, to_last(x, first).reshape(-1), dy.reshape(-1), dw.reshape(-1))
    return weights_from_last(dw, first)


def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: Any = "valid",
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    layout: str = "NHWC",
    algorithm: str = "auto",
) -> np.ndarray:
    """Convolve images with filters: y[n, i, j, f] = bias[f] + sum of x[n, i*s + a*d - p, j*s + b*d - p, c] * w[a, b, c, f].

    Parameters
    ----------
    x : (n, h, w, c) float32 or float64
        Images; (n, c, h, w) with layout "NCHW". Integers and bools are computed as float64; mixed types promote as NumPy's.
    w : (kh, kw, c / groups, f)
        Filters; (f, c / groups, kh, kw) with layout "NCHW".
    bias : (f,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), or str
        "valid" (none), "same" (output of ceil(size / stride) pixels, an odd pixel of zeros goes to the end, as in TensorFlow and
        ONNX), "same_lower" (it goes to the beginning), "full" (dilated kernel - 1).
    groups : int
        Filters are cut into groups, each of which sees its own c / groups channels.
    layout : "NHWC" or "NCHW"
    algorithm : "auto", "direct" or "generic"
        "auto" takes the fastest kernel that can do the case; the others ask for one.

    Returns
    -------
    (n, oh, ow, f) ndarray
        oh = floor((h + top + bottom - ((kh - 1) * dilation + 1)) / stride) + 1, and ow likewise; a new, C-contiguous array.

    Raises
    ------
    ValueError, TypeError
        If shapes or options don't fit together; the message names the rule and the numbers.

    Notes
    -----
    The same as ``torch.nn.functional.conv2d(x, w, bias, ...)`` with layout "NCHW" and as ``keras.ops.conv`` with "NHWC".

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv2d
    >>> image = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> conv2d(image, np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _forward("conv2d", 2, x, w, bias, layout, algorithm, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv2d_input_grad(
    dy: ArrayLike,
    w: ArrayLike,
    input_shape: tuple[int, ...],
    *,
    stride: int | tuple[int, int] = 1,
    padding: Any = "valid",
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    layout: str = "NHWC",
    algorithm: str = "auto",
) -> np.ndarray:
    """Return the gradient of a loss with respect to conv2d's x, given its gradient dy with respect to conv2d's result.

    Parameters
    ----------
    dy : (n, oh, ow, f) float32 or float64
    w : (kh, kw, c / groups, f)
    input_shape : (n, h, w, c)
        The shape of conv2d's x, in the given layout.
    stride, padding, dilation, groups, layout, algorithm
        As given to conv2d.

    Returns
    -------
    ndarray of input_shape

    Raises
    ------
    ValueError, TypeError
        As conv2d; also if dy hasn't the shape of conv2d's result.

    Notes
    -----
    The same as ``torch.nn.grad.conv2d_input(input_shape, w, dy, ...)``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv2d_input_grad
    >>> conv2d_input_grad(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), (1, 3, 3, 1))[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    return _input_grad(
        "conv2d_input_grad", 2, dy, w, input_shape, layout, algorithm,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


def conv2d_weight_grad(
    x: ArrayLike,
    dy: ArrayLike,
    weight_shape: tuple[int, ...],
    *,
    stride: int | tuple[int, int] = 1,
    padding: Any = "valid",
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    layout: str = "NHWC",
    algorithm: str = "auto",
) -> np.ndarray:
    """Return the gradient of a loss with respect to conv2d's w, given its gradient dy with respect to conv2d's result.

    Parameters
    ----------
    x : (n, h, w, c) float32 or float64
    dy : (n, oh, ow, f)
    weight_shape : (kh, kw, c / groups, f)
        The shape of conv2d's w, in the given layout.
    stride, padding, dilation, groups, layout, algorithm
        As given to conv2d.

    Returns
    -------
    ndarray of weight_shape
        The bias's gradient is dy.sum(axis=(0, 1, 2)).

    Raises
    ------
    ValueError, TypeError
        As conv2d; also if dy hasn't the shape of conv2d's result.

    Notes
    -----
    The same as ``torch.nn.grad.conv2d_weight(x, weight_shape, dy, ...)``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv2d_weight_grad
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> conv2d_weight_grad(x, np.ones((1, 2, 2, 1)), (2, 2, 1, 1))[:, :, 0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _weight_grad(
        "conv2d_weight_grad", 2, x, dy, weight_shape, layout, algorithm,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


def conv1d(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int = 1,
    padding: Any = "valid",
    dilation: int = 1,
    groups: int = 1,
    layout: str = "NWC",
    algorithm: str = "auto",
) -> np.ndarray:
    """Convolve sequences (n, w, c) with filters (k, c / groups, f); everything else as `conv2d`, layouts "NWC" and "NCW".

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv1d
    >>> conv1d(np.arange(5.0).reshape(1, 5, 1), np.array([1.0, 0.0, -1.0]).reshape(3, 1, 1)).ravel()
    array([-2., -2., -2.])
    """
    return _forward("conv1d", 1, x, w, bias, layout, algorithm, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv3d(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | tuple[int, int, int] = 1,
    padding: Any = "valid",
    dilation: int | tuple[int, int, int] = 1,
    groups: int = 1,
    layout: str = "NDHWC",
    algorithm: str = "auto",
) -> np.ndarray:
    """Convolve volumes (n, d, h, w, c) with filters (kd, kh, kw, c / groups, f); everything else as `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv3d
    >>> conv3d(np.ones((1, 2, 2, 2, 1)), np.ones((2, 2, 2, 1, 1))).ravel()
    array([8.])
    """
    return _forward("conv3d", 3, x, w, bias, layout, algorithm, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv1d_input_grad(
    dy: ArrayLike, w: ArrayLike, input_shape: tuple[int, ...], *, layout: str = "NWC", algorithm: str = "auto", **geometry: Any
) -> np.ndarray:
    """Return the gradient with respect to conv1d's x; options as `conv2d_input_grad`."""
    return _input_grad("conv1d_input_grad", 1, dy, w, input_shape, layout, algorithm, **geometry)


def conv1d_weight_grad(
    x: ArrayLike, dy: ArrayLike, weight_shape: tuple[int, ...], *, layout: str = "NWC", algorithm: str = "auto", **geometry: Any
) -> np.ndarray:
    """Return the gradient with respect to conv1d's w; options as `conv2d_weight_grad`."""
    return _weight_grad("conv1d_weight_grad", 1, x, dy, weight_shape, layout, algorithm, **geometry)


def conv3d_input_grad(
    dy: ArrayLike,
    w: ArrayLike,
    input_shape: tuple[int, ...],
    *,
    layout: str = "NDHWC",
    algorithm: str = "auto",
    **geometry: Any,
) -> np.ndarray:
    """Return the gradient with respect to conv3d's x; options as `conv2d_input_grad`."""
    return _input_grad("conv3d_input_grad", 3, dy, w, input_shape, layout, algorithm, **geometry)


def conv3d_weight_grad(
    x: ArrayLike,
    dy: ArrayLike,
    weight_shape: tuple[int, ...],
    *,
    layout: str = "NDHWC",
    algorithm: str = "auto",
    **geometry: Any,
) -> np.ndarray:
    """Return the gradient with respect to conv3d's w; options as `conv2d_weight_grad`."""
    return _weight_grad("conv3d_weight_grad", 3, x, dy, weight_shape, layout, algorithm, **geometry)
