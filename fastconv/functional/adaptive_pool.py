"""Adaptive pooling, whose windows follow from the size of the result."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array
from ..kernels.layers.pool import MAX
from ..shapes import adaptive_spec, as_shape
from .avg_pool import average_windows, average_windows_grad
from .layout import dims_of, images, last_shape
from .ordered import ordered
from .pool import pick_windows, pick_windows_grad


def adaptive_avg_pool(x: ArrayLike, output_size: Any, layout: str = "NHWC", *, out: np.ndarray | None = None) -> np.ndarray:
    """Return averages over as many windows per axis as output_size says, for one to three spatial axes.

    Parameters
    ----------
    x : (n, *spatial, c) float32 or float64
        (n, c, *spatial) with a channels-first layout.
    output_size : int, or one int or None per spatial axis
        The result's size m; None keeps the image's. Output i covers the pixels from floor(i * size / m) up to, but not
        including, ceil((i + 1) * size / m).
    layout : "NWC", "NCW", "NHWC", "NCHW", "NDHWC" or "NCDHW"
        It also says how many spatial axes there are.
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping x.

    Returns
    -------
    (n, *output_size, c) ndarray
        In float32 the error is below 1e-6 of the average of the absolute values, as of `avg_pool2d`.

    Raises
    ------
    ValueError, TypeError
        If output_size isn't positive integers, the image has no pixels, or `out` doesn't fit or overlaps x.

    Notes
    -----
    ``torch.nn.functional.adaptive_avg_pool2d`` with layout "NCHW"; ``keras.ops.adaptive_average_pool``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import adaptive_avg_pool
    >>> adaptive_avg_pool(np.arange(5.0).reshape(1, 5, 1), 2, "NWC")[0, :, 0]
    array([1., 3.])
    """
    operation = "adaptive_avg_pool"
    first, (images_,) = images(operation, dims_of(operation, layout), layout, x=x)
    return average_windows(operation, x, images_, adaptive_spec(operation, images_.shape, output_size), first, out)


def adaptive_avg_pool_grad(dy: ArrayLike, input_shape: tuple[int, ...], layout: str = "NHWC") -> np.ndarray:
    """Return the gradient with respect to adaptive_avg_pool's x, given dy with respect to its result.

    Parameters
    ----------
    dy : (n, *output_size, c) float32 or float64
    input_shape : (n, *spatial, c)
        The shape of adaptive_avg_pool's x, in the given layout.
    layout
        As given to adaptive_avg_pool.

    Returns
    -------
    ndarray of input_shape

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.adaptive_avg_pool2d`` and Keras's adaptive_average_pool.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import adaptive_avg_pool_grad
    >>> adaptive_avg_pool_grad(np.array([3.0, 6.0]).reshape(1, 2, 1), (1, 5, 1), "NWC")[0, :, 0]
    array([1., 1., 3., 2., 2.])
    """
    operation = "adaptive_avg_pool_grad"
    dims = dims_of(operation, layout)
    first, (dy,) = images(operation, dims, layout, dy=dy)
    shape = last_shape(as_shape(operation, "input_shape", input_shape, dims + 2), first)
    return average_windows_grad(operation, dy, adaptive_spec(operation, shape, dy.shape[1:-1]), first)


def adaptive_max_pool(
    x: ArrayLike, output_size: Any, layout: str = "NHWC", *, return_indices: bool = False, out: np.ndarray | None = None
) -> Any:
    """Return maxima over as many windows per axis as output_size says, for one to three spatial axes.

    Parameters
    ----------
    x, output_size, layout, out
        As `adaptive_avg_pool`, whose docstring says what each window covers; of integers the result is exact and of their type.
    return_indices : bool
        Whether to return, too, where each maximum is, as `max_pool2d` does.

    Returns
    -------
    (n, *output_size, c) ndarray, and with return_indices a second one, of int64

    Raises
    ------
    ValueError, TypeError
        As adaptive_avg_pool.

    Notes
    -----
    ``torch.nn.functional.adaptive_max_pool2d`` with layout "NCHW"; ``keras.ops.adaptive_max_pool``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import adaptive_max_pool
    >>> adaptive_max_pool(np.arange(5.0).reshape(1, 5, 1), 2, "NWC")[0, :, 0]
    array([2., 4.])
    """
    operation = "adaptive_max_pool"
    dims = dims_of(operation, layout)
    return pick_windows(operation, MAX, x, dims, layout, lambda s: adaptive_spec(operation, s, output_size), return_indices, out)


def adaptive_max_pool_grad(
    dy: ArrayLike, x: ArrayLike, output_size: Any, layout: str = "NHWC", *, ties: str = "first"
) -> np.ndarray:
    """Return the gradient with respect to adaptive_max_pool's x, given dy with respect to its result.

    Parameters
    ----------
    dy : (n, *output_size, c) float32 or float64
    x, output_size, layout
        As given to adaptive_max_pool.
    ties : "first", "all" or "split"
        As `max_pool2d_grad`.

    Returns
    -------
    ndarray of x's shape

    Raises
    ------
    ValueError, TypeError
        As adaptive_max_pool; also if dy hasn't the shape of its result.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.adaptive_max_pool2d`` and Keras's adaptive_max_pool.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import adaptive_max_pool_grad
    >>> adaptive_max_pool_grad([[[7.0], [8.0]]], np.arange(5.0).reshape(1, 5, 1), 2, "NWC")[0, :, 0]
    array([0., 0., 7., 0., 8.])
    """
    operation = "adaptive_max_pool_grad"
    numbers = ordered(as_array(operation, "x", x))[0]
    first, (dy, x) = images(operation, dims_of(operation, layout), layout, dy=dy, x=numbers)
    return pick_windows_grad(operation, MAX, dy, x, adaptive_spec(operation, x.shape, output_size), first, ties)
