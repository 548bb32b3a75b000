"""Average pooling and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..runtime.memory import aligned_empty
from ..runtime.threads import parallel_for
from ..shapes import PoolSpec, as_bool, as_int, as_shape, check_shape, pool_spec
from .dimensions import per_dimension
from .layout import deliver, from_last, images, last_shape, result_for
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
    pool_plan(spec, count_padding).average(parallel_for, divisor, x.reshape(-1), y.reshape(-1))
    return deliver(y, first, out)


def average_windows_grad(
    operation: str, dy: np.ndarray, spec: PoolSpec, first: bool, count_padding: bool = False, divisor: int = 0
) -> np.ndarray:
    """Return the gradient of `average_windows`, given channels-last dy."""
    check_shape(operation, "dy (channels last)", dy.shape, spec.output_shape)
    dx = aligned_empty(spec.input_shape, dy.dtype)
    pool_plan(spec, count_padding).average_grad(parallel_for, divisor, dy.reshape(-1), dx.reshape(-1))
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


avg_pool1d, avg_pool2d, avg_pool3d = avg_pool
avg_pool1d_grad, avg_pool2d_grad, avg_pool3d_grad = avg_pool_grad
