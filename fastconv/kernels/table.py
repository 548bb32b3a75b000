"""Which algorithms there are: for each operation a list, fastest first, the generic last. Tests and benchmarks run every row."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from math import gcd, prod
from typing import Any

import numpy as np

from ..runtime.machine import FLOAT32_LANES
from ..shapes import ConvSpec
from .contraction.direct import DirectInputGradPlan, DirectOutputPlan
from .contraction.direct_weight_grad import DirectWeightGradPlan
from .contraction.dot import DotInputGradPlan, DotOutputPlan
from .contraction.lowering import join_columns, lower_input_grad, lower_output
from .contraction.narrow import LEAST_ROWS, NarrowInputGradPlan, NarrowOutputPlan, most_pixels, narrow_pays
from .depthwise.output import DepthwiseInputGradPlan, DepthwiseOutputPlan
from .depthwise.weight_grad import DepthwiseWeightGradPlan
from .gemm.pointwise import PointwiseWeightGradPlan, pointwise_pays
from .plan import Plan
from .plane.output import PlaneInputGradPlan, PlaneOutputPlan
from .plane.weight_grad import PlaneWeightGradPlan
from .reference.fft import FFTInputGradPlan, FFTOutputPlan, FFTWeightGradPlan
from .reference.generic import GenericInputGradPlan, GenericOutputPlan, GenericWeightGradPlan
from .simd.vector import lanes_of
from .winograd.cost import winograd_pays
from .winograd.output import WinogradInputGradPlan, WinogradOutputPlan
from .winograd.weight_grad import WinogradWeightGradPlan


@dataclass(frozen=True)
class Algorithm:
    """One way to compute an operation: its name, which cases it takes, how it plans one, and whether unasked.

    With `pays`, unasked only where that is true.
    """

    name: str
    accepts: Callable[[ConvSpec], bool]
    plan: Callable[[ConvSpec, np.dtype], Plan]
    automatic: bool = True
    pays: Callable[[ConvSpec, np.dtype], bool] | None = None

    @property
    def rule(self) -> str:
        """What it takes, in a few words: the first line of the docstring of `accepts`."""
        words = self.accepts.__doc__ or self.accepts.__name__.strip("_").replace("_", " ")
        return words[0].lower() + words[1:].splitlines()[0].rstrip(".")


def _plane(spec: ConvSpec) -> bool:
    """Stride 1, a filter for each of one or few channels, and rows as wide as a vector, or several that channels fill."""
    single = spec.groups == spec.channels == spec.filters < FLOAT32_LANES and max(spec.stride) == 1
    common = gcd(spec.channels, FLOAT32_LANES)
    return single and spec.channels <= MOST_PERIOD * common and spec.outputs[-1] >= FLOAT32_LANES // common


def _plane_grad(spec: ConvSpec) -> bool:
    """Stride 1, a filter for each of one or few channels, and rows of images and dy as wide as such vectors."""
    return _plane(spec) and spec.size[-1] >= FLOAT32_LANES // gcd(spec.channels, FLOAT32_LANES)


def _one_plane(spec: ConvSpec) -> bool:
    """Images of one channel, one filter and stride 1, of one or two axes and as wide as a vector."""
    return spec.channels == 1 and len(spec.size) <= 2 and _plane(spec)


def _plane_pays(spec: ConvSpec, dtype: np.dtype) -> bool:
    """Return whether "depthwise", whose vectors are of channels, would leave lanes unused. (Zen 5: then up to 12 times as fast.)"""
    return spec.channels < lanes_of(dtype)


def _depthwise(spec: ConvSpec) -> bool:
    """A group and one filter for each of several channels."""
    return 1 < spec.groups == spec.channels == spec.filters


def _groups_in_a_vector(spec: ConvSpec) -> bool:
    """Groups of as many filters as channels, a number that divides a vector's lanes."""
    return 1 < spec.groups < spec.channels == spec.filters and (FLOAT32_LANES // 2) % (spec.channels // spec.groups) == 0


def _few(spec: ConvSpec, results: int, summed: int) -> bool:
    """Return whether a vector has lanes for several pixels' results, and what is summed takes long enough."""
    few = results <= FLOAT32_LANES // 4 or (results <= FLOAT32_LANES // 2 and summed * prod(spec.kernel) >= 8 * FLOAT32_LANES)
    return few and spec.groups == 1 and summed * spec.kernel[-1] >= FLOAT32_LANES


def _few_filters(spec: ConvSpec) -> bool:
    """One group with few filters, so that a vector has lanes for several pixels' results, and with many inputs to each."""
    return _few(spec, spec.filters, spec.channels)


def _few_channels(spec: ConvSpec) -> bool:
    """One group with few channels, so that a vector has lanes for several pixels' gradients, and with many filters."""
    joined = join_columns(spec)
    return _few(joined, joined.channels, joined.filters)


def _large_groups(spec: ConvSpec) -> bool:
    """One group, or several of at least 4 channels and 4 filters each."""
    return spec.groups == 1 or min(spec.channels, spec.filters) >= 4 * spec.groups


def _narrow(spec: ConvSpec, taps: int, stride: int, results: int, summed: int) -> bool:
    """Return whether a row of so many taps, at steps of `stride`, is worth unrolling, for so many results of each group.

    Where few taps meet a pixel, loading it once for them all brings little. (Stride 1, 3 to 9 taps: 1.0 to 1.1 of the speed of
    "direct"; stride 2, 3 taps: 0.94, 5 taps 1.03; with 16 registers, 2 taps: 0.5.)
    """
    long = summed >= LEAST_SUMMED and taps > (2 if stride == 1 else 3)
    rows = taps > 1 and most_pixels(taps) >= LEAST_ROWS and _large_groups(spec)
    return rows and results > FLOAT32_LANES // 4 and (long or results <= FLOAT32_LANES)


def _narrow_output(spec: ConvSpec) -> bool:
    """Rows of several taps that meet pixels of several channels, or results as few as a vector's lanes."""
    return _narrow(spec, spec.kernel[-1], spec.stride[-1], spec.filters // spec.groups, spec.channels // spec.groups)


def _narrow_grad(spec: ConvSpec) -> bool:
    """Rows of several taps that meet gradients of several filters, or channels as few as a vector's lanes."""
    taps = -(-spec.kernel[-1] // spec.stride[-1])
    return _narrow(spec, taps, 1, spec.channels // spec.groups, spec.filters // spec.groups)


def _narrow_output_pays(spec: ConvSpec, dtype: np.dtype) -> bool:
    """Return whether the output is faster so than by "dot" or "direct"."""
    beside_dot = 2 * spec.filters > lanes_of(dtype) or spec.channels < 2 * lanes_of(dtype)
    return beside_dot and narrow_pays(lower_output(spec), dtype)


def _narrow_grad_pays(spec: ConvSpec, dtype: np.dtype) -> bool:
    """Return whether the input gradient is faster so than by "dot" or "direct"."""
    beside_dot = 2 * spec.channels > lanes_of(dtype) or spec.filters < 2 * lanes_of(dtype)
    return beside_dot and all(narrow_pays(phase, dtype) for phase in lower_input_grad(spec)[:1])


def _three_by_three(spec: ConvSpec) -> bool:
    """3 x 3 kernels of stride and dilation 1, with at least 16 channels and filters a group."""
    dense = spec.kernel == (3, 3) and spec.stride == spec.dilation == (1, 1)
    return dense and min(spec.channels, spec.filters) >= 16 * spec.groups


def _one_by_one(spec: ConvSpec) -> bool:
    """Kernels of one pixel, in one group, without padding."""
    return prod(spec.kernel) == spec.groups == 1 and not any(map(any, spec.pads))


def _winograd(operation: str, plan: Callable[..., Any]) -> Algorithm:
    """Return Winograd's row for an operation; what is not finite its plan leaves to the next algorithm that takes the case."""

    def make(spec: ConvSpec, dtype: np.dtype) -> Plan:
        rows = [row for row in TABLE[operation] if row.name != "winograd" and row.automatic]
        return plan(spec, dtype, cache(lambda: next(row for row in rows if row.accepts(spec)).plan(spec, dtype)))

    return Algorithm("winograd", _three_by_three, make, pays=partial(winograd_pays, operation))


def _any(spec: ConvSpec) -> bool:
    """Everything."""
    return True


MOST_PERIOD = 7
"""Channels of few pixels fill so many vectors at most."""
LEAST_SUMMED = 8
"""Where less is summed, storing the results takes the time, which other tiles do faster."""


TABLE: dict[str, tuple[Algorithm, ...]] = {
    "output": (
        Algorithm("plane", _plane, PlaneOutputPlan, pays=_plane_pays),
        Algorithm("depthwise", _depthwise, DepthwiseOutputPlan),
        Algorithm("grouped", _groups_in_a_vector, DepthwiseOutputPlan),
        _winograd("output", WinogradOutputPlan),
        Algorithm("narrow", _narrow_output, NarrowOutputPlan, pays=_narrow_output_pays),
        Algorithm("dot", _few_filters, DotOutputPlan),
        Algorithm("direct", _large_groups, DirectOutputPlan),
        Algorithm("fft", _any, FFTOutputPlan, automatic=False),
        Algorithm("generic", _any, GenericOutputPlan),
    ),
    "input_grad": (
        Algorithm("plane", _plane_grad, PlaneInputGradPlan, pays=_plane_pays),
        Algorithm("depthwise", _depthwise, DepthwiseInputGradPlan),
        Algorithm("grouped", _groups_in_a_vector, DepthwiseInputGradPlan),
        _winograd("input_grad", WinogradInputGradPlan),
        Algorithm("narrow", _narrow_grad, NarrowInputGradPlan, pays=_narrow_grad_pays),
        Algorithm("dot", _few_channels, DotInputGradPlan),
        Algorithm("direct", _large_groups, DirectInputGradPlan),
        Algorithm("fft", _any, FFTInputGradPlan, automatic=False),
        Algorithm("generic", _any, GenericInputGradPlan),
    ),
    "weight_grad": (
        Algorithm("plane", _one_plane, PlaneWeightGradPlan),
        Algorithm("depthwise", _depthwise, DepthwiseWeightGradPlan),
        Algorithm("grouped", _groups_in_a_vector, DepthwiseWeightGradPlan),
        _winograd("weight_grad", WinogradWeightGradPlan),
        Algorithm("pointwise", _one_by_one, PointwiseWeightGradPlan, pays=pointwise_pays),
        Algorithm("direct", _large_groups, DirectWeightGradPlan),
        Algorithm("fft", _any, FFTWeightGradPlan, automatic=False),
        Algorithm("generic", _any, GenericWeightGradPlan),
    ),
}

TILED_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


TINY_FLOPS = 20_000
"""Work below this isn't worth compiling tiles for: the generic kernel does it in microseconds, and is compiled once."""


def check_algorithm(name: str, operation: str, algorithm: object) -> None:
    """Refuse an algorithm that the operation doesn't have."""
    known = [row.name for row in TABLE[operation]]
    if algorithm not in ("auto", *known):
        raise ValueError(f"{name}: algorithm must be 'auto' or one of {known}, but is {algorithm!r}")


VARIABLE = "FASTCONV_KERNEL"
"""The environment variable that names the algorithm that "auto" takes wherever it can; read at every call."""


def preferred() -> str:
    """Return what FASTCONV_KERNEL names, or "auto"; ValueError for a name that "auto" never takes."""
    chosen = os.environ.get(VARIABLE) or "auto"
    known = dict.fromkeys(row.name for rows in TABLE.values() for row in rows if row.automatic)
    if chosen not in ("auto", *known):
        raise ValueError(f"{VARIABLE} must be 'auto' or one of {[*known]}, but is {chosen!r}")
    return chosen


def refusal(row: Algorithm, spec: ConvSpec, dtype: np.dtype, algorithm: str = "auto") -> str | None:
    """Return in a few words why an algorithm isn't for the case, or None if it is."""
    if algorithm not in ("auto", row.name):
        return f"{algorithm!r} was asked for"
    if algorithm == "auto" and not row.automatic:
        return "runs only if asked for"
    if row.name != "generic" and dtype not in TILED_TYPES:
        return "takes float32 and float64"
    if row.name != "generic" and algorithm == "auto" and spec.flops < TINY_FLOPS:
        return f"not worth compiling for less than {TINY_FLOPS:,} FLOPs"
    if not row.accepts(spec):
        return f"takes only {row.rule}"
    return "would not be faster, or less exact" if algorithm == "auto" and row.pays and not row.pays(spec, dtype) else None


def chosen_row(operation: str, spec: ConvSpec, dtype: np.dtype, algorithm: str = "auto") -> Algorithm | None:
    """Return the first algorithm of an operation that is for the case: of what FASTCONV_KERNEL names, else of all."""
    wanted = (preferred(), "auto") if algorithm == "auto" else (algorithm,)
    rows = (row for name in wanted for row in TABLE[operation] if refusal(row, spec, dtype, name) is None)
    return next(rows, None)


def choose(name: str, operation: str, spec: ConvSpec, dtype: np.dtype, algorithm: str = "auto") -> Any:
    """Return the plan of the algorithm that is chosen; `algorithm` asks for one by its name.

    Raises
    ------
    ValueError
        If the algorithm can't do the case.
    """
    return _plan(name, operation, spec, dtype, algorithm, os.environ.get(VARIABLE))


@lru_cache(maxsize=512)
def _plan(name: str, operation: str, spec: ConvSpec, dtype: np.dtype, algorithm: str, variable: str | None) -> Any:
    """As choose; `variable` is what FASTCONV_KERNEL says now, so that its plans are kept apart."""
    row = chosen_row(operation, spec, dtype, algorithm)
    if row is None:
        rule = next(other.rule for other in TABLE[operation] if other.name == algorithm)
        raise ValueError(
            f"{name}: algorithm {algorithm!r} can't do {spec.groups} groups of {spec.channels} channels and {spec.filters} "
            f"filters, kernel {spec.kernel}, stride {spec.stride}, in {dtype}: it takes {rule}; 'auto' can"
        )
    return row.plan(spec, dtype)
