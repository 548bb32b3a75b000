"""Convolution (correlation, as in every deep-learning framework) in one, two and three dimensions, and its two gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import check_rank, operands
from ..runtime.memory import aligned_empty
from ..shapes import as_shape, check_shape, conv_spec
from .border import border_of
from .compute import convolve_into, input_grad_into, weight_grad_into
from .dimensions import per_dimension
from .epilogue import epilogue_of
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
    "conv{n}d",
    formula=(
        "y[n, i, f] = bias[f] + sum of x[n, i*s + a*d - p, c] * w[a, c, f]",
        "y[n, i, j, f] = bias[f] + sum of x[n, i*s + a*d - p, j*s + b*d - p, c] * w[a, b, c, f]",
        "y[n, i, j, k, f] = bias[f] + sum of x[n, i*s + a*d - p, j*s + b*d - p, k*s + e*d - p, c] * w[a, b, e, c, f]",
    ),
    causal=(', "causal" (dilated\n        kernel - 1, all before the first pixel)', "", ""),
    example=(
        ">>> conv1d([[[1.0], [2.0], [3.0]]], [[[1.0]], [[10.0]]])[0, :, 0]\narray([21., 32.])",
        ">>> image = np.arange(9.0).reshape(1, 3, 3, 1)\n>>> conv2d(image, np.ones((2, 2, 1, 1)))[0, :, :, 0]\n"
        "array([[ 8., 12.],\n       [20., 24.]])",
        ">>> conv3d(np.ones((1, 2, 2, 2, 1)), np.ones((2, 2, 2, 1, 1))).ravel()\narray([8.])",
    ),
)
def conv(
    dims: int,
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    padding_mode: str = "constant",
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str = "",
    activation: Any = None,
    residual: ArrayLike | None = None,
    algorithm: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Convolve images with filters: {formula}.

    With a residual r and an activation, activation(y + r); what is added and applied is so while a result is in the cache.

    Parameters
    ----------
    x : (n, {axes}, c) float32 or float64
        Images; (n, c, {axes}) with layout "{first}". Integers and bools are computed as float64, float16 as float32; mixed types
        promote as NumPy's.
    w : ({kernel}, c / groups, f)
        Filters; (f, c / groups, {kernel}) with layout "{first}".
    bias : (f,), optional
    stride, dilation : {ints}
    padding : int, one int per axis, {pairs} or str
        "valid" (none), "same" (output of ceil(size / stride) pixels, an odd pixel goes to the end, as in TensorFlow and
        ONNX), "same_lower" (it goes to the beginning), "full" (dilated kernel - 1){causal}.
    padding_mode : "constant", "reflect", "symmetric", "edge" or "wrap"
        What the padding holds, by numpy.pad's names: zeros, or pixels of the image.
    groups : int
        Filters are cut into groups, each of which sees its own c / groups channels. (Depthwise: groups = c.)
    layout : "{layout}" or "{first}"
    activation : str, or tuple of one and its numbers, optional
        "relu", "leaky_relu" (of slope 0.01) or ("leaky_relu", slope), "relu6", ("clip", least, most), "sigmoid", "hard_sigmoid"
        (y / 6 + 0.5 between 0 and 1) or ("hard_sigmoid", factor, offset), "hard_swish" (y * hard_sigmoid(y)), "silu"
        (y * sigmoid(y)), "gelu" (y * (1 + erf(y / sqrt(2))) / 2) or "tanh". Their exp, erf and tanh are within 1 unit in the last
        place of float32, 4 of float64.
    residual : array of the result's shape, optional
        What is added before the activation.
    algorithm : "auto", "plane", "depthwise", "grouped", "winograd", "narrow", "dot", "direct", "generic" or "fft"
        "auto" takes what the environment variable FASTCONV_KERNEL names, if that can do the case, else the fastest that can, but
        never "fft"; the others ask for one. `explain` tells which it is. NaN and infinity reach only the results in whose sums they
        are; the zeros around an image are left out. "winograd" does 3 x 3 kernels of stride and dilation 1 with at least 16
        channels and filters in each group; "auto" takes it where it is the faster, in float32 only. Its rounding errors are larger
        than those of "direct", up to 8 times, mostly below 2 times, and are those of the largest pixel in 6 x 6, for the results
        beside it too; small integers don't come out exact. Where a result is not finite, all is computed again by another
        algorithm. "fft" computes by numpy.fft's transforms, for large kernels: rounding errors are those of the image's largest
        pixels, and NaN and infinity spread, without a warning, to all results of their image, and from weights to all images'.
    out : ndarray, optional
        Where to write the result: of its shape and dtype, not overlapping an input.

    Returns
    -------
    (n, {out}, f) ndarray
        For each axis floor((size + before + after - ((kernel - 1) * dilation + 1)) / stride) + 1 pixels; a new, C-contiguous
        array unless `out` is given. In float32 the error is below 1e-6 of the sum of the products' absolute values, but for the
        worst of roundings (1e-5), however many taps and channels there are: sums of more than 512 products are made in blocks.

    Raises
    ------
    ValueError, TypeError
        If shapes or options don't fit together; the message names the rule and the numbers.

    Notes
    -----
    ``torch.nn.functional.conv{n}d(x, w, bias, ...)`` with layout "{first}", ``keras.ops.conv`` with "{layout}" and no bias.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv{n}d
    {example}
    """
    operation = f"conv{dims}d"
    first, given = is_first(operation, layout, dims), (x, w, bias, residual)
    x, w, bias, residual = operands(operation, {"bias": bias, "residual": residual}, x=x, w=w)
    check_rank(operation, "x", x, dims + 2, layout)
    check_rank(operation, "w", w, dims + 2, "(two more than the kernel's)")
    spec = conv_spec(
        operation, last_shape(x.shape, first), last_weight_shape(w.shape, first), stride, padding, dilation, groups
    )  # fmt: skip
    if bias is not None:
        check_shape(operation, "bias", bias.shape, (spec.filters,))
    if residual is not None:
        check_shape(operation, "residual (channels last)", last_shape(residual.shape, first), spec.output_shape)
        residual = to_last(residual, first)
    epilogue = epilogue_of(operation, activation, residual, x.dtype)
    border = border_of(operation, spec, padding_mode)
    y = result_for(operation, out, spec.output_shape, first, x.dtype, *given)
    x, w = to_last(x, first), weights_to_last(w, first)
    if border is not None:
        spec, x = border.spec, border.pad(x)
    convolve_into(operation, spec, x, w, bias, y, algorithm, epilogue)
    return deliver(y, first, out)


@per_dimension(
    "conv{n}d_input_grad",
    example=(
        ">>> conv1d_input_grad(np.ones((1, 2, 1)), np.ones((2, 1, 1)), (1, 3, 1))[0, :, 0]\narray([1., 2., 1.])",
        ">>> conv2d_input_grad(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), (1, 3, 3, 1))[0, :, :, 0]\n"
        "array([[1., 2., 1.],\n       [2., 4., 2.],\n       [1., 2., 1.]])",
        ">>> conv3d_input_grad(np.ones((1, 1, 1, 2, 1)), np.ones((1, 1, 2, 1, 1)), (1, 1, 1, 3, 1)).ravel()\narray([1., 2., 1.])",
    ),
)
def conv_input_grad(
    dims: int,
    dy: ArrayLike,
    w: ArrayLike,
    input_shape: tuple[int, ...],
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    padding_mode: str = "constant",
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str = "",
    algorithm: str = "auto",
) -> np.ndarray:
    """Return the gradient of a loss with respect to conv{n}d's x, given its gradient dy with respect to conv{n}d's result.

    Parameters
    ----------
    dy : (n, {out}, f) float32 or float64
    w : ({kernel}, c / groups, f)
    input_shape : (n, {axes}, c)
        The shape of conv{n}d's x, in the given layout.
    stride, padding, padding_mode, dilation, groups, layout, algorithm
        As given to conv{n}d, whose docstring has the formula of dy's size. With algorithm "fft", NaN and infinity spread to
        other results.

    Returns
    -------
    ndarray of input_shape
        In float32 as precise as conv{n}d.

    Raises
    ------
    ValueError, TypeError
        As conv{n}d; also if dy hasn't the shape of conv{n}d's result.

    Notes
    -----
    ``torch.nn.grad.conv{n}d_input(input_shape, w, dy, ...)``; what automatic differentiation gives for ``keras.ops.conv``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv{n}d_input_grad
    {example}
    """
    operation = f"conv{dims}d_input_grad"
    first = is_first(operation, layout, dims)
    dy, w = operands(operation, dy=dy, w=w)
    check_rank(operation, "dy", dy, dims + 2, layout)
    check_rank(operation, "w", w, dims + 2, "(two more than the kernel's)")
    shape = last_shape(as_shape(operation, "input_shape", input_shape, dims + 2), first)
    spec = conv_spec(operation, shape, last_weight_shape(w.shape, first), stride, padding, dilation, groups)
    check_shape(operation, "dy (channels last)", last_shape(dy.shape, first), spec.output_shape)
    border = border_of(operation, spec, padding_mode)
    dy, w, inner = to_last(dy, first), weights_to_last(w, first), spec if border is None else border.spec
    dx = aligned_empty(inner.input_shape, dy.dtype)
    input_grad_into(operation, inner, dy, w, dx, algorithm)
    return from_last(dx if border is None else border.fold(dx), first)


@per_dimension(
    "conv{n}d_weight_grad",
    example=(
        ">>> conv1d_weight_grad([[[1.0], [2.0], [3.0]]], np.ones((1, 2, 1)), (2, 1, 1))[:, 0, 0]\narray([3., 5.])",
        ">>> x = np.arange(9.0).reshape(1, 3, 3, 1)\n>>> conv2d_weight_grad(x, np.ones((1, 2, 2, 1)), (2, 2, 1, 1))[:, :, 0, 0]\n"
        "array([[ 8., 12.],\n       [20., 24.]])",
        ">>> conv3d_weight_grad(np.ones((1, 2, 2, 2, 1)), np.ones((1, 2, 2, 2, 1)), (1, 1, 1, 1, 1)).ravel()\narray([8.])",
    ),
)
def conv_weight_grad(
    dims: int,
    x: ArrayLike,
    dy: ArrayLike,
    weight_shape: tuple[int, ...],
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    padding_mode: str = "constant",
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str = "",
    algorithm: str = "auto",
) -> np.ndarray:
    """Return the gradient of a loss with respect to conv{n}d's w, given its gradient dy with respect to conv{n}d's result.

    Parameters
    ----------
    x : (n, {axes}, c) float32 or float64
    dy : (n, {out}, f)
    weight_shape : ({kernel}, c / groups, f)
        The shape of conv{n}d's w, in the given layout.
    stride, padding, padding_mode, dilation, groups, layout, algorithm
        As given to conv{n}d, whose docstring has the formula of dy's size. With algorithm "fft", NaN and infinity spread to
        other results.

    Returns
    -------
    ndarray of weight_shape
        The bias's gradient is dy's sum over images and spatial axes. In float32 as precise as conv{n}d, however many images and
        pixels there are.

    Raises
    ------
    ValueError, TypeError
        As conv{n}d; also if dy hasn't the shape of conv{n}d's result.

    Notes
    -----
    ``torch.nn.grad.conv{n}d_weight(x, weight_shape, dy, ...)``; what automatic differentiation gives for ``keras.ops.conv``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import conv{n}d_weight_grad
    {example}
    """
    operation = f"conv{dims}d_weight_grad"
    first = is_first(operation, layout, dims)
    x, dy = operands(operation, x=x, dy=dy)
    check_rank(operation, "x", x, dims + 2, layout)
    check_rank(operation, "dy", dy, dims + 2, layout)
    shape = last_weight_shape(as_shape(operation, "weight_shape", weight_shape, dims + 2), first)
    spec = conv_spec(operation, last_shape(x.shape, first), shape, stride, padding, dilation, groups)
    check_shape(operation, "dy (channels last)", last_shape(dy.shape, first), spec.output_shape)
    border = border_of(operation, spec, padding_mode)
    x, dy = to_last(x, first), to_last(dy, first)
    if border is not None:
        spec, x = border.spec, border.pad(x)
    dw = aligned_empty(spec.weight_shape, x.dtype)
    weight_grad_into(operation, spec, x, dy, dw, algorithm)
    return weights_from_last(dw, first)


conv1d, conv2d, conv3d = conv
conv1d_input_grad, conv2d_input_grad, conv3d_input_grad = conv_input_grad
conv1d_weight_grad, conv2d_weight_grad, conv3d_weight_grad = conv_weight_grad
