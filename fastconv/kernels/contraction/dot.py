"""Convolution with few results a pixel, as a first layer's input gradient: vectors along what is summed, not along the results.

A tile holds the partial sums of neighbouring pixels' results; at its end each is summed over its lanes.
"""

from functools import cache, partial

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import INPUT_BLOCK
from ...runtime.memory import buffer, zeros
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.long_sums import is_long, pieces_of, scratchpads, tile_put_aside, tile_take_back
from ..simd.tile import tile_zero
from ..simd.tile_math import tile_add_products, tile_lane_sums
from ..simd.vector import lanes, lanes_of, vstore
from .direct import DirectInputGradPlan
from .geometry import pack_geometry, read_geometry
from .lowering import Contraction, lower_output
from .pack import pad_rows


@cache
def dot_kernel(shape, rows, long):
    """Return the kernel for tiles of a shape, (fewest pixels, most, results of each), in as many `rows` as a vector has lanes.

    It needs lines of at least a tile's pixels, the `height`. `long` sums are those of
    arrays/long_sums.py: a run is taken in pieces, some of which are a block.
    """
    least, most, outputs = shape

    @jit
    def dot(x, w, bias, y, scratch, totals, sums, wide, geometry, piece, block_pieces, height, start, stop):
        g = read_geometry(geometry)
        run, x_lines, x_step = g.run, g.x_lines, g.x_step
        blocks, row, top = (len(x_lines) + g.block - 1) // g.block, g.left + g.width + g.right, most if least == most else height
        for item in range(start, stop):
            image, first = item // blocks, item % blocks * g.block
            last = min(first + g.block, len(x_lines))
            source, origin = x, image * g.x_image
            if len(scratch):
                low, high = x_lines[first] // row, (x_lines[last - 1] + g.taps[-1] + run - 1) // row + 1
                pad_rows(x, image * g.x_image, g.border_rows, low, high, g.left, g.width, g.right, scratch)
                source, origin = scratch, -low * row
            for line in range(first, last):
                for p in range(0, g.pixels, top):
                    pixel = min(p, g.pixels - top)  # the last tile moves back and overlaps: it only stores, so it may
                    begin = origin + x_lines[line] + pixel * x_step
                    end = image * g.y_image + g.y_lines[line] + pixel * g.y_step
                    tile, at, aside, left_of_block = tile_zero(x, rows, 1), 0, 0, block_pieces
                    for tap in g.taps:
                        for low in range(0, run, piece):
                            high = min(low + piece, run)
                            whole = low + (high - low) // lanes(x) * lanes(x)
                            for c in range(low, whole, lanes(x)):
                                tile = tile_add_products(
                                    tile, source, begin + tap + c, x_step, w, at + c, run, 0, top, shape
                                )  # fmt: skip
                            if whole < high:
                                tile = tile_add_products(
                                    tile, source, begin + tap + whole, x_step, w, at + whole, run, high - whole, top, shape
                                )
                            if long:
                                left_of_block -= 1
                                if left_of_block == 0:
                                    tile_put_aside(tile, sums, wide, 0, aside)
                                    tile, aside, left_of_block = tile_zero(x, rows, 1), aside + 1, block_pieces
                        at += outputs * run
                    if long:
                        tile = tile_take_back(tile, sums, wide, 0, aside)
                    vstore(totals, 0, tile_lane_sums(tile))
                    for k in range(top * outputs):
                        y[end + k // outputs * g.y_step + k % outputs] = totals[k] + bias[k % outputs]

    return dot


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


class DotContraction:
    """One contraction of few outputs with everything chosen: an OutputPlan."""

    def __init__(self, contraction: Contraction, dtype: np.dtype):
        self._contraction = c = contraction
        most = max(1, lanes_of(dtype) // c.outputs)
        height = max(1, min(c.count, most))
        if height < most:  # one kernel for tiles of at least half as many pixels, and one for fewer
            shape = (most // 2 + 1, most, c.outputs) if height > most // 2 else (1, most // 2, c.outputs)
        else:
            shape = (most, most, c.outputs)
        block = min(len(c.x_lines), max(1, INPUT_BLOCK // c.line_bytes(dtype.itemsize)))
        self.units, self.flops = c.images * -(-len(c.x_lines) // block), c.flops
        self.name = f"dot_{dtype.name}_{height}x{c.outputs}x{lanes_of(dtype)}"
        self._geometry, self._scratch_size = pack_geometry(c, block), c.scratch_size(block)
        steps = -(-c.run // lanes_of(dtype))
        long = is_long(steps * len(c.taps), dtype)
        piece, block_pieces = pieces_of(steps) if long else (steps, 1)
        self._pieces = piece * lanes_of(dtype), block_pieces, height
        blocks = -(-steps // piece) * len(c.taps) // block_pieces + 1 if long else 1
        self._scratchpads = scratchpads(lanes_of(dtype) ** 2, blocks, dtype)
        self._kernel = dot_kernel(shape, lanes_of(dtype), long)
        self._no_bias, self._lanes = zeros(c.outputs, dtype), lanes_of(dtype)

    def __call__(self, run, x, w, bias, y):
        c, kernel, geometry, size = self._contraction, self._kernel, self._geometry, self._scratch_size
        packed = buffer(len(c.taps) * c.run * c.outputs, x.dtype)
        run(Task(pack_dots, (w, geometry, c.run, packed), len(c.w_taps)))
        bias = self._no_bias if bias is None else bias
        scratch, totals = (partial(buffer, n, x.dtype) for n in (size, self._lanes))
        arguments = x, packed, bias, y, scratch, totals, *self._scratchpads, geometry, *self._pieces
        run(Task(kernel, arguments, self.units, self.flops))


class DotOutputPlan(DotContraction):
    """The output of a convolution of few filters: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(lower_output(spec), dtype)


class DotInputGradPlan(DirectInputGradPlan):
    """The input gradient of few channels, by phases of the stride: an InputGradPlan."""

    phase = DotContraction
