"""Max unpooling: each pooled value back to where it was the maximum, zeros elsewhere."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array, check_rank, float_type, kernel_ready
from ..shapes import Ints, as_shape, check_made, check_shape
from .dimensions import per_dimension
from .layout import from_last, images, is_first, last_shape, to_last
from .ordered import own_type


def _places(operation: str, indices: Any, shape: Ints, size: Ints, first: bool, layout: str) -> np.ndarray:
    """Return the indices as (n, pixels, c), checked: of the values' shape, each within the image of the given size."""
    array = as_array(operation, "indices", indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{operation}: indices must be integers, but have dtype {array.dtype}")
    check_rank(operation, "indices", array, len(shape), layout)
    array = to_last(array, first)
    check_shape(operation, "indices (channels last)", array.shape, shape)
    if array.size and not (array.min() >= 0 and array.max() < prod(size)):
        raise ValueError(
            f"{operation}: indices must be from 0 to {prod(size) - 1}, flat over {size} pixels, but are from {array.min()} to "
            f"{array.max()}"
        )
    return array.astype(np.int64, copy=False).reshape(shape[0], prod(shape[1:-1]), shape[-1])


@per_dimension(
    "max_unpool{n}d",
    example=(
        ">>> max_unpool1d([[[5.0]]], [[[1]]], (1, 3, 1))[0, :, 0]\narray([0., 5., 0.])",
        ">>> max_unpool2d(np.full((1, 1, 1, 1), 5.0), [[[[3]]]], (1, 2, 2, 1))[0, :, :, 0]\narray([[0., 0.],\n       [0., 5.]])",
        ">>> max_unpool3d(np.full((1, 1, 1, 1, 1), 5.0), [[[[[1]]]]], (1, 1, 1, 2, 1)).ravel()\narray([0., 5.])",
    ),
)
def max_unpool(dims: int, y: ArrayLike, indices: ArrayLike, output_shape: tuple[int, ...], *, layout: str = "") -> np.ndarray:
    """Return images of output_shape that have y's values where indices say, and zeros elsewhere.

    Parameters
    ----------
    y : (n, {out}, c) float32, float64 or integers
        Values, as `max_pool{n}d` with return_indices gives them.
    indices : (n, {out}, c) of integers
        Their places, flat over the result's spatial axes. If two values have the same place, the last in row-major order is kept.
    output_shape : (n, {axes}, c)
        The result's shape, in the given layout: max_pool{n}d's x's.
    layout : "{layout}" or "{first}"

    Returns
    -------
    ndarray of output_shape
        Of y's type, if that is one of those; bools are computed as float64, float16 as float32.

    Raises
    ------
    ValueError, TypeError
        If an index isn't an integer within the image, or the shapes don't fit together.

    Notes
    -----
    ``torch.nn.functional.max_unpool{n}d`` (layout "{first}", output_size=output_shape); Keras has none.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import max_unpool{n}d
    {example}
    """
    operation = f"max_unpool{dims}d"
    first, given = is_first(operation, layout, dims), as_array(operation, "y", y)
    check_rank(operation, "y", given, dims + 2, layout)
    y = to_last(kernel_ready(given, own_type(given, float_type(given))), first)
    shape = last_shape(as_shape(operation, "output_shape", output_shape, dims + 2), first)
    check_shape(operation, "output_shape's images and channels", (shape[0], shape[-1]), (y.shape[0], y.shape[-1]))
    check_made(operation, shape, y.shape)
    places = _places(operation, indices, y.shape, shape[1:-1], first, layout)
    x = np.zeros((shape[0], prod(shape[1:-1]), shape[-1]), y.dtype)
    np.put_along_axis(x, places, y.reshape(places.shape), axis=1)
    return from_last(x.reshape(shape), first)


@per_dimension(
    "max_unpool{n}d_grad",
    example=(
        ">>> max_unpool1d_grad([[[1.0], [2.0], [3.0]]], [[[1]]])[0, :, 0]\narray([2.])",
        ">>> max_unpool2d_grad(np.arange(4.0).reshape(1, 2, 2, 1), [[[[3]]]]).ravel()\narray([3.])",
        ">>> max_unpool3d_grad(np.arange(4.0).reshape(1, 1, 2, 2, 1), [[[[[1]]]]]).ravel()\narray([1.])",
    ),
)
def max_unpool_grad(dims: int, dx: ArrayLike, indices: ArrayLike, *, layout: str = "") -> np.ndarray:
    """Return the gradient with respect to max_unpool{n}d's y: what dx has where the indices say.

    Parameters
    ----------
    dx : (n, {axes}, c) float32 or float64
        The gradient with respect to max_unpool{n}d's result.
    indices : (n, {out}, c) of integers
    layout : "{layout}" or "{first}"

    Returns
    -------
    (n, {out}, c) ndarray

    Raises
    ------
    ValueError, TypeError
        If an index isn't an integer within the image, or the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.max_unpool{n}d`` where no two values share a place; Keras has none.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import max_unpool{n}d_grad
    {example}
    """
    operation = f"max_unpool{dims}d_grad"
    first, (dx,) = images(operation, dims, layout, dx=dx)
    array = as_array(operation, "indices", indices)
    check_rank(operation, "indices", array, dims + 2, layout)
    shape = (dx.shape[0], *last_shape(array.shape, first)[1:-1], dx.shape[-1])
    places = _places(operation, array, shape, dx.shape[1:-1], first, layout)
    flat = dx.reshape(dx.shape[0], prod(dx.shape[1:-1]), dx.shape[-1])
    return from_last(np.take_along_axis(flat, places, axis=1).reshape(shape), first)


max_unpool1d, max_unpool2d, max_unpool3d = max_unpool
max_unpool1d_grad, max_unpool2d_grad, max_unpool3d_grad = max_unpool_grad
