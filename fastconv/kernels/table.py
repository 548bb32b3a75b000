"""Which kernels there are: for each operation a list, fastest first, the generic one last. Tests and benchmarks run every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from ..shapes import ConvSpec
from .conv_depthwise import DepthwiseInputGradPlan, DepthwiseOutputPlan, DepthwiseWeightGradPlan
from .conv_fft import FFTInputGradPlan, FFTOutputPlan, FFTWeightGradPlan
from .conv_generic import GenericInputGradPlan, GenericOutputPlan, GenericWeightGradPlan
from .conv_grouped import GroupedInputGradPlan, GroupedOutputPlan, GroupedWeightGradPlan
from .conv_output import InputGradPlan, OutputPlan
from .conv_weight_grad import WeightGradPlan
from .cost import winograd_pays
from .winograd import WinogradInputGradPlan, WinogradOutputPlan
from .winograd_weight_grad import WinogradWeightGradPlan


@dataclass(frozen=True)
class Kernel:
    """One way to compute an operation: its algorithm's name, which cases it takes, how it plans one, and whether unasked.

    With `pays`, unasked only where that is true.
    """

    algorithm: str
    accepts: Callable[[ConvSpec], bool]
    plan: Callable[[ConvSpec, np.dtype], Any]
    automatic: bool = True
    pays: Callable[[ConvSpec, np.dtype], bool] | None = None


def _one_group(spec: ConvSpec) -> bool:
    return spec.groups == 1


def _depthwise(spec: ConvSpec) -> bool:
    return 1 < spec.groups == spec.channels == spec.filters


def _some_large_groups(spec: ConvSpec) -> bool:
    return 1 < spec.groups <= 64 and min(spec.channels, spec.filters) >= 4 * spec.groups


def _three_by_three(spec: ConvSpec) -> bool:
    dense = spec.kernel == (3, 3) and spec.stride == spec.dilation == (1, 1)
    return dense and min(spec.channels, spec.filters) >= 16 * spec.groups


def _winograd(operation: str, plan: Callable[..., Any]) -> Kernel:
    """Return Winograd's row for an operation; what is not finite its plan leaves to the next kernel that takes the case."""

    def make(spec: ConvSpec, dtype: np.dtype) -> Any:
        kernels = [kernel for kernel in TABLE[operation] if kernel.algorithm != "winograd" and kernel.automatic]
        return plan(spec, dtype, cache(lambda: next(kernel for kernel in kernels if kernel.accepts(spec)).plan(spec, dtype)))

    return Kernel("winograd", _three_by_three, make, pays=partial(winograd_pays, operation))


def _any(spec: ConvSpec) -> bool:
    return True


TABLE: dict[str, tuple[Kernel, ...]] = {
    "output": (
        _winograd("output", WinogradOutputPlan),
        Kernel("direct", _one_group, OutputPlan),
        Kernel("depthwise", _depthwise, DepthwiseOutputPlan),
        Kernel("grouped", _some_large_groups, GroupedOutputPlan),
        Kernel("fft", _any, FFTOutputPlan, automatic=False),
        Kernel("generic", _any, GenericOutputPlan),
    ),
    "input_grad": (
        _winograd("input_grad", WinogradInputGradPlan),
        Kernel("direct", _one_group, InputGradPlan),
        Kernel("depthwise", _depthwise, DepthwiseInputGradPlan),
        Kernel("grouped", _some_large_groups, GroupedInputGradPlan),
        Kernel("fft", _any, FFTInputGradPlan, automatic=False),
        Kernel("generic", _any, GenericInputGradPlan),
    ),
    "weight_grad": (
        _winograd("weight_grad", WinogradWeightGradPlan),
        Kernel("direct", _one_group, WeightGradPlan),
        Kernel("depthwise", _depthwise, DepthwiseWeightGradPlan),
        Kernel("grouped", _some_large_groups, GroupedWeightGradPlan),
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
        unasked = kernel.automatic and (kernel.pays is None or kernel.pays(spec, dtype))
        asked = unasked if wanted == "auto" else wanted == kernel.algorithm
        if asked and tiled_type and kernel.accepts(spec):
            return kernel.plan(spec, dtype)
    raise ValueError(
        f"{name}: algorithm {algorithm!r} can't do {spec.groups} groups of {spec.channels} channels and {spec.filters} filters in "
        f"{dtype}; 'auto' can"
    )
