"""ReLU, softmax, its logarithm and cross-entropy, each with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from .._arrays import as_array, check_rank, operands
from ..kernels import softmax as kernels
from ..shapes import as_int, check_shape


def relu(x: ArrayLike) -> np.ndarray:
    """Return max(x, 0), element by element; NaN stays NaN.

    Examples
    --------
    >>> from fastconv.functional import relu
    >>> relu([-1.0, 2.0])
    array([0., 2.])
    """
    (x,) = operands("relu", x=x)
    return np.maximum(x, 0)


def relu_grad(dy: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Return dy where x > 0 and zero elsewhere: the gradient with respect to relu's x.

    Examples
    --------
    >>> from fastconv.functional import relu_grad
    >>> relu_grad([5.0, 5.0], [-1.0, 2.0])
    array([0., 5.])
    """
    dy, x = operands("relu_grad", dy=dy, x=x)
    check_shape("relu_grad", "dy", dy.shape, x.shape)
    return np.where(x > 0, dy, x.dtype.type(0))


def _by_rows(operation: str, axis: Any, kernel: Callable, **arrays: Any) -> np.ndarray:
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
    rows = [np.ascontiguousarray(np.moveaxis(array, place, -1)) for array in inputs]
    result = np.empty_like(rows[0])
    if result.size:
        count = result.shape[-1]
        flat = [array.reshape(-1) for array in (*rows, result)]
        _threads.split(result.size // count, lambda start, stop: kernel(*flat, count, start, stop), 20 * result.size)
    return np.ascontiguousarray(np.moveaxis(result, -1, place))


def softmax(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) along an axis, without overflow.

    Parameters
    ----------
    x : float32 or float64, any shape with at least one axis
    axis : int

    Returns
    -------
    ndarray of x's shape
        A probability below the dtype's smallest normal number is given as that number, so that its logarithm and its
        inverse are finite. NaN in a row makes the row NaN.

    Examples
    --------
    >>> from fastconv.functional import softmax
    >>> softmax([0.0, 1000.0]) > 0.5
    array([False,  True])
    """
    return _by_rows("softmax", axis, kernels.softmax, x=x)


def softmax_grad(dy: ArrayLike, y: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return y * (dy - sum(dy * y)): the gradient with respect to softmax's x, given its result y.

    Examples
    --------
    >>> from fastconv.functional import softmax_grad
    >>> softmax_grad([1.0, 0.0], [0.5, 0.5])
    array([ 0.25, -0.25])
    """
    return _by_rows("softmax_grad", axis, kernels.softmax_grad, dy=dy, y=y)


def log_softmax(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return x - log(sum(exp(x))) along an axis, without overflow or underflow.

    Examples
    --------
    >>> from fastconv.functional import log_softmax
    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    return _by_rows("log_softmax", axis, kernels.log_softmax, x=x)


def log_softmax_grad(dy: ArrayLike, y: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return dy - exp(y) * sum(dy): the gradient with respect to log_softmax's x, given its result y.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import log_softmax_grad
    >>> log_softmax_grad([1.0, 0.0], np.log([0.5, 0.5]))
    array([ 0.5, -0.5])
    """
    return _by_rows("log_softmax_grad", axis, kernels.log_softmax_grad, dy=dy, y=y)


def _labels(operation: str, labels: ArrayLike, rows: int, classes: int) -> np.ndarray:
    array = as_array(operation, "labels", labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{operation}: labels must be integers, but have dtype {array.dtype}")
    check_shape(operation, "labels", array.shape, (rows,))
    if rows and not (array.min() >= 0 and array.max() < classes):
        raise ValueError(
            f"{operation}: labels must be from 0 to {classes - 1} (classes - 1), but are from {array.min()} to {array.max()}"
        )
    return array.astype(np.intp)


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean over the rows of -log(softmax(logits)[label]), finite for all finite logits.

    Parameters
    ----------
    logits : (n, classes) float32 or float64
    labels : (n,) integers from 0 to classes - 1

    Raises
    ------
    ValueError, TypeError
        If there are no rows, or a label is no class.

    Examples
    --------
    >>> from fastconv.functional import cross_entropy
    >>> round(cross_entropy([[0.0, 0.0], [1000.0, 0.0]], [0, 1]), 4)
    500.3466
    """
    logits_array = as_array("cross_entropy", "logits", logits)
    check_rank("cross_entropy", "logits", logits_array, 2, "(rows, classes)")
    if not logits_array.size:
        raise ValueError(f"cross_entropy: logits must have at least one row and class, but have shape {logits_array.shape}")
    index = _labels("cross_entropy", labels, *logits_array.shape)
    return -float(np.mean(log_softmax(logits_array)[np.arange(len(index)), index], dtype=np.float64))


def cross_entropy_grad(logits: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Return (softmax(logits) - one_hot(labels)) / n, the gradient of cross_entropy with respect to the logits.

    Examples
    --------
    >>> from fastconv.functional import cross_entropy_grad
    >>> cross_entropy_grad([[0.0, 0.0]], [1])
    array([[ 0.5, -0.5]])
    """
    logits_array = as_array("cross_entropy_grad", "logits", logits)
    check_rank("cross_entropy_grad", "logits", logits_array, 2, "(rows, classes)")
    index = _labels("cross_entropy_grad", labels, *logits_array.shape)
    gradient = softmax(logits_array)
    gradient[np.arange(len(index)), index] -= 1
    return gradient / gradient.dtype.type(max(1, len(index)))
