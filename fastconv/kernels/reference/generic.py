"""Convolution by plain loops: any stride, dilation, groups and number type. The last resort, and the one to read first."""

from math import prod

import numpy as np

from ...runtime.jit import jit
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.blocks import blocks_of, clear, convert
from ..arrays.long_sums import FLOAT64, is_long


@jit
def generic_output(x, w, y, size, channels, outputs, filters, kernel, stride, dilation, before, groups, start, stop):
    """Add to y (images, *outputs, filters), all flat; spatial tuples have three axes. Units are images."""
    group_channels, group_filters = channels // groups, filters // groups
    for n in range(start, stop):
        for od, oh, ow in np.ndindex(outputs):
            at = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * filters
            for kd, kh, kw in np.ndindex(kernel):
                d = od * stride[0] + kd * dilation[0] - before[0]
                h = oh * stride[1] + kh * dilation[1] - before[1]
                v = ow * stride[2] + kw * dilation[2] - before[2]
                if 0 <= d < size[0] and 0 <= h < size[1] and 0 <= v < size[2]:
                    pixel = (((n * size[0] + d) * size[1] + h) * size[2] + v) * channels
                    tap = ((kd * kernel[1] + kh) * kernel[2] + kw) * group_channels * filters
                    for g in range(groups):
                        for c in range(group_channels):
                            value = x[pixel + g * group_channels + c]
                            for f in range(g * group_filters, (g + 1) * group_filters):
                                y[at + f] += value * w[tap + c * filters + f]


@jit
def generic_input_grad(dy, w, dx, size, channels, outputs, filters, kernel, stride, dilation, before, groups, start, stop):
    """Add to dx (images, *size, channels), all flat. Units are images."""
    group_channels, group_filters = channels // groups, filters // groups
    for n in range(start, stop):
        for od, oh, ow in np.ndindex(outputs):
            at = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * filters
            for kd, kh, kw in np.ndindex(kernel):
                d = od * stride[0] + kd * dilation[0] - before[0]
                h = oh * stride[1] + kh * dilation[1] - before[1]
                v = ow * stride[2] + kw * dilation[2] - before[2]
                if 0 <= d < size[0] and 0 <= h < size[1] and 0 <= v < size[2]:
                    pixel = (((n * size[0] + d) * size[1] + h) * size[2] + v) * channels
                    tap = ((kd * kernel[1] + kh) * kernel[2] + kw) * group_channels * filters
                    for g in range(groups):
                        for c in range(group_channels):
                            total = dx[pixel + g * group_channels + c]
                            for f in range(g * group_filters, (g + 1) * group_filters):
                                total += dy[at + f] * w[tap + c * filters + f]
                            dx[pixel + g * group_channels + c] = total


@jit
def generic_weight_grad(
    x, dy, dw, images, size, channels, outputs, filters, kernel, stride, dilation, before, groups, start, stop
):  # fmt: skip
    """Add to dw (*kernel, channels / groups, filters), all flat. Units are kernel positions."""
    group_channels, group_filters = channels // groups, filters // groups
    for unit in range(start, stop):
        kd, kh, kw = unit // (kernel[1] * kernel[2]), unit // kernel[2] % kernel[1], unit % kernel[2]
        for n in range(images):
            for od, oh, ow in np.ndindex(outputs):
                at = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * filters
                d = od * stride[0] + kd * dilation[0] - before[0]
                h = oh * stride[1] + kh * dilation[1] - before[1]
                v = ow * stride[2] + kw * dilation[2] - before[2]
                if 0 <= d < size[0] and 0 <= h < size[1] and 0 <= v < size[2]:
                    pixel = (((n * size[0] + d) * size[1] + h) * size[2] + v) * channels
                    for g in range(groups):
                        for c in range(group_channels):
                            value = x[pixel + g * group_channels + c]
                            for f in range(g * group_filters, (g + 1) * group_filters):
                                dw[(unit * group_channels + c) * filters + f] += value * dy[at + f]


@jit
def repeat_bias(bias, y, start, stop):
    """Write the bias to the pixels start..stop of y."""
    for pixel in range(start, stop):
        for f in range(len(bias)):  # a slice would compile its own error message, for seconds
            y[pixel * len(bias) + f] = bias[f]


class _GenericPlan:
    """What the three plans share: the spec with its spatial axes filled up to three, and where sums of so many terms are made."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, terms: int):
        self.spec = spec
        fill = 3 - len(spec.size)
        self.size, self.outputs, self.kernel, self.stride, self.dilation = (
            (1,) * fill + values for values in (spec.size, spec.outputs, spec.kernel, spec.stride, spec.dilation)
        )
        self.before = (0,) * fill + tuple(before for before, _ in spec.pads)
        self.geometry = (
            self.size, spec.channels, self.outputs, spec.filters,
            self.kernel, self.stride, self.dilation, self.before, spec.groups,
        )  # fmt: skip
        self.name, self._long = f"generic_{dtype.name}", is_long(terms, dtype)

    def _sums(self, total):
        """Return where sums are made: in total itself, or, of many terms, in numbers of float64."""
        return buffer(total.size, FLOAT64) if self._long else total

    def _round(self, run, sums, total):
        if self._long:
            run(Task(convert, (sums, total), blocks_of(total), total.size))


class GenericOutputPlan(_GenericPlan):
    """The convolution's output by plain loops: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(spec, dtype, prod(spec.kernel) * spec.channels // spec.groups)

    def __call__(self, run, x, w, bias, y):
        sums = self._sums(y)
        if bias is None:
            run(Task(clear, (sums,), blocks_of(y), y.size))
        else:
            run(Task(repeat_bias, (bias, sums), y.size // self.spec.filters, y.size))
        run(Task(generic_output, (x, w, sums, *self.geometry), self.spec.images, self.spec.flops))
        self._round(run, sums, y)


class GenericInputGradPlan(_GenericPlan):
    """The input gradient by plain loops: an InputGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(spec, dtype, prod(spec.kernel) * spec.filters // spec.groups)

    def __call__(self, run, dy, w, dx):
        sums = self._sums(dx)
        run(Task(clear, (sums,), blocks_of(dx), dx.size))
        run(Task(generic_input_grad, (dy, w, sums, *self.geometry), self.spec.images, self.spec.flops))
        self._round(run, sums, dx)


class GenericWeightGradPlan(_GenericPlan):
    """The weight gradient by plain loops: a WeightGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(spec, dtype, spec.images * prod(spec.outputs))

    def __call__(self, run, x, dy, dw):
        sums = self._sums(dw)
        run(Task(clear, (sums,), blocks_of(dw), dw.size))
        arguments = x, dy, sums, self.spec.images, *self.geometry
        run(Task(generic_weight_grad, arguments, prod(self.kernel), self.spec.flops))
        self._round(run, sums, dw)
