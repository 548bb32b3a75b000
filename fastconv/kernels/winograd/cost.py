"""Which way to compute a 3 x 3 convolution is the faster: plain sums, or Winograd's with tiles of m x m outputs.

The costs are sums of counts times constants, fitted (least squares of relative errors) to the times of 22 layers, from
1 x 2 x 2 x 64 -> 64 to 64 x 26 x 26 x 32 -> 64, float32, one thread of a Sapphire Rapids CPU. They are in microseconds there;
only which is the least counts. Of the 66 choices, with m = 2 or 4, 65 are within 2 % of the best or below LEAST_MICROSECONDS; one
loses 6 %.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from ...shapes import ConvSpec
from ..simd.vector import lanes_of

FLOAT32 = np.dtype(np.float32)
MILLION = 2**20

DIRECT = {"output": (3.4, 12.3, 158.0), "input_grad": (4.5, 12.7, 708.0), "weight_grad": (6.2, 13.6, 958.0)}
"""Microseconds for a call, a million products (whole vectors), and a million weights, which are packed or unpacked."""
WINOGRAD = {"output": (6.5, 14.2, 152.0, 137.0), "input_grad": (8.4, 14.9, 131.0, 153.0), "weight_grad": (4.4, 15.2, 127.0, 150.0)}
"""Microseconds for a call, and for a million products, pixels of transformed patches and sums, and transformed weights."""

TILE = 4
"""The tiles' side. Those of 2 would be faster for images of some 6 or 10 pixels only, and need kernels of their own."""
MARGIN = 1.15
"""Winograd's convolution must be so many times faster, for its rounding errors are larger."""
MOST_CHANNELS = 1024
"""Sums over more channels are plain, in blocks: Winograd's transform back multiplies the rounding errors that add up."""
LEAST_MICROSECONDS = 50
"""Work that takes less by plain sums isn't worth compiling Winograd's kernels, of which there are more."""


def winograd_cost(operation: str, spec: ConvSpec, m: int) -> float:
    """Return the microseconds by tiles of m x m outputs."""
    channels, vectors, pixels = _counts(operation, spec)
    tiles, plane = spec.images * prod(-(-n // m) for n in pixels), (m + 2) ** 2
    padded_channels = -(-channels // lanes_of(FLOAT32)) * lanes_of(FLOAT32)
    work = (1, tiles * channels * vectors, tiles * (padded_channels + vectors), channels * vectors)
    return _total(WINOGRAD[operation], work, spec.groups * plane)


def direct_cost(operation: str, spec: ConvSpec) -> float:
    """Return the microseconds by plain sums."""
    channels, vectors, pixels = _counts(operation, spec)
    return _total(DIRECT[operation], (1, spec.images * prod(pixels) * channels * vectors, channels * vectors), spec.groups * 9)


def _counts(operation: str, spec: ConvSpec) -> tuple[int, int, tuple[int, ...]]:
    """Return how many channels are summed over, how many results a pixel has, in whole vectors, and the pixels; of one group."""
    sides = spec.channels // spec.groups, spec.filters // spec.groups
    channels, outputs = sides[::-1] if operation == "input_grad" else sides
    pixels = spec.size if operation == "input_grad" else spec.outputs
    return channels, -(-outputs // lanes_of(FLOAT32)) * lanes_of(FLOAT32), pixels


def _total(constants: tuple[float, ...], work: tuple[int, ...], factor: int) -> float:
    return constants[0] + sum(c * count * factor for c, count in zip(constants[1:], work[1:], strict=True)) / MILLION


@lru_cache(maxsize=512)
def winograd_pays(operation: str, spec: ConvSpec, dtype: np.dtype) -> bool:
    """Return whether Winograd's convolution is the faster by far enough; never in float64, where rounding errors count."""
    if operation != "weight_grad" and _counts(operation, spec)[0] > MOST_CHANNELS:
        return False
    direct = direct_cost(operation, spec)
    winograd = winograd_cost(operation, spec, TILE)
    return dtype == FLOAT32 and direct >= max(LEAST_MICROSECONDS, MARGIN * winograd)
