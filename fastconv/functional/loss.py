"""Cross-entropy of logits and labels, and its gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array, check_rank
from ..shapes import check_shape
from .activation import log_softmax, softmax


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

    Returns
    -------
    float
        Infinity where the label's logit is minus infinity; NaN where `softmax` gives NaN.

    Raises
    ------
    ValueError, TypeError
        If there are no rows, or a label is no class.

    Notes
    -----
    ``torch.nn.functional.cross_entropy``; ``keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)``,
    averaged.

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

    Parameters
    ----------
    logits : (n, classes) float32 or float64
    labels : (n,) integers from 0 to classes - 1

    Returns
    -------
    (n, classes) ndarray

    Raises
    ------
    ValueError, TypeError
        If a label is no class, or the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.cross_entropy`` and Keras's sparse_categorical_crossentropy.

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
