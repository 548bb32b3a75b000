"""Convolutions."""

from __future__ import annotations

from math import prod
from typing import Any

from ...engine.operations import Convolution, Operation
from ...shapes import Ints, as_int, conv_spec, per_axis
from ..initializers import initializer_name
from ..options import as_bool, as_plain
from .base import Layer, Plan, Weight, activate, checked_activation, image_shape


class Conv2D(Layer):
    """A two-dimensional convolution of images (h, w, c) with bias and activation.

    Parameters
    ----------
    filters : int
    kernel_size, stride, dilation : int or pair of int
    padding : int, pairs or str
        As in `fastconv.functional.conv2d`.
    groups : int
    use_bias : bool
    activation : None, "relu" or "leaky_relu"
    kernel_initializer, bias_initializer : str
        A name of `fastconv.nn.initializers`.

    Notes
    -----
    The weights are kernel (kh, kw, c // groups, filters) and bias (filters,). The output has, on each axis,
    floor((size + before + after - ((kernel - 1) * dilation + 1)) / stride) + 1 pixels.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Conv2D(32, 3, padding="same").output_shape((28, 28, 1))
    (28, 28, 32)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: Any = "valid",
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        use_bias: bool = True,
        activation: str | None = None,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ):
        self.filters = as_int(self.name, "filters", filters, 1)
        self.kernel_size, self.stride, self.padding, self.dilation = map(as_plain, (kernel_size, stride, padding, dilation))
        self.groups = as_int(self.name, "groups", groups, 1)
        self.use_bias = as_bool(self.name, "use_bias", use_bias)
        self.activation = checked_activation(self.name, activation)
        self.kernel_initializer = initializer_name(self.name, "kernel_initializer", kernel_initializer)
        self.bias_initializer = initializer_name(self.name, "bias_initializer", bias_initializer)

    def _groups(self, channels: int) -> int:
        if channels % self.groups:
            raise ValueError(f"{self.name}: groups must divide channels, but {self.groups} does not divide {channels}")
        return self.groups

    def _filters(self, channels: int) -> int:
        return self.filters

    def _kernel_shape(self, channels: int) -> Ints:
        kernel = per_axis(self.name, "kernel_size", self.kernel_size, 2)
        return (*kernel, channels // self._groups(channels), self._filters(channels))

    def _spec(self, shape: Ints) -> Any:
        kernel = self._kernel_shape(shape[-1])
        return conv_spec(self.name, shape, kernel, self.stride, self.padding, self.dilation, self._groups(shape[-1]))

    def output_shape(self, shape: Ints) -> Ints:
        """Return (oh, ow, filters)."""
        return self._spec((1, *image_shape(self.name, shape))).output_shape[1:]

    def weights(self, shape: Ints) -> list[Weight]:
        """Return kernel and bias."""
        kernel = self._kernel_shape(shape[-1])
        area, filters = prod(kernel[:2]), kernel[3]
        inputs, outputs = area * kernel[2], area * filters // self._groups(shape[-1])
        bias = [Weight("bias", (filters,), self.bias_initializer, inputs, outputs)] if self.use_bias else []
        return [Weight("kernel", kernel, self.kernel_initializer, inputs, outputs), *bias]

    def flops(self, shape: Ints) -> int:
        """Return the convolution's multiplications and additions."""
        return int(self._spec((1, *shape)).flops)

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the convolution and its activation."""
        convolution = Convolution(self._spec(plan.shape), plan.weights, plan.gradients)
        return [convolution, *activate(self.activation, plan.dtype)]


class DepthwiseConv2D(Conv2D):
    """A convolution of each channel with its own kernel: `Conv2D` with as many groups and filters as channels.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, use_bias, activation, kernel_initializer, bias_initializer
        As for `Conv2D`.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.DepthwiseConv2D(3, padding="same").output_shape((28, 28, 16))
    (28, 28, 16)
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: Any = "valid",
        dilation: int | tuple[int, int] = 1,
        use_bias: bool = True,
        activation: str | None = None,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ):
        super().__init__(
            1, kernel_size, stride=stride, padding=padding, dilation=dilation, use_bias=use_bias, activation=activation,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
        )  # fmt: skip
        del self.filters, self.groups  # as many as the input has channels

    def _groups(self, channels: int) -> int:
        return channels

    def _filters(self, channels: int) -> int:
        return channels
