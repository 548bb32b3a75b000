"""Global pooling, whose one window is the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array
from ..kernels.layers.pool import MAX
from ..shapes import adaptive_spec, as_bool, as_shape
from .avg_pool import average_windows, average_windows_grad
from .layout import dims_of, images, is_first, last_shape
from .ordered import ordered
from .pool import pick_windows, pick_windows_grad


def _squeezed(y: np.ndarray, first: bool, keepdims: bool) -> np.ndarray:
    """Return a global pooling's result with its spatial axes of one pixel, or (n, c) without them."""
    return y if keepdims else y.reshape(y.shape[0], y.shape[1] if first else y.shape[-1])


def _spread(operation: str, dy: Any, dims: int, first: bool) -> Any:
    """Return a global pooling's gradient with spatial axes of one pixel, given (n, c), or what it is if it has them."""
    array = as_array(operation, "dy", dy)
    if array.ndim != 2:
        return array
    return array.reshape(*array.shape, *(1,) * dims) if first else array.reshape(array.shape[0], *(1,) * dims, array.shape[1])


def global_avg_pool(x: ArrayLike, layout: str = "NHWC", keepdims: bool = False) -> np.ndarray:
    """Return the average of each image and channel.

    Parameters
    ----------
    x : (n, *spatial, c) float32 or float64
        (n, c, *spatial) with a channels-first layout.
    layout : "NWC", "NCW", "NHWC", "NCHW", "NDHWC" or "NCDHW"
    keepdims : bool
        Whether the spatial axes stay, with one pixel each.

    Returns
    -------
    (n, c) ndarray, or with keepdims (n, 1, ..., c) or (n, c, 1, ...)
        In float32 the error is below 1e-6 of the average of the absolute values, as of `avg_pool2d`.

    Raises
    ------
    ValueError, TypeError
        If x hasn't the layout's axes, or an image has no pixels.

    Notes
    -----
    ``torch.nn.functional.adaptive_avg_pool2d(x, 1)``; ``keras.layers.GlobalAveragePooling2D``; ONNX GlobalAveragePool.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import global_avg_pool
    >>> global_avg_pool(np.arange(4.0).reshape(1, 2, 2, 1))
    array([[1.5]])
    """
    dims, keepdims = dims_of("global_avg_pool", layout), as_bool("global_avg_pool", "keepdims", keepdims)
    first, (images_,) = images("global_avg_pool", dims, layout, x=x)
    y = average_windows("global_avg_pool", x, images_, adaptive_spec("global_avg_pool", images_.shape, 1), first)
    return _squeezed(y, first, keepdims)


def global_avg_pool_grad(dy: ArrayLike, input_shape: tuple[int, ...], layout: str = "NHWC") -> np.ndarray:
    """Return the gradient with respect to global_avg_pool's x: dy divided by the number of pixels.

    Parameters
    ----------
    dy : (n, c) float32 or float64
        With or without spatial axes of one pixel.
    input_shape : (n, *spatial, c)
        The shape of global_avg_pool's x, in the given layout.
    layout
        As given to global_avg_pool.

    Returns
    -------
    ndarray of input_shape

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.adaptive_avg_pool2d(x, 1)`` and Keras's GlobalAveragePooling2D.

    Examples
    --------
    >>> from fastconv.functional import global_avg_pool_grad
    >>> global_avg_pool_grad([[4.0]], (1, 2, 2, 1))[0, :, :, 0]
    array([[1., 1.],
           [1., 1.]])
    """
    operation = "global_avg_pool_grad"
    dims = dims_of(operation, layout)
    first, (dy,) = images(operation, dims, layout, dy=_spread(operation, dy, dims, layout.startswith("NC")))
    shape = last_shape(as_shape(operation, "input_shape", input_shape, dims + 2), first)
    return average_windows_grad(operation, dy, adaptive_spec(operation, shape, 1), first)


def global_max_pool(x: ArrayLike, layout: str = "NHWC", keepdims: bool = False) -> np.ndarray:
    """Return the maximum of each image and channel, NaN where there is one.

    Parameters
    ----------
    x, layout, keepdims
        As `global_avg_pool`; of integers the result is exact and of their type.

    Returns
    -------
    (n, c) ndarray, or with keepdims (n, 1, ..., c) or (n, c, 1, ...)

    Raises
    ------
    ValueError, TypeError
        As global_avg_pool.

    Notes
    -----
    ``torch.nn.functional.adaptive_max_pool2d(x, 1)``; ``keras.layers.GlobalMaxPooling2D``; ONNX GlobalMaxPool.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import global_max_pool
    >>> global_max_pool(np.arange(4.0).reshape(1, 2, 2, 1))
    array([[3.]])
    """
    dims, keepdims = dims_of("global_max_pool", layout), as_bool("global_max_pool", "keepdims", keepdims)
    y = pick_windows("global_max_pool", MAX, x, dims, layout, lambda shape: adaptive_spec("global_max_pool", shape, 1))
    return _squeezed(y, is_first("global_max_pool", layout, dims), keepdims)


def global_max_pool_grad(dy: ArrayLike, x: ArrayLike, layout: str = "NHWC", *, ties: str = "first") -> np.ndarray:
    """Return the gradient with respect to global_max_pool's x, given dy with respect to its result.

    Parameters
    ----------
    dy : (n, c) float32 or float64
        With or without spatial axes of one pixel.
    x, layout
        As given to global_max_pool.
    ties : "first", "all" or "split"
        As `max_pool2d_grad`.

    Returns
    -------
    ndarray of x's shape

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.adaptive_max_pool2d(x, 1)`` and Keras's GlobalMaxPooling2D.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import global_max_pool_grad
    >>> global_max_pool_grad([[4.0]], np.arange(4.0).reshape(1, 2, 2, 1))[0, :, :, 0]
    array([[0., 0.],
           [0., 4.]])
    """
    operation = "global_max_pool_grad"
    dims = dims_of(operation, layout)
    numbers = ordered(as_array(operation, "x", x))[0]
    first, (dy, x) = images(operation, dims, layout, dy=_spread(operation, dy, dims, layout.startswith("NC")), x=numbers)
    return pick_windows_grad(operation, MAX, dy, x, adaptive_spec(operation, x.shape, 1), first, ties)
