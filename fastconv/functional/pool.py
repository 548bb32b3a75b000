"""Max and min pooling, their gradients, and max unpooling."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array
from ..kernels.layers.pool import MAX, MIN, TIES
from ..kernels.layers.pool_plan import PoolPlan
from ..runtime.memory import aligned_empty
from ..runtime.threads import parallel_for
from ..shapes import Ints, PoolSpec, as_bool, check_shape, pool_spec
from .dimensions import per_dimension
from .layout import deliver, from_last, images, result_for
from .ordered import ordered, own_type


@lru_cache(maxsize=512)
def pool_plan(spec: PoolSpec, count_padding: bool = False) -> PoolPlan:
    """Return the plan, made once."""
    return PoolPlan(spec, count_padding)


def pick_windows(
    operation: str,
    pick: int,
    given: Any,
    dims: int,
    layout: str,
    spec_of: Callable[[Ints], PoolSpec],
    indices: bool = False,
    out: Any = None,
) -> Any:
    """Return each window's maximum or minimum and, if `indices`, where it is; spec_of takes a channels-last shape."""
    array, indices = as_array(operation, "x", given), as_bool(operation, "return_indices", indices)
    numbers, values = ordered(array)
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2:
        numbers = numbers.astype(np.float32)  # which holds them, and takes half the time
    first, (x,) = images(operation, dims, layout, x=numbers)
    spec = spec_of(x.shape)
    y = result_for(operation, out, spec.output_shape, first, own_type(array, x.dtype), given)
    best = y if y.dtype == x.dtype else aligned_empty(spec.output_shape, x.dtype)
    places = aligned_empty(spec.output_shape, np.int64) if indices else None
    if places is None:
        pool_plan(spec).pick(parallel_for, pick, x.reshape(-1), best.reshape(-1))
    else:
        pool_plan(spec).pick_index(parallel_for, pick, x.reshape(-1), best.reshape(-1), places.reshape(-1))
    if best is not y:
        y[...] = best if values is None else values[best.astype(np.intp)]
    return deliver(y, first, out) if places is None else (deliver(y, first, out), from_last(places, first))


def pick_windows_grad(
    operation: str, pick: int, dy: np.ndarray, x: np.ndarray, spec: PoolSpec, first: bool, ties: Any
) -> np.ndarray:
    """Return the gradient of `pick_windows`, given channels-last dy and x."""
    if ties not in TIES:
        raise ValueError(f"{operation}: ties must be one of {tuple(TIES)}, but is {ties!r}")
    check_shape(operation, "dy (channels last)", dy.shape, spec.output_shape)
    dx = aligned_empty(spec.input_shape, x.dtype)
    pool_plan(spec).pick_grad(parallel_for, pick, TIES[ties], dy.reshape(-1), x.reshape(-1), dx.reshape(-1))
    return from_last(dx, first)


@per_dimension(
    "max_pool{n}d",
    example=(
        ">>> max_pool1d(np.arange(6.0).reshape(1, 6, 1), 2)[0, :, 0]\narray([1., 3., 5.])",
        ">>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]\narray([[ 5.,  7.],\n       [13., 15.]])",
        ">>> max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2, 1), 2)[0, :, :, :, 0]\narray([[[7.]]])",
    ),
)
def max_pool(
    dims: int,
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "",
    out: np.ndarray | None = None,
) -> Any:
    """Return the maximum of each window of a batch of images with {n} spatial axes, channel by channel.

    Parameters
    ----------
    x : (n, {axes}, c) float32 or float64
        Images; (n, c, {axes}) with layout "{first}". Of integers the result is exact and of their type, whatever it is; bools are
        computed as float64, float16 as float32.
    kernel_size : {ints}
    stride : {ints}, optional
        The kernel size if not given.
    padding : int, one int per axis, {pairs} or str
        As in `conv{n}d`, smaller than the window; padded pixels are never the maximum.
    dilation : {ints}
        Distance between a window's pixels.
    ceil_mode : bool
        Whether a last window may hang over the padded image's end, if it starts within the image or the padding before it.
    return_indices : bool
    layout : "{layout}" or "{first}"
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping x.

    Returns
    -------
    (n, {out}, c) ndarray
        For each axis floor((size + before + after - ((kernel - 1) * dilation + 1)) / stride) + 1 pixels, rounded up with
        ceil_mode. NaN where a window has a NaN.
    (n, {out}, c) int64 ndarray
        With return_indices: where the maximum is, the first in row-major order if there are several, as a flat index over x's
        spatial axes.

    Raises
    ------
    ValueError, TypeError
        If the window is larger than the padded image, the padding isn't smaller than the window, a window holds no pixel, an
        option isn't what it must be, or `out` doesn't fit or overlaps x.

    Notes
    -----
    ``torch.nn.functional.max_pool{n}d`` (layout "{first}"), ``keras.ops.max_pool``, ONNX MaxPool.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import max_pool{n}d
    {example}
    """
    operation = f"max_pool{dims}d"
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return pick_windows(operation, MAX, x, dims, layout, lambda shape: pool_spec(operation, shape, *options), return_indices, out)


@per_dimension(
    "max_pool{n}d_grad",
    example=(
        '>>> max_pool1d_grad([[[1.0]]], [[[3.0], [3.0]]], 2, ties="split")[0, :, 0]\narray([0.5, 0.5])',
        ">>> x = np.array([[1.0, 3.0], [3.0, 2.0]]).reshape(1, 2, 2, 1)\n"
        '>>> max_pool2d_grad(np.ones((1, 1, 1, 1)), x, 2, ties="split")[0, :, :, 0]\narray([[0. , 0.5],\n       [0.5, 0. ]])',
        ">>> max_pool3d_grad(np.ones((1, 1, 1, 1, 1)), np.arange(8.0).reshape(1, 2, 2, 2, 1), 2).ravel()\n"
        "array([0., 0., 0., 0., 0., 0., 0., 1.])",
    ),
)
def max_pool_grad(
    dims: int,
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    ties: str = "first",
    layout: str = "",
) -> np.ndarray:
    """Return the gradient of a loss with respect to max_pool{n}d's x, given its gradient dy with respect to the result.

    Parameters
    ----------
    dy : (n, {out}, c) float32 or float64
    x : (n, {axes}, c)
        What max_pool{n}d was given. The maxima of integers are found exactly; the gradient is of a float type in any case.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        As given to max_pool{n}d, whose docstring has the formula of dy's size.
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
        As max_pool{n}d; also if dy hasn't the shape of its result.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.max_pool{n}d`` and ``keras.ops.max_pool``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import max_pool{n}d_grad
    {example}
    """
    operation = f"max_pool{dims}d_grad"
    first, (dy, x) = images(operation, dims, layout, dy=dy, x=ordered(as_array(operation, "x", x))[0])
    spec = pool_spec(operation, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    return pick_windows_grad(operation, MAX, dy, x, spec, first, ties)


@per_dimension(
    "min_pool{n}d",
    example=(
        ">>> min_pool1d(np.arange(6.0).reshape(1, 6, 1), 2)[0, :, 0]\narray([0., 2., 4.])",
        ">>> min_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]\narray([[ 0.,  2.],\n       [ 8., 10.]])",
        ">>> min_pool3d(np.arange(8.0).reshape(1, 2, 2, 2, 1), 2)[0, :, :, :, 0]\narray([[[0.]]])",
    ),
)
def min_pool(
    dims: int,
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "",
    out: np.ndarray | None = None,
) -> Any:
    """Return the minimum of each window, (n, {out}, c); types, shapes, options, sizes and errors are `max_pool{n}d`'s.

    Notes
    -----
    ``-torch.nn.functional.max_pool{n}d(-x, ...)``; Keras has none but ``-keras.ops.max_pool(-x, ...)``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import min_pool{n}d
    {example}
    """
    operation = f"min_pool{dims}d"
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return pick_windows(operation, MIN, x, dims, layout, lambda shape: pool_spec(operation, shape, *options), return_indices, out)


@per_dimension(
    "min_pool{n}d_grad",
    example=(
        ">>> min_pool1d_grad([[[1.0]]], [[[3.0], [2.0]]], 2)[0, :, 0]\narray([0., 1.])",
        ">>> min_pool2d_grad(np.ones((1, 1, 1, 1)), np.arange(4.0).reshape(1, 2, 2, 1), 2)[0, :, :, 0]\n"
        "array([[1., 0.],\n       [0., 0.]])",
        ">>> min_pool3d_grad(np.ones((1, 1, 1, 1, 1)), np.arange(8.0).reshape(1, 2, 2, 2, 1), 2).ravel()\n"
        "array([1., 0., 0., 0., 0., 0., 0., 0.])",
    ),
)
def min_pool_grad(
    dims: int,
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    ties: str = "first",
    layout: str = "",
) -> np.ndarray:
    """Return the gradient with respect to min_pool{n}d's x, of its shape; arguments and errors are `max_pool{n}d_grad`'s.

    Notes
    -----
    What autograd gives for ``-torch.nn.functional.max_pool{n}d(-x, ...)`` and its like in Keras.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import min_pool{n}d_grad
    {example}
    """
    operation = f"min_pool{dims}d_grad"
    first, (dy, x) = images(operation, dims, layout, dy=dy, x=ordered(as_array(operation, "x", x))[0])
    spec = pool_spec(operation, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    return pick_windows_grad(operation, MIN, dy, x, spec, first, ties)


max_pool1d, max_pool2d, max_pool3d = max_pool
max_pool1d_grad, max_pool2d_grad, max_pool3d_grad = max_pool_grad
min_pool1d, min_pool2d, min_pool3d = min_pool
min_pool1d_grad, min_pool2d_grad, min_pool3d_grad = min_pool_grad
