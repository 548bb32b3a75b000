"""The dense layer for batches, y = x w + b, and its gradients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from .._arrays import check_rank, operands
from ..kernels.dense import LinearPlan
from ..shapes import check_shape


@lru_cache(maxsize=256)
def _plan(rows: int, inputs: int, outputs: int, dtype: np.dtype) -> LinearPlan:
    return LinearPlan(rows, inputs, outputs, dtype)


def linear(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> np.ndarray:
    """Return x w + b.

    Parameters
    ----------
    x : (n, i) float32 or float64
    w : (i, o)
    b : (o,), optional

    Returns
    -------
    (n, o) ndarray

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    ``torch.nn.functional.linear(x, w.T, b)``; a Keras Dense layer's kernel is w as it is.

    Examples
    --------
    >>> from fastconv.functional import linear
    >>> linear([[1.0, 2.0]], [[3.0], [4.0]], [0.5])
    array([[11.5]])
    """
    x, w, b = operands("linear", ("b", b), x=x, w=w)
    check_rank("linear", "x", x, 2, "(rows, inputs)")
    check_rank("linear", "w", w, 2, "(inputs, outputs)")
    check_shape("linear", "w", w.shape, (x.shape[1], w.shape[1]))
    if b is not None:
        check_shape("linear", "b", b.shape, (w.shape[1],))
    y = np.empty((x.shape[0], w.shape[1]), x.dtype)
    if not x.size:
        y[:] = 0 if b is None else b
    elif y.size:
        _plan(*x.shape, w.shape[1], x.dtype).output(_threads.split, x.reshape(-1), w.reshape(-1), b, y.reshape(-1))
    return y


def linear_input_grad(dy: ArrayLike, w: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to linear's x: dy (n, o) times the transpose of w (i, o).

    Examples
    --------
    >>> from fastconv.functional import linear_input_grad
    >>> linear_input_grad([[2.0]], [[3.0], [4.0]])
    array([[6., 8.]])
    """
    dy, w = operands("linear_input_grad", dy=dy, w=w)
    check_rank("linear_input_grad", "dy", dy, 2, "(rows, outputs)")
    check_rank("linear_input_grad", "w", w, 2, "(inputs, outputs)")
    check_shape("linear_input_grad", "dy", dy.shape, (dy.shape[0], w.shape[1]))
    dx = np.zeros((dy.shape[0], w.shape[0]), dy.dtype)
    if dx.size and dy.size:
        _plan(dy.shape[0], *w.shape, dy.dtype).input_grad(_threads.split, dy.reshape(-1), w.reshape(-1), dx.reshape(-1))
    return dx


def linear_weight_grad(x: ArrayLike, dy: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to linear's w: the transpose of x (n, i) times dy (n, o).

    Examples
    --------
    >>> from fastconv.functional import linear_weight_grad
    >>> linear_weight_grad([[1.0, 2.0]], [[3.0]])
    array([[3.],
           [6.]])
    """
    x, dy = operands("linear_weight_grad", x=x, dy=dy)
    check_rank("linear_weight_grad", "x", x, 2, "(rows, inputs)")
    check_rank("linear_weight_grad", "dy", dy, 2, "(rows, outputs)")
    check_shape("linear_weight_grad", "dy", dy.shape, (x.shape[0], dy.shape[1]))
    dw = np.zeros((x.shape[1], dy.shape[1]), x.dtype)
    if dw.size and x.size:
        _plan(*x.shape, dy.shape[1], x.dtype).weight_grad(_threads.split, x.reshape(-1), dy.reshape(-1), dw.reshape(-1))
    return dw
