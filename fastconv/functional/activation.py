"""ReLU, softmax and its logarithm, each with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array, float_type, operands, result_array
from ..kernels.layers import softmax as kernels
from ..runtime.task import Task
from ..runtime.threads import parallel_for
from ..shapes import as_int, check_shape
from .ordered import own_type


def relu(x: ArrayLike, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return max(x, 0), element by element; NaN stays NaN.

    Parameters
    ----------
    x : float32, float64 or integers, any shape
        Of integers the result is exact and of their type; bools are computed as float64, float16 as float32.
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping x.

    Returns
    -------
    ndarray of x's shape

    Raises
    ------
    ValueError, TypeError
        If x isn't numbers, or `out` doesn't fit or overlaps x.

    Notes
    -----
    ``torch.nn.functional.relu``, ``keras.ops.relu``.

    Examples
    --------
    >>> from fastconv.functional import relu
    >>> relu([-1.0, 2.0])
    array([0., 2.])
    """
    array = as_array("relu", "x", x)
    dtype = own_type(array, float_type(array))
    y = result_array("relu", out, array.shape, dtype, x)
    return np.maximum(array, dtype.type(0), out=y, dtype=dtype)


def relu_grad(dy: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Return zero where x <= 0 and dy elsewhere, also where x is NaN: the gradient with respect to relu's x.

    Parameters
    ----------
    dy, x : float32 or float64, of one shape

    Returns
    -------
    ndarray of x's shape

    Raises
    ------
    ValueError, TypeError
        If they aren't numbers, or dy hasn't x's shape.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.relu`` and ``keras.ops.relu``.

    Examples
    --------
    >>> from fastconv.functional import relu_grad
    >>> relu_grad([5.0, 5.0], [-1.0, 2.0])
    array([0., 5.])
    """
    dy, x = operands("relu_grad", dy=dy, x=x)
    check_shape("relu_grad", "dy", dy.shape, x.shape)
    return np.where(x <= 0, x.dtype.type(0), dy)


def _by_rows(operation: str, axis: Any, kernel: Callable, out: Any = None, **arrays: Any) -> np.ndarray:
    """Run a row kernel over one axis of equally shaped arrays; the kernel takes them flat, the result, and the row's length."""
    inputs = operands(operation, **arrays)
    names, shape = list(arrays), inputs[-1].shape
    for name, array in zip(names, inputs, strict=True):
        check_shape(operation, name, array.shape, shape)
    rank = len(shape)
    if rank == 0:
        raise ValueError(f"{operation}: {names[-1]} must have at least one axis, but is a single number")
    place = as_int(operation, "axis", axis, -rank)
    if place >= rank:
        raise ValueError(f"{operation}: axis must be less than the number of axes {rank}, but is {place}")
    checked = None if out is None else result_array(operation, out, shape, inputs[0].dtype, *arrays.values())
    rows = [np.ascontiguousarray(np.moveaxis(array, place, -1)) for array in inputs]
    result = np.empty_like(rows[0])
    if result.size:
        count = result.shape[-1]
        flat = [array.reshape(-1) for array in (*rows, result)]
        parallel_for(Task(kernel, (*flat, count), result.size // count, 20 * result.size))
    result = np.moveaxis(result, -1, place)
    if checked is None:
        return np.ascontiguousarray(result)
    checked[...] = result
    return checked


def softmax(x: ArrayLike, axis: int = -1, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) along an axis, without overflow.

    Parameters
    ----------
    x : float32 or float64, any shape with at least one axis
    axis : int
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping x.

    Returns
    -------
    ndarray of x's shape
        Of minus infinity 0, exactly. Any other probability below the dtype's smallest normal number is given as that number, so
        that its logarithm and its inverse are finite. NaN or plus infinity in a row, and nothing but minus infinity, make it NaN.
        The row's sum is made in float64, in float32 too.

    Raises
    ------
    ValueError, TypeError
        If x has no such axis or isn't numbers, or `out` doesn't fit or overlaps x.

    Notes
    -----
    ``torch.nn.functional.softmax(x, dim=axis)``, ``keras.ops.softmax``.

    Examples
    --------
    >>> from fastconv.functional import softmax
    >>> softmax([0.0, 1000.0]) > 0.5
    array([False,  True])
    """
    return _by_rows("softmax", axis, kernels.softmax, out, x=x)


def softmax_grad(dy: ArrayLike, y: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return y * (dy - sum(dy * y)): the gradient with respect to softmax's x, given its result y.

    Parameters
    ----------
    dy, y : float32 or float64, of one shape
    axis : int

    Returns
    -------
    ndarray of y's shape

    Raises
    ------
    ValueError, TypeError
        If dy hasn't y's shape, or they have no such axis.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.softmax`` and ``keras.ops.softmax``.

    Examples
    --------
    >>> from fastconv.functional import softmax_grad
    >>> softmax_grad([1.0, 0.0], [0.5, 0.5])
    array([ 0.25, -0.25])
    """
    return _by_rows("softmax_grad", axis, kernels.softmax_grad, dy=dy, y=y)


def log_softmax(x: ArrayLike, axis: int = -1, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return x - log(sum(exp(x))) along an axis, without overflow or underflow.

    Parameters
    ----------
    x, axis, out
        As `softmax`.

    Returns
    -------
    ndarray of x's shape
        Of minus infinity minus infinity. NaN or plus infinity in a row, and nothing but minus infinity, make it NaN.

    Raises
    ------
    ValueError, TypeError
        As softmax.

    Notes
    -----
    ``torch.nn.functional.log_softmax(x, dim=axis)``, ``keras.ops.log_softmax``.

    Examples
    --------
    >>> from fastconv.functional import log_softmax
    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    return _by_rows("log_softmax", axis, kernels.log_softmax, out, x=x)


def log_softmax_grad(dy: ArrayLike, y: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return dy - exp(y) * sum(dy): the gradient with respect to log_softmax's x, given its result y.

    Parameters
    ----------
    dy, y : float32 or float64, of one shape
    axis : int

    Returns
    -------
    ndarray of y's shape

    Raises
    ------
    ValueError, TypeError
        If dy hasn't y's shape, or they have no such axis.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.log_softmax`` and ``keras.ops.log_softmax``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import log_softmax_grad
    >>> log_softmax_grad([1.0, 0.0], np.log([0.5, 0.5]))
    array([ 0.5, -0.5])
    """
    return _by_rows("log_softmax_grad", axis, kernels.log_softmax_grad, dy=dy, y=y)
