"""Convolution with a register tile: rows of pixels by vectors of output channels, summed in registers."""

from functools import cache

import numpy as np

from ...runtime.jit import inlined
from ...runtime.machine import RUN_DEPTH, WHOLE_APART
from ...shapes import ConvSpec
from ..arrays.long_sums import Aside, end_of_piece, tile_take_back
from ..simd.tile import fit_vectors, tile_load, tile_outer_run
from ..simd.tile_top import tile_outer_top
from ..simd.vector import lanes
from .driver import MicroKernel, store_channels
from .geometry import pack_geometry
from .lowering import lower_output
from .plan import ContractionPlan, PhasesPlan


@cache
def direct_tile(rows, vectors, depth):
    """Return the micro-kernel for tiles of up to `rows` pixels by `vectors` vectors of channels.

    A line's last tiles have the pixels that are left. `depth` is how many inputs of a run one round of the
    innermost loop takes.
    """

    @inlined
    def add_run(tile, x, position, x_step, w, at, terms, height):
        """tile[pixel, :] += the sum over c of x[pixel, c] * w[c, :]: the formula."""
        channels, deep = vectors * lanes(x), 0
        if WHOLE_APART and height == rows:
            deep = terms // depth * depth
            for c in range(0, deep, depth):
                tile = tile_outer_run(tile, x, position + c, x_step, 1, w, at + c * channels, channels, depth)
        for c in range(deep, terms):
            tile = tile_outer_top(tile, x, position + c, x_step, w, at + c * channels, height)
        return tile

    @inlined
    def sum_tile(x, w, bias, g, spot, sums, wide, pieces):
        """The bias, and the sum over taps of runs, which are cut into pieces where they are long: see arrays/long_sums.py."""
        tile = tile_load(bias, spot.output, 0, rows, vectors)
        first, behind, run = g.tap_ranges[2 * spot.line], g.tap_ranges[2 * spot.line + 1], g.run
        at, aside = (spot.output * len(g.taps) + first * vectors * lanes(x)) * run, Aside(0, pieces[1])
        for t in range(first, behind):
            for c in range(0, run, pieces[0]):
                terms = min(pieces[0], run - c)
                tile = add_run(tile, x, spot.x + g.taps[t] + c, g.x_step, w, at, terms, spot.height)
                at += terms * vectors * lanes(x)
                tile, aside = end_of_piece(tile, sums, wide, aside, pieces)
        return tile_take_back(tile, sums, wide, 0, aside.blocks)

    return MicroKernel(rows, vectors, sum_tile, store_channels)


class DirectContraction(ContractionPlan):
    """One contraction by tiles of pixels and vectors of channels."""

    kind = "direct"

    def fit(self, dtype: np.dtype) -> None:
        c = self.contraction
        self.rows, self.vectors = fit_vectors(c.outputs, dtype)
        depth = max(1, min(c.run, RUN_DEPTH))
        self.micro = direct_tile(self.rows, self.vectors, depth)
        self.geometry, self.scratch_size = pack_geometry(c, self.block), c.scratch_size(self.block)
        self.cut(c.run, len(c.taps) * c.run, dtype, depth)


class DirectOutputPlan(DirectContraction):
    """A convolution's output by tiles: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        super().__init__(lower_output(spec, filters_first), dtype)


class DirectInputGradPlan(PhasesPlan):
    """The input gradient by tiles: an InputGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        super().__init__(DirectContraction, spec, dtype, filters_first)
