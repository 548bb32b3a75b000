"""Which kernels there are: for each operation a list, fastest first, the generic one last. Tests and benchmarks run every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..shapes import ConvSpec
from .conv_dot import DotInputGradPlan, DotOutputPlan
from .conv_fft import FFTInputGradPlan, FFTOutputPlan, FFTWeightGradPlan
from .conv_generic import GenericInputGradPlan, GenericOutputPlan, GenericWeightGradPlan
from .conv_output import InputGradPlan, OutputPlan
from .conv_slide import SlideInputGradPlan, SlideOutputPlan, SlideWeightGradPlan
from .conv_weight_grad import WeightGradPlan
from .simd import VECTOR_BYTES


@dataclass(frozen=True)
class Kernel:
    """One way to compute an operation: its algorithm's name, which cases it takes, how it plans one, and whether unasked."""

    algorithm: str
    accepts: Callable[[ConvSpec], bool]
    plan: Callable[[ConvSpec, np.dtype], Any]
    automatic: bool = True


def _depthwise(spec: ConvSpec) -> bool:
    return 1 < spec.groups == spec.channels == spec.filters


def _groups_in_a_vector(spec: ConvSpec) -> bool:
    """Return whether each group has as many filters as channels, and they divide a vector of either type."""
    return 1 < spec.groups < spec.channels == spec.filters and (VECTOR_BYTES // 8) % (spec.channels // spec.groups) == 0


def _large_groups(spec: ConvSpec) -> bool:
    return spec.groups == 1 or min(spec.channels, spec.filters) >= 4 * spec.groups


def _few_filters(spec: ConvSpec) -> bool:
    """Return whether a vector has lanes for several pixels' results, and as much is summed as a vector holds."""
    return spec.groups == 1 and spec.filters <= VECTOR_BYTES // 16 and spec.channels * spec.kernel[-1] >= VECTOR_BYTES // 4


def _few_channels(spec: ConvSpec) -> bool:
    return spec.groups == 1 and spec.channels <= VECTOR_BYTES // 16 and spec.filters * spec.kernel[-1] >= VECTOR_BYTES // 4


def _any(spec: ConvSpec) -> bool:
    return True


TABLE: dict[str, tuple[Kernel, ...]] = {
    "output": (
        Kernel("depthwise", _depthwise, SlideOutputPlan),
        Kernel("grouped", _groups_in_a_vector, SlideOutputPlan),
        Kernel("dot", _few_filters, DotOutputPlan),
        Kernel("direct", _large_groups, OutputPlan),
        Kernel("fft", _any, FFTOutputPlan, automatic=False),
        Kernel("generic", _any, GenericOutputPlan),
    ),
    "input_grad": (
        Kernel("depthwise", _depthwise, SlideInputGradPlan),
        Kernel("grouped", _groups_in_a_vector, SlideInputGradPlan),
        Kernel("dot", _few_channels, DotInputGradPlan),
        Kernel("direct", _large_groups, InputGradPlan),
        Kernel("fft", _any, FFTInputGradPlan, automatic=False),
        Kernel("generic", _any, GenericInputGradPlan),
    ),
    "weight_grad": (
        Kernel("depthwise", _depthwise, SlideWeightGradPlan),
        Kernel("grouped", _groups_in_a_vector, SlideWeightGradPlan),
        Kernel("direct", _large_groups, WeightGradPlan),
        Kernel("fft", _any, FFTWeightGradPlan, automatic=False),
        Kernel("generic", _any, GenericWeightGradPlan),
    ),
}

TILED_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


TINY_FLOPS = 20_000
"""Work below this isn't worth compiling tiles for: the generic kernel does it in microseconds, and is compiled once."""


def check_algorithm(name: str, operation: str, algorithm: object) -> None:
    """Refuse an algorithm that the operation doesn't have."""
    known = [kernel.algorithm for kernel in TABLE[operation]]
    if algorithm not in ("auto", *known):
        raise ValueError(f"{name}: algorithm must be 'auto' or one of {known}, but is {algorithm!r}")


@lru_cache(maxsize=512)
def choose(name: str, operation: str, spec: ConvSpec, dtype: np.dtype, algorithm: str = "auto") -> Any:
    """Return the plan of the first kernel that takes the case; `algorithm` asks for one by its name.

    Raises
    ------
    ValueError
        If the algorithm can't do the case.
    """
    wanted = "generic" if algorithm == "auto" and spec.flops < TINY_FLOPS else algorithm
    for kernel in TABLE[operation]:
        tiled_type = dtype in TILED_TYPES or kernel.algorithm == "generic"
        asked = kernel.automatic if wanted == "auto" else wanted == kernel.algorithm
        if asked and tiled_type and kernel.accepts(spec):
            return kernel.plan(spec, dtype)
    raise ValueError(
        f"{name}: algorithm {algorithm!r} can't do {spec.groups} groups of {spec.channels} channels and {spec.filters} filters in "
        f"{dtype}; 'auto' can"
    )
