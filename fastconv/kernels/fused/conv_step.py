"""A small convolution's output, or weight gradient and update, in one call: for one image, calls cost as much as arithmetic."""

from functools import cache

import numpy as np

from ...runtime.jit import jit
from ...runtime.memory import buffer
from ...shapes import ConvSpec
from ..arrays.long_sums import FLOAT64
from ..contraction.direct import DirectOutputPlan
from ..contraction.direct_weight_grad import DirectWeightGradPlan, direct_weight_grad_kernel
from ..contraction.pack import pack_weights, unpack_weight_grad


@cache
def whole_output_kernel(output, vectors):
    """Return the kernel that packs the weights, and computes all units by the kernel `output` of a ContractionPlan."""

    @jit
    def conv_whole_output(x, w, bias, y, packed, sums, wide, geometry, cut, pieces, weight_blocks, units):
        pack_weights(w, geometry, vectors, packed, 0, weight_blocks)
        output(x, packed, bias, y, packed[:0], sums, wide, geometry, cut, pieces, (), 0, units)

    return conv_whole_output


@cache
def weight_step_kernel(rows, vectors, columns, long):
    """Return the kernel for the weight gradient and w -= rate * dw; closure arguments as in `direct_weight_grad_kernel`."""
    weight_grad = direct_weight_grad_kernel(rows, vectors, columns, long)

    @jit
    def conv_weight_step(
        x, dy, w, dw, rate, parts, wide, geometry, tap_step, items, part_count, piece, span, units, weight_blocks, tile_run
    ):  # fmt: skip
        weight_grad(x, dy, parts, wide, parts[:0], geometry, tap_step, items, part_count, piece, span, 0, units)
        unpack_weight_grad(parts, part_count, rows, tile_run, geometry, vectors, dw, 0, weight_blocks)
        step = dw.dtype.type(rate)
        for i in range(len(w)):
            w[i] -= step * dw[i]

    return conv_weight_step


class WholeOutput:
    """A convolution's output without borders, in this thread; called with (x, w, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        plan = DirectOutputPlan(spec, dtype, filters_first)
        self._dtype, self._size, self._no_bias = dtype, plan.packed_size, plan.no_bias
        self._numbers = (plan.geometry, plan.shares, plan.pieces, plan.weight_blocks, plan.units)
        self._kernel, self._scratchpads = whole_output_kernel(plan.kernel, plan.vectors), plan.scratchpads

    def __call__(self, x, w, y):
        sums, wide = (made() if callable(made) else made for made in self._scratchpads)
        self._kernel(x, w, self._no_bias, y, buffer(self._size, self._dtype), sums, wide, *self._numbers)


class WeightStep:
    """A step of gradient descent without borders, in this thread; called with (x, dy, w, dw, rate), all flat but the rate."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        plan = DirectWeightGradPlan(spec, dtype, filters_first)
        self._dtype, self._size, self._wide_size = dtype, plan.parts_size, plan.wide_size
        self._numbers = (plan.geometry, *plan.cut, plan.units, plan.weight_blocks, plan.tile_run)
        self._kernel = weight_step_kernel(plan.rows, plan.vectors, plan.columns, plan.long)

    def __call__(self, x, dy, w, dw, rate):
        wide = buffer(self._wide_size, FLOAT64)
        self._kernel(x, dy, w, dw, rate, buffer(self._size, self._dtype), wide, *self._numbers)
