"""Average pooling and Lp pooling, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from .._arrays import aligned_empty
from ..shapes import PoolSpec, as_bool, as_int, as_shape, check_shape, pool_spec
from .dimensions import per_dimension
from .layout import deliver, dims_of, from_last, images, last_shape, result_for
from .pool import pool_plan


def average_windows(
    operation: str,
    given: Any,
    x: np.ndarray,
    spec: PoolSpec,
    first: bool,
    out: Any = None,
    count_padding: bool = False,
    divisor: int = 0,
) -> np.ndarray:
    """Return each window's sum, divided by its count or by `divisor`, of the channels-last x (made from `given`)."""
    y = result_for(operation, out, spec.output_shape, first, x.dtype, given)
    pool_plan(spec, count_padding).average(_threads.split, divisor, x.reshape(-1), y.reshape(-1))
    return deliver(y, first, out)


def average_windows_grad(
    operation: str, dy: np.ndarray, spec: PoolSpec, first: bool, count_padding: bool = False, divisor: int = 0
) -> np.ndarray:
    """Return the gradient of `average_windows`, given channels-last dy."""
    check_shape(operation, "dy (channels last)", dy.shape, spec.output_shape)
    dx = aligned_empty(spec.input_shape, dy.dtype)
    pool_plan(spec, count_padding).average_grad(_threads.split, divisor, dy.reshape(-1), dx.reshape(-1))
    return from_last(dx, first)


def _divisor(operation: str, count_include_pad: Any, divisor_override: Any) -> tuple[bool, int]:
    count = as_bool(operation, "count_include_pad", count_include_pad)
    if divisor_override is None:
        return count, 0
    divisor = as_int(operation, "divisor_override", divisor_override, -(2**53), 2**53)
    if divisor == 0:
        raise ValueError(f"{operation}: divisor_override must not be 0")
    return count, divisor


@per_dimension(
    "avg_pool{n}d",
    example=(
        ">>> avg_pool1d(np.arange(6.0).reshape(1, 6, 1), 2)[0, :, 0]\narray([0.5, 2.5, 4.5])",
        ">>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]\narray([[ 2.5,  4.5],\n       [10.5, 12.5]])",
        ">>> avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2, 1), 2)[0, :, :, :, 0]\narray([[[3.5]]])",
    ),
)
def avg_pool(
    dims: int,
    x: ArrayLike,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    divisor_override: int | None = None,
    layout: str = "",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the average of each window of a batch of images with {n} spatial axes, channel by channel.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, layout, out
        As `max_pool{n}d`.
    count_include_pad : bool
        Whether the sum is divided by the window's pixels within the padded image, or (the default) by those within the image.
        Pixels that hang over the padded image's end (ceil_mode) never count.
    divisor_override : int, optional
        What to divide each sum by instead; not 0.

    Returns
    -------
    (n, {out}, c) ndarray
        For each axis floor((size + before + after - ((kernel - 1) * dilation + 1)) / stride) + 1 pixels, rounded up with
        ceil_mode, as `max_pool{n}d`. In float32 the error is below 1e-6 of the average of the pixels' absolute values, however
        many there are: sums of more than 64 pixels are made in blocks, and these added up in float64.

    Raises
    ------
    ValueError, TypeError
        As max_pool{n}d; also for a divisor_override of 0.

    Notes
    -----
    ``torch.nn.functional.avg_pool{n}d``, whose count_include_pad is True by default; ``keras.ops.average_pool``; ONNX AveragePool
    (opset 22).

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import avg_pool{n}d
    {example}
    """
    operation = f"avg_pool{dims}d"
    first, (images_,) = images(operation, dims, layout, x=x)
    count, divisor = _divisor(operation, count_include_pad, divisor_override)
    spec = pool_spec(operation, images_.shape, kernel_size, stride, padding, dilation, ceil_mode)
    return average_windows(operation, x, images_, spec, first, out, count, divisor)


@per_dimension(
    "avg_pool{n}d_grad",
    example=(
        ">>> avg_pool1d_grad([[[1.0]]], (1, 2, 1), 2)[0, :, 0]\narray([0.5, 0.5])",
        ">>> avg_pool2d_grad(np.ones((1, 1, 1, 1)), (1, 2, 2, 1), 2)[0, :, :, 0]\narray([[0.25, 0.25],\n       [0.25, 0.25]])",
        ">>> avg_pool3d_grad(np.ones((1, 1, 1, 1, 1)), (1, 1, 2, 2, 1), (1, 2, 2)).ravel()\narray([0.25, 0.25, 0.25, 0.25])",
    ),
)
def avg_pool_grad(
    dims: int,
    dy: ArrayLike,
    input_shape: tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    *,
    padding: Any = "valid",
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    divisor_override: int | None = None,
    layout: str = "",
) -> np.ndarray:
    """Return the gradient with respect to avg_pool{n}d's x, given dy with respect to its result.

    Parameters
    ----------
    dy : (n, {out}, c) float32 or float64
    input_shape : (n, {axes}, c)
        The shape of avg_pool{n}d's x, in the given layout.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, layout
        As given to avg_pool{n}d, whose docstring has the formula of dy's size.

    Returns
    -------
    ndarray of input_shape
        Where more than 256 windows overlap, their shares are added up in float64.

    Raises
    ------
    ValueError, TypeError
        As avg_pool{n}d; also if dy hasn't the shape of its result.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.avg_pool{n}d`` and ``keras.ops.average_pool``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import avg_pool{n}d_grad
    {example}
    """
    operation = f"avg_pool{dims}d_grad"
    first, (dy,) = images(operation, dims, layout, dy=dy)
    count, divisor = _divisor(operation, count_include_pad, divisor_override)
    shape = last_shape(as_shape(operation, "input_shape", input_shape, dims + 2), first)
    spec = pool_spec(operation, shape, kernel_size, stride, padding, dilation, ceil_mode)
    return average_windows_grad(operation, dy, spec, first, count, divisor)


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


avg_pool1d, avg_pool2d, avg_pool3d = avg_pool
avg_pool1d_grad, avg_pool2d_grad, avg_pool3d_grad = avg_pool_grad
