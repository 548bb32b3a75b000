"""Max, min and average pooling of images, and their gradients."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from .._arrays import check_rank, operands
from ..kernels.pool import MAX, MIN, TIES, PoolPlan
from ..shapes import PoolSpec, as_int, check_elements, check_shape, pool_spec
from .layout import from_last, is_first, last_shape, to_last


@lru_cache(maxsize=512)
def _plan(spec: PoolSpec) -> PoolPlan:
    return PoolPlan(spec)


def _spec(operation: str, shape: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any) -> PoolSpec:
    return pool_spec(operation, shape, kernel_size, stride, padding)


def _pick(operation: str, pick: int, x: Any, kernel_size: Any, stride: Any, padding: Any, layout: str) -> np.ndarray:
    first = is_first(operation, layout, 2)
    (x,) = operands(operation, x=x)
    check_rank(operation, "x", x, 4, layout)
    x = to_last(x, first)
    spec = _spec(operation, x.shape, kernel_size, stride, padding)
    y = np.empty(spec.output_shape, x.dtype)
    _plan(spec).pick(_threads.split, pick, x.reshape(-1), y.reshape(-1))
    return from_last(y, first)


def _pick_grad(
    operation: str, pick: int, dy: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, ties: str, layout: str
) -> np.ndarray:
    first = is_first(operation, layout, 2)
    if ties not in TIES:
        raise ValueError(f"{operation}: ties must be one of {tuple(TIES)}, but is {ties!r}")
    dy, x = operands(operation, dy=dy, x=x)
    check_rank(operation, "x", x, 4, layout)
    check_rank(operation, "dy", dy, 4, layout)
    dy, x = to_last(dy, first), to_last(x, first)
    spec = _spec(operation, x.shape, kernel_size, stride, padding)
    check_shape(operation, "dy (as NHWC)", dy.shape, spec.output_shape)
    dx = np.empty(spec.input_shape, x.dtype)
    _plan(spec).pick_grad(_threads.split, pick, TIES[ties], dy.reshape(-1), x.reshape(-1), dx.reshape(-1))
    return from_last(dx, first)


def max_pool2d(
    x: ArrayLike,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    *,
    padding: Any = "valid",
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the maximum of each window of an image batch, channel by channel.

    Parameters
    ----------
    x : (n, h, w, c) float32 or float64
        Images; (n, c, h, w) with layout "NCHW".
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        The kernel size if not given.
    padding : int, pairs or str
        As in `conv2d`, smaller than the window; padded pixels are never the maximum.
    layout : "NHWC" or "NCHW"

    Returns
    -------
    (n, oh, ow, c) ndarray
        oh = floor((h + top + bottom - kernel) / stride) + 1, and ow likewise. NaN where a window has a NaN.

    Raises
    ------
    ValueError, TypeError
        If the window is larger than the padded image, the padding isn't smaller than the window, or an option is no positive
        integer.

    Notes
    -----
    The same as ``torch.nn.functional.max_pool2d`` (layout "NCHW") and ``keras.ops.max_pool``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import max_pool2d
    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _pick("max_pool2d", MAX, x, kernel_size, stride, padding, layout)


def max_pool2d_grad(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    *,
    padding: Any = "valid",
    ties: str = "first",
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the gradient of a loss with respect to max_pool2d's x, given its gradient dy with respect to the result.

    Parameters
    ----------
    dy : (n, oh, ow, c) float32 or float64
    x : (n, h, w, c)
        What max_pool2d was given.
    kernel_size, stride, padding, layout
        As given to max_pool2d.
    ties : "first", "all" or "split"
        Where a window has its maximum several times: the first in row-major order gets the gradient (PyTorch, Keras), each gets
        all of it (the notebooks), or each gets an equal share. A NaN counts as the maximum.

    Returns
    -------
    ndarray of x's shape
        Gradients of overlapping windows are added.

    Raises
    ------
    ValueError, TypeError
        As max_pool2d; also if dy hasn't the shape of max_pool2d's result.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import max_pool2d_grad
    >>> x = np.array([[1.0, 3.0], [3.0, 2.0]]).reshape(1, 2, 2, 1)
    >>> max_pool2d_grad(np.ones((1, 1, 1, 1)), x, 2, ties="split")[0, :, :, 0]
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    return _pick_grad("max_pool2d_grad", MAX, dy, x, kernel_size, stride, padding, ties, layout)


def min_pool2d(
    x: ArrayLike,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    *,
    padding: Any = "valid",
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the minimum of each window; everything else as `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import min_pool2d
    >>> min_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 0.,  2.],
           [ 8., 10.]])
    """
    return _pick("min_pool2d", MIN, x, kernel_size, stride, padding, layout)


def min_pool2d_grad(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    *,
    padding: Any = "valid",
    ties: str = "first",
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the gradient with respect to min_pool2d's x; everything else as `max_pool2d_grad`."""
    return _pick_grad("min_pool2d_grad", MIN, dy, x, kernel_size, stride, padding, ties, layout)


def avg_pool2d(
    x: ArrayLike,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    *,
    padding: Any = "valid",
    count_include_pad: bool = False,
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the average of each window of an image batch, channel by channel.

    Parameters
    ----------
    x, kernel_size, stride, padding, layout
        As `max_pool2d`.
    count_include_pad : bool
        Whether the sum is divided by the whole window's pixels, or (the default) by those within the image.

    Returns
    -------
    (n, oh, ow, c) ndarray
        oh = floor((h + top + bottom - kernel) / stride) + 1, and ow likewise.

    Raises
    ------
    ValueError, TypeError
        As max_pool2d.

    Notes
    -----
    ``torch.nn.functional.avg_pool2d`` has count_include_pad True by default; ``keras.ops.average_pool`` False.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import avg_pool2d
    >>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    first = is_first("avg_pool2d", layout, 2)
    (x,) = operands("avg_pool2d", x=x)
    check_rank("avg_pool2d", "x", x, 4, layout)
    x = to_last(x, first)
    spec = _spec("avg_pool2d", x.shape, kernel_size, stride, padding)
    y = np.empty(spec.output_shape, x.dtype)
    _plan(spec).average(_threads.split, count_include_pad, x.reshape(-1), y.reshape(-1))
    return from_last(y, first)


def avg_pool2d_grad(
    dy: ArrayLike,
    input_shape: tuple[int, ...],
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    *,
    padding: Any = "valid",
    count_include_pad: bool = False,
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the gradient with respect to avg_pool2d's x, whose shape is input_shape, given dy of its result's shape.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import avg_pool2d_grad
    >>> avg_pool2d_grad(np.ones((1, 1, 1, 1)), (1, 2, 2, 1), 2)[0, :, :, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    operation = "avg_pool2d_grad"
    first = is_first(operation, layout, 2)
    (dy,) = operands(operation, dy=dy)
    check_rank(operation, "dy", dy, 4, layout)
    if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 4:
        raise ValueError(f"{operation}: input_shape must have 4 entries, but is {input_shape!r}")
    shape = last_shape(tuple(as_int(operation, "input_shape", size, 0) for size in input_shape), first)
    check_elements(operation, *shape)
    dy = to_last(dy, first)
    spec = _spec(operation, shape, kernel_size, stride, padding)
    check_shape(operation, "dy (as NHWC)", dy.shape, spec.output_shape)
    dx = np.empty(spec.input_shape, dy.dtype)
    _plan(spec).average_grad(_threads.split, count_include_pad, dy.reshape(-1), dx.reshape(-1))
    return from_last(dx, first)
