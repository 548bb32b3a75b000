"""Pooling."""

from __future__ import annotations

from typing import Any

from ...engine.operations import AveragePool, MaxPool, Operation
from ...shapes import Ints, PoolSpec, adaptive_spec, pool_spec
from ..options import as_bool, as_plain
from .base import Layer, Plan, image_shape

TIES = ("first", "all", "split")


class MaxPool2D(Layer):
    """The maximum of each window, channel by channel.

    Parameters
    ----------
    kernel_size, stride : int or pair of int
        The stride is the kernel size if not given.
    padding, ceil_mode
        As in `fastconv.functional.max_pool2d`.
    ties : "first", "all" or "split"
        Which of a window's equal maxima get the gradient; "all" is the notebooks' way.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.MaxPool2D(2).output_shape((26, 26, 16))
    (13, 13, 16)
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        *,
        padding: Any = "valid",
        ceil_mode: bool = False,
        ties: str = "first",
    ):
        self.kernel_size, self.stride, self.padding = map(as_plain, (kernel_size, stride, padding))
        self.ceil_mode, self.ties = as_bool("MaxPool2D", "ceil_mode", ceil_mode), ties
        if ties not in TIES:
            raise ValueError(f"MaxPool2D: ties must be one of {TIES}, but is {ties!r}")

    def _spec(self, shape: Ints) -> PoolSpec:
        return pool_spec(self.name, shape, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)

    def output_shape(self, shape: Ints) -> Ints:
        """Return (oh, ow, c)."""
        return self._spec((1, *image_shape(self.name, shape))).output_shape[1:]

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the pooling."""
        return [MaxPool(self._spec(plan.shape), self.ties)]


class AvgPool2D(Layer):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    kernel_size, stride : int or pair of int
        The stride is the kernel size if not given.
    padding, ceil_mode, count_include_pad
        As in `fastconv.functional.avg_pool2d`.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.AvgPool2D(2).output_shape((26, 26, 16))
    (13, 13, 16)
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        *,
        padding: Any = "valid",
        ceil_mode: bool = False,
        count_include_pad: bool = False,
    ):
        self.kernel_size, self.stride, self.padding = map(as_plain, (kernel_size, stride, padding))
        self.ceil_mode = as_bool("AvgPool2D", "ceil_mode", ceil_mode)
        self.count_include_pad = as_bool("AvgPool2D", "count_include_pad", count_include_pad)

    def _spec(self, shape: Ints) -> PoolSpec:
        return pool_spec(self.name, shape, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)

    def output_shape(self, shape: Ints) -> Ints:
        """Return (oh, ow, c)."""
        return self._spec((1, *image_shape(self.name, shape))).output_shape[1:]

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the pooling."""
        return [AveragePool(self._spec(plan.shape), self.count_include_pad)]


class GlobalAvgPool2D(Layer):
    """The mean of each channel over the whole image: (h, w, c) becomes (c,).

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.GlobalAvgPool2D().output_shape((7, 7, 64))
    (64,)
    """

    def output_shape(self, shape: Ints) -> Ints:
        """Return (c,)."""
        return (image_shape(self.name, shape)[-1],)

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the pooling."""
        return [AveragePool(adaptive_spec(self.name, plan.shape, 1))]
