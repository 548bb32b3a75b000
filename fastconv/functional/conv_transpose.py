"""Transposed convolution in one, two and three dimensions, and its gradients: the input gradient of a convolution, made a function.

With y = conv_transpose(x, w): y is the input gradient of the convolution with w, for x as the output's gradient. So x's gradient
is that convolution of dy, and w's gradient is its weight gradient, for dy as the image and x as the output's gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import check_rank, operands
from ..runtime.memory import aligned_empty
from ..shapes import as_shape, check_shape, transposed_spec
from .compute import convolve_into, input_grad_into, weight_grad_into
from .dimensions import per_dimension
from .layout import (
    deliver,
    from_last,
    is_first,
    last_shape,
    last_weight_shape,
    result_for,
    to_last,
    weights_from_last,
    weights_to_last,
)


@per_dimension(
    "conv_transpose{n}d",
    example=(
        ">>> conv_transpose1d([[[1.0], [2.0]]], [[[1.0]], [[10.0]]], stride=2)[0, :, 0]\narray([ 1., 10.,  2., 20.])",
        ">>> conv_transpose2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)))[0, :, :, 0]\n"
        "array([[1., 2., 1.],\n       [2., 4., 2.],\n       [1., 2., 1.]])",
        ">>> conv_transpose3d(np.ones((1, 1, 1, 2, 1)), np.ones((1, 1, 2, 1, 1))).ravel()\narray([1., 2., 1.])",
    ),
)
def conv_transpose(
    dims: int,
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    output_padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str = "",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the transposed convolution: each pixel of x adds its multiple of the kernel to the result, `stride` pixels apart.

    Parameters
    ----------
    x : (n, {axes}, f) float32 or float64
        Images; (n, f, {axes}) with layout "{first}".
    w : ({kernel}, c / groups, f)
        The weights of the convolution whose input gradient this is: c is the result's channels, f is x's. With layout "{first}"
        (f, c / groups, {kernel}), as PyTorch has them.
    bias : (c,), optional
    stride, dilation : {ints}
    padding : int, one int per axis, {pairs} or str
        How many pixels are cut off the result: "valid" (none), "same" and "same_lower" (a result of size * stride pixels, as in
        Keras), "full" (dilated kernel - 1).
    output_padding : {ints}
        Pixels more at the result's end; less than stride or dilation.
    groups : int
    layout : "{layout}" or "{first}"
    algorithm : "auto", "plane", "depthwise", "grouped", "winograd", "narrow", "dot", "direct", "generic" or "fft"
        As `conv{n}d`; with "fft", NaN and infinity spread to other results.
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping an input.

    Returns
    -------
    (n, {out}, c) ndarray
        For each axis (size - 1) * stride + (kernel - 1) * dilation + 1 - before - after + output_padding pixels. In
        float32 as precise as conv{n}d.

    Raises
    ------
    ValueError, TypeError
        If shapes or options don't fit together, or nothing is left of the result.

    Notes
    -----
    ``torch.nn.functional.conv_transpose{n}d(x, w, bias, ...)`` with layout "{first}", ``keras.ops.conv_transpose`` with "{layout}"
    (whose kernel has the same axes), ONNX ConvTranspose.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv_transpose{n}d
    {example}
    """
    operation = f"conv_transpose{dims}d"
    first, given = is_first(operation, layout, dims), (x, w, bias)
    x, w, bias = operands(operation, {"bias": bias}, x=x, w=w)
    check_rank(operation, "x", x, dims + 2, layout)
    check_rank(operation, "w", w, dims + 2, "(two more than the kernel's)")
    spec = transposed_spec(
        operation, last_shape(x.shape, first), last_weight_shape(w.shape, first), stride, padding, output_padding, dilation, groups
    )
    if bias is not None:
        check_shape(operation, "bias", bias.shape, (spec.channels,))
    y = result_for(operation, out, spec.input_shape, first, x.dtype, *given)
    input_grad_into(operation, spec, to_last(x, first), weights_to_last(w, first), y, algorithm)
    if bias is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            y += bias
    return deliver(y, first, out)


@per_dimension(
    "conv_transpose{n}d_input_grad",
    example=(
        ">>> conv_transpose1d_input_grad([[[1.0], [2.0], [3.0]]], [[[1.0]], [[10.0]]], (1, 2, 1))[0, :, 0]\narray([21., 32.])",
        ">>> conv_transpose2d_input_grad(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), (1, 2, 2, 1))[0, :, :, 0]\n"
        "array([[4., 4.],\n       [4., 4.]])",
        ">>> conv_transpose3d_input_grad(np.ones((1, 2, 2, 2, 1)), np.ones((2, 2, 2, 1, 1)), (1, 1, 1, 1, 1)).ravel()\narray([8.])",
    ),
)
def conv_transpose_input_grad(
    dims: int,
    dy: ArrayLike,
    w: ArrayLike,
    input_shape: tuple[int, ...],
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    output_padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str = "",
    algorithm: str = "auto",
) -> np.ndarray:
    """Return the gradient with respect to conv_transpose{n}d's x, given dy with respect to its result: dy's convolution with w.

    Parameters
    ----------
    dy : (n, {out}, c) float32 or float64
    w : ({kernel}, c / groups, f)
    input_shape : (n, {axes}, f)
        The shape of conv_transpose{n}d's x, in the given layout.
    stride, padding, output_padding, dilation, groups, layout, algorithm
        As given to conv_transpose{n}d, whose docstring has the formula of dy's size. With algorithm "fft", NaN and infinity
        spread to other results.

    Returns
    -------
    ndarray of input_shape
        In float32 as precise as conv{n}d.

    Raises
    ------
    ValueError, TypeError
        As conv_transpose{n}d; also if dy hasn't the shape of its result.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.conv_transpose{n}d`` and ``keras.ops.conv_transpose``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv_transpose{n}d_input_grad
    {example}
    """
    operation = f"conv_transpose{dims}d_input_grad"
    first = is_first(operation, layout, dims)
    dy, w = operands(operation, dy=dy, w=w)
    check_rank(operation, "dy", dy, dims + 2, layout)
    check_rank(operation, "w", w, dims + 2, "(two more than the kernel's)")
    shape = last_shape(as_shape(operation, "input_shape", input_shape, dims + 2), first)
    spec = transposed_spec(
        operation, shape, last_weight_shape(w.shape, first), stride, padding, output_padding, dilation, groups
    )  # fmt: skip
    check_shape(operation, "dy (channels last)", last_shape(dy.shape, first), spec.input_shape)
    dx = aligned_empty(spec.output_shape, dy.dtype)
    convolve_into(operation, spec, to_last(dy, first), weights_to_last(w, first), None, dx, algorithm)
    return from_last(dx, first)


@per_dimension(
    "conv_transpose{n}d_weight_grad",
    example=(
        ">>> conv_transpose1d_weight_grad([[[1.0], [2.0]]], np.arange(4.0).reshape(1, 4, 1), (2, 1, 1), stride=2)[:, 0, 0]\n"
        "array([4., 7.])",
        ">>> conv_transpose2d_weight_grad(np.ones((1, 2, 2, 1)), np.ones((1, 3, 3, 1)), (2, 2, 1, 1))[:, :, 0, 0]\n"
        "array([[4., 4.],\n       [4., 4.]])",
        ">>> x = np.ones((1, 2, 2, 2, 1))\n>>> conv_transpose3d_weight_grad(x, x, (1, 1, 1, 1, 1)).ravel()\narray([8.])",
    ),
)
def conv_transpose_weight_grad(
    dims: int,
    x: ArrayLike,
    dy: ArrayLike,
    weight_shape: tuple[int, ...],
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    output_padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str = "",
    algorithm: str = "auto",
) -> np.ndarray:
    """Return the gradient with respect to conv_transpose{n}d's w, given dy with respect to its result.

    Parameters
    ----------
    x : (n, {axes}, f) float32 or float64
    dy : (n, {out}, c)
    weight_shape : ({kernel}, c / groups, f)
        The shape of conv_transpose{n}d's w, in the given layout.
    stride, padding, output_padding, dilation, groups, layout, algorithm
        As given to conv_transpose{n}d, whose docstring has the formula of dy's size. With algorithm "fft", NaN and infinity
        spread to other results.

    Returns
    -------
    ndarray of weight_shape
        The bias's gradient is dy's sum over images and spatial axes. In float32 as precise as conv{n}d.

    Raises
    ------
    ValueError, TypeError
        As conv_transpose{n}d; also if dy hasn't the shape of its result.

    Notes
    -----
    What autograd gives for ``torch.nn.functional.conv_transpose{n}d`` and ``keras.ops.conv_transpose``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv_transpose{n}d_weight_grad
    {example}
    """
    operation = f"conv_transpose{dims}d_weight_grad"
    first = is_first(operation, layout, dims)
    x, dy = operands(operation, x=x, dy=dy)
    check_rank(operation, "x", x, dims + 2, layout)
    check_rank(operation, "dy", dy, dims + 2, layout)
    shape = last_weight_shape(as_shape(operation, "weight_shape", weight_shape, dims + 2), first)
    spec = transposed_spec(operation, last_shape(x.shape, first), shape, stride, padding, output_padding, dilation, groups)
    check_shape(operation, "dy (channels last)", last_shape(dy.shape, first), spec.input_shape)
    dw = aligned_empty(spec.weight_shape, x.dtype)
    weight_grad_into(operation, spec, to_last(dy, first), to_last(x, first), dw, algorithm)
    return weights_from_last(dw, first)


conv_transpose1d, conv_transpose2d, conv_transpose3d = conv_transpose
conv_transpose1d_input_grad, conv_transpose2d_input_grad, conv_transpose3d_input_grad = conv_transpose_input_grad
conv_transpose1d_weight_grad, conv_transpose2d_weight_grad, conv_transpose3d_weight_grad = conv_transpose_weight_grad
