"""Lp pooling, whose results are the windows' p-norms, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..shapes import PoolSpec, check_shape, pool_spec
from .avg_pool import average_windows, average_windows_grad
from .layout import deliver, dims_of, from_last, images, result_for


def _power(operation: str, p: Any) -> float:
    if isinstance(p, bool) or not isinstance(p, (int, float, np.integer, np.floating)):
        raise TypeError(f"{operation}: p must be a number, but is {p!r}")
    if not 1 <= p < np.inf:
        raise ValueError(f"{operation}: p must be at least 1 and finite, but is {p}")
    return float(p)


def lp_pool(
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    p: float = 2,
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    layout: str = "NHWC",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the p-norm of each window, (sum of |x|**p) ** (1/p), for one to three spatial axes.

    Parameters
    ----------
    x : (n, *spatial, c) float32 or float64
        (n, c, *spatial) with a channels-first layout.
    kernel_size, stride, padding, dilation, ceil_mode, out
        As `max_pool2d`; padded pixels count as zero.
    p : float
        At least 1.
    layout : "NWC", "NCW", "NHWC", "NCHW", "NDHWC" or "NCDHW"
        It also says how many spatial axes there are.

    Returns
    -------
    (n, *outputs, c) ndarray
        For each axis floor((size + before + after - ((kernel - 1) * dilation + 1)) / stride) + 1 pixels, rounded up with
        ceil_mode. In float32 the relative error is below 1e-6, however many pixels there are, as of `avg_pool2d`.

    Raises
    ------
    ValueError, TypeError
        As max_pool2d; also for a p below 1.

    Notes
    -----
    ONNX LpPool, and for even p ``torch.nn.functional.lp_pool2d`` (which takes no absolute values for odd ones); Keras has none.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import lp_pool
    >>> lp_pool(np.array([3.0, -4.0]).reshape(1, 2, 1), 2, layout="NWC")
    array([[[5.]]])
    """
    dims, power = dims_of("lp_pool", layout), _power("lp_pool", p)
    first, (images_,) = images("lp_pool", dims, layout, x=x)
    spec = pool_spec("lp_pool", images_.shape, kernel_size, stride, padding, dilation, ceil_mode)
    y = result_for("lp_pool", out, spec.output_shape, first, images_.dtype, x)
    y[...] = _norms(images_, spec, power)
    return deliver(y, first, out)


def _norms(x: np.ndarray, spec: PoolSpec, p: float) -> np.ndarray:
    """Return the windows' p-norms; what overflows or underflows on the way does so in each window alike."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return average_windows("lp_pool", None, np.abs(x) ** p, spec, False, divisor=1) ** (1 / p)


def lp_pool_grad(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    p: float = 2,
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    layout: str = "NHWC",
) -> np.ndarray:
    """Return the gradient with respect to lp_pool's x: the sum over windows of dy * sign(x) * (|x| / y) ** (p - 1).

    Parameters
    ----------
    dy : (n, *outputs, c) float32 or float64
    x : (n, *spatial, c)
        What lp_pool was given.
    kernel_size, p, stride, padding, dilation, ceil_mode, layout
        As given to lp_pool, whose docstring has the formula of dy's size.

    Returns
    -------
    ndarray of x's shape
        A window of zeros gives its pixels no gradient.

    Raises
    ------
    ValueError, TypeError
        As lp_pool; also if dy hasn't the shape of its result.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.lp_pool2d`` with even p.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import lp_pool_grad
    >>> lp_pool_grad([[[1.0]]], np.array([3.0, -4.0]).reshape(1, 2, 1), 2, layout="NWC")[0, :, 0]
    array([ 0.6, -0.8])
    """
    operation = "lp_pool_grad"
    dims, power = dims_of(operation, layout), _power(operation, p)
    first, (dy, x) = images(operation, dims, layout, dy=dy, x=x)
    spec = pool_spec(operation, x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    check_shape(operation, "dy (channels last)", dy.shape, spec.output_shape)
    norms = _norms(x, spec, power)
    with np.errstate(all="ignore"):
        shares = np.where(norms == 0, dy.dtype.type(0), dy * norms ** (1 - power))
        spread = average_windows_grad(operation, shares, spec, False, divisor=1)
        return from_last(np.sign(x) * np.abs(x) ** (power - 1) * spread, first)
