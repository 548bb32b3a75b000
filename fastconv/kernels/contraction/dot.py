"""Convolution with few results a pixel, as a first layer's input gradient: vectors along what is summed, not along the results.

A tile holds the partial sums of neighbouring pixels' results; at its end each is summed over its lanes.
"""

from functools import cache, partial

import numpy as np

from ...runtime.jit import inlined, jit
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.long_sums import Aside, end_of_piece, tile_take_back
from ..plan import Packed
from ..simd.tile import tile_zero
from ..simd.tile_math import tile_add_products, tile_lane_sums
from ..simd.vector import lanes, lanes_of, vstore
from .driver import MicroKernel
from .geometry import pack_geometry, read_geometry
from .lowering import lower_output
from .plan import ContractionPlan, PhasesPlan


@cache
def dot_tile(pixels, outputs, rows):
    """Return the micro-kernel for up to so many pixels with `outputs` results each, in as many `rows` as a vector has lanes."""

    @inlined
    def add_run(tile, x, position, x_step, w, at, run, terms, height):
        """tile[pixel and output, lane] += x[pixel, c] * w[output, c] for the c of each lane: the formula."""
        whole = terms // lanes(x) * lanes(x)
        if height == pixels:
            for c in range(0, whole, lanes(x)):
                tile = tile_add_products(tile, x, position + c, x_step, w, at + c, run, 0, pixels, pixels, outputs)
        else:
            for c in range(0, whole, lanes(x)):
                tile = tile_add_products(tile, x, position + c, x_step, w, at + c, run, 0, height, pixels, outputs)
        if whole < terms:
            tile = tile_add_products(tile, x, position + whole, x_step, w, at + whole, run, terms - whole, height, pixels, outputs)
        return tile

    @inlined
    def sum_tile(x, w, bias, g, spot, sums, wide, pieces):
        """The sum over taps of runs, each lane for itself."""
        tile, aside = tile_zero(x, rows, 1), Aside(0, pieces[1])
        for t in range(len(g.taps)):
            for c in range(0, g.run, pieces[0]):
                terms, at = min(pieces[0], g.run - c), t * outputs * g.run + c
                tile = add_run(tile, x, spot.x + g.taps[t] + c, g.x_step, w, at, g.run, terms, spot.height)
                tile, aside = end_of_piece(tile, sums, wide, aside, pieces)
        return tile_take_back(tile, sums, wide, 0, aside.blocks)

    @inlined
    def store_tile(tile, y, bias, g, spot, sums):
        """Add up the lanes, and the bias."""
        vstore(sums, 0, tile_lane_sums(tile))
        for k in range(spot.height * outputs):
            y[spot.y + k // outputs * g.y_step + k % outputs] = sums[k] + bias[k % outputs]

    return MicroKernel(pixels, 1, sum_tile, store_tile)


@jit
def pack_dots(w, geometry, run, packed, start, stop):
    """Write w as packed[long tap][output][run], a long tap's run being one or more taps' runs, joined; units are taps."""
    g = read_geometry(geometry)
    taps, w_run, run_step, outputs, output_step = g.w_taps, g.w_run, g.w_run_step, g.outputs, g.w_output_step
    for t in range(start, stop):
        long_tap, k = t * w_run // run, t * w_run % run
        for o in range(outputs):
            for c in range(w_run):
                packed[(long_tap * outputs + o) * run + k + c] = w[taps[t] + c * run_step + o * output_step]


class DotContraction(ContractionPlan):
    """One contraction of few outputs."""

    kind = "dot"

    def fit(self, dtype: np.dtype) -> None:
        c, lanes = self.contraction, lanes_of(dtype)
        self.rows, self.vectors = lanes, 1
        pixels = max(1, lanes // c.outputs)
        self.micro = dot_tile(pixels, c.outputs, lanes)
        self.geometry, self.scratch_size = pack_geometry(c, self.block), c.scratch_size(self.block)
        steps = -(-c.run // lanes)
        self.cut(steps, steps * len(c.taps), dtype)
        self.pieces = self.pieces[0] * lanes, self.pieces[1]
        self.scratchpads = partial(buffer, lanes**2, dtype), self.scratchpads[1]

    def pack(self, run, w):
        c = self.contraction
        packed = buffer(len(c.taps) * c.run * c.outputs, w.dtype)
        run(Task(pack_dots, (w, self.geometry, c.run, packed), len(c.w_taps)))
        return Packed(w, packed)


class DotOutputPlan(DotContraction):
    """The output of a convolution of few filters: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(lower_output(spec), dtype)


class DotInputGradPlan(PhasesPlan):
    """The input gradient of few channels: an InputGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(DotContraction, spec, dtype)
