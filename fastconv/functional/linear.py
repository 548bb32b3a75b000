"""The dense layer for batches, y = x w + bias, and its gradients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import check_rank, operands, result_array
from ..kernels.arrays.column_sums import sum_columns
from ..kernels.arrays.long_sums import is_long
from ..kernels.gemm.linear import LinearPlan
from ..runtime.memory import aligned_empty, buffer
from ..runtime.threads import parallel_for
from ..shapes import check_made, check_shape


@lru_cache(maxsize=256)
def _plan(rows: int, inputs: int, outputs: int, dtype: np.dtype) -> LinearPlan:
    return LinearPlan(rows, inputs, outputs, dtype)


TINY_FLOPS = 20_000
"""Below this, NumPy's product is as quick, and compiling a tile for the shape isn't worth it."""


def _small_product(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Return a b + bias by NumPy; long sums in float64, which BLAS would make in one number of float32."""
    with np.errstate(over="ignore", invalid="ignore"):  # as silent as the kernels
        if is_long(a.shape[1], a.dtype):
            product = (a.astype(np.float64) @ b.astype(np.float64)).astype(a.dtype)
        else:
            product = a @ b
        return product if bias is None else product + bias


def _column_sums(dy: np.ndarray) -> np.ndarray:
    """Return the sums over dy's rows."""
    if dy.size < TINY_FLOPS:
        with np.errstate(over="ignore", invalid="ignore"):
            return dy.sum(axis=0, dtype=np.float64).astype(dy.dtype)
    total = buffer(dy.shape[1], dy.dtype)
    sum_columns(parallel_for, dy.reshape(-1), total)
    return total


def linear(x: ArrayLike, w: ArrayLike, bias: ArrayLike | None = None, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return x w + bias.

    Parameters
    ----------
    x : (n, i) float32 or float64
    w : (i, o)
    bias : (o,), optional
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping an input.

    Returns
    -------
    (n, o) ndarray
        In float32 the error is below 1e-6 of the sum of the products' absolute values, but for the worst of roundings (5e-6),
        however many inputs there are: sums of more than 256 products are made in blocks. So are the gradients.

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together, or `out` doesn't fit or overlaps an input.

    Notes
    -----
    ``torch.nn.functional.linear(x, w.T, bias)``; a Keras Dense layer's kernel is w as it is.

    Examples
    --------
    >>> from fastconv.functional import linear
    >>> linear([[1.0, 2.0]], [[3.0], [4.0]], [0.5])
    array([[11.5]])
    """
    given = (x, w, bias)
    x, w, bias = operands("linear", {"bias": bias}, x=x, w=w)
    check_rank("linear", "x", x, 2, "(rows, inputs)")
    check_rank("linear", "w", w, 2, "(inputs, outputs)")
    check_shape("linear", "w", w.shape, (x.shape[1], w.shape[1]))
    if bias is not None:
        check_shape("linear", "bias", bias.shape, (w.shape[1],))
    check_made("linear", (x.shape[0], w.shape[1]), x.shape, w.shape)
    checked = result_array("linear", out, (x.shape[0], w.shape[1]), x.dtype, *given)
    if 2 * x.size * w.shape[1] < TINY_FLOPS:
        checked[...] = _small_product(x, w, bias)
        return checked
    y = checked if checked.flags.carray else aligned_empty(checked.shape, x.dtype)
    _plan(*x.shape, w.shape[1], x.dtype).output(parallel_for, x.reshape(-1), w.reshape(-1), bias, y.reshape(-1))
    if y is not checked:
        checked[...] = y
    return checked


def linear_input_grad(dy: ArrayLike, w: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to linear's x: dy times the transpose of w.

    Parameters
    ----------
    dy : (n, o) float32 or float64
    w : (i, o)

    Returns
    -------
    (n, i) ndarray

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.linear`` and Keras's Dense.

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
    check_made("linear_input_grad", (dy.shape[0], w.shape[0]), dy.shape, w.shape)
    if 2 * dy.size * w.shape[0] < TINY_FLOPS:
        return _small_product(dy, w.T)
    dx = aligned_empty((dy.shape[0], w.shape[0]), dy.dtype)
    _plan(dy.shape[0], *w.shape, dy.dtype).input_grad(parallel_for, dy.reshape(-1), w.reshape(-1), dx.reshape(-1))
    return dx


def linear_weight_grad(x: ArrayLike, dy: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to linear's w: the transpose of x times dy.

    Parameters
    ----------
    x : (n, i) float32 or float64
    dy : (n, o)

    Returns
    -------
    (i, o) ndarray
        The bias's gradient is dy's sum over the rows.

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.linear`` and Keras's Dense.

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
    check_made("linear_weight_grad", (x.shape[1], dy.shape[1]), x.shape, dy.shape)
    if 2 * x.size * dy.shape[1] < TINY_FLOPS:
        return np.ascontiguousarray(_small_product(x.T, dy))
    dw = aligned_empty((x.shape[1], dy.shape[1]), x.dtype)
    _plan(*x.shape, dy.shape[1], x.dtype).weight_grad(parallel_for, x.reshape(-1), dy.reshape(-1), dw.reshape(-1))
    return dw


def linear_grad(dy: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all gradients of linear: with respect to x, w and the bias.

    Parameters
    ----------
    dy : (n, o) float32 or float64
    x : (n, i)
    w : (i, o)

    Returns
    -------
    (n, i), (i, o) and (o,) ndarray
        What linear_input_grad and linear_weight_grad give, and dy's sum over the rows.

    Raises
    ------
    ValueError, TypeError
        If the shapes don't fit together.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.linear`` and Keras's Dense.

    Examples
    --------
    >>> from fastconv.functional import linear_grad
    >>> linear_grad([[2.0]], [[1.0, 5.0]], [[3.0], [4.0]])
    (array([[6., 8.]]), array([[ 2.],
           [10.]]), array([2.]))
    """
    dy, x, w = operands("linear_grad", dy=dy, x=x, w=w)
    check_rank("linear_grad", "dy", dy, 2, "(rows, outputs)")
    check_rank("linear_grad", "x", x, 2, "(rows, inputs)")
    check_rank("linear_grad", "w", w, 2, "(inputs, outputs)")
    check_shape("linear_grad", "dy", dy.shape, (x.shape[0], w.shape[1]))
    check_shape("linear_grad", "x", x.shape, (dy.shape[0], w.shape[0]))
    return linear_input_grad(dy, w), linear_weight_grad(x, dy), _column_sums(dy)
