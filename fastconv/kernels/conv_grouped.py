"""Grouped convolution by the register tile: each group is a convolution of its own, on its channels of the same arrays."""

from __future__ import annotations

import numpy as np

from ..shapes import ConvSpec
from .conv_output import TiledContraction
from .conv_weight_grad import TiledWeightGrad
from .lowering import lower_input_grad, lower_output


class GroupedOutputPlan:
    """A grouped convolution's output by tiles; called with (split, x, w, bias, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        self._groups = [TiledContraction(lower_output(spec, group=g), dtype) for g in range(spec.groups)]
        self._filters, self.name = spec.filters // spec.groups, f"{self._groups[0].name}_grouped"

    def __call__(self, split, x, w, bias, y):
        for g, group in enumerate(self._groups):
            group(split, x, w, None if bias is None else bias[g * self._filters : (g + 1) * self._filters], y)


class GroupedInputGradPlan:
    """A grouped convolution's input gradient by tiles, by phases of the stride; called with (split, dy, w, dx), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        self._phases = [TiledContraction(c, dtype) for g in range(spec.groups) for c in lower_input_grad(spec, group=g)]
        self._covered = all(k >= s for k, s in zip(spec.kernel, spec.stride, strict=True)) and max(spec.dilation) == 1
        self.name = f"{self._phases[0].name}_grouped" if self._phases else "conv_tile_empty"

    def __call__(self, split, dy, w, dx):
        if not self._covered:
            dx[:] = 0  # the phases that no tap reaches
        for phase in self._phases:
            phase(split, dy, w, None, dx)


class GroupedWeightGradPlan:
    """A grouped convolution's weight gradient by tiles; called with (split, x, dy, dw), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        self._groups = [TiledWeightGrad(lower_output(spec, group=g), dtype) for g in range(spec.groups)]
        self.name = f"{self._groups[0].name}_grouped"

    def __call__(self, split, x, dy, dw):
        for group in self._groups:
            group(split, x, dy, dw)
