"""Convolution output with a register tile: rows of output pixels by vectors of output channels, summed in registers.

The same loop computes the input gradient, from dy and rotated weights: see lowering.py for the tables.
"""

from functools import cache, partial
from typing import Any

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import INPUT_BLOCK, RUN_DEPTH, WEIGHT_BLOCK, WHOLE_APART
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.blocks import blocks_of, clear
from ..arrays.long_sums import is_long, pieces_of, scratchpads, tile_put_aside, tile_take_back
from ..simd.tile import fit_vectors, tile_load, tile_outer, tile_outer_run, tile_store, tile_zero
from ..simd.tile_top import next_height, tile_outer_top, tile_store_top
from ..simd.vector import lanes, lanes_of, prefetch
from .geometry import pack_geometry, read_geometry
from .lowering import Contraction, lower_input_grad, lower_output
from .pack import PACKING_FLOPS, pack_weights, pad_bias, pad_rows


@cache
def direct_kernel(rows, vectors, depth, long):
    """Return the kernel for tiles of up to `rows` pixels by `vectors` vectors of channels.

    A line's last tiles have the pixels that are left. `depth` is how many inputs of a run one round of the
    innermost loop takes. `long` sums are those of arrays/long_sums.py: a run is cut into pieces, some of which are a block.
    """

    @jit
    def direct(x, w, bias, y, scratch, sums, wide, geometry, outputs_block, pieces, start, stop):
        g = read_geometry(geometry)
        taps, run, x_lines, x_step, outputs = g.taps, g.run, g.x_lines, g.x_step, g.outputs
        lines = len(x_lines)
        blocks = (lines + g.block - 1) // g.block
        channels = vectors * lanes(x)
        packed_outputs = (outputs + channels - 1) // channels * channels
        chunks = (outputs + outputs_block - 1) // outputs_block
        row = g.left + g.width + g.right
        deep = run // depth * depth
        for item in range(start, stop):
            image, first = item // blocks, item % blocks * g.block
            last = min(first + g.block, lines)
            source, origin = x, image * g.x_image
            if len(scratch):
                low, high = x_lines[first] // row, (x_lines[last - 1] + taps[-1] + run - 1) // row + 1
                pad_rows(x, image * g.x_image, g.border_rows, low, high, g.left, g.width, g.right, scratch)
                source, origin = scratch, -low * row
            for group_chunk in range(g.groups * chunks):
                group, chunk = group_chunk // chunks, group_chunk % chunks * outputs_block
                for line in range(first, last):
                    pixel = 0
                    while pixel < g.pixels:
                        height = next_height(g.pixels - pixel, rows)
                        begin = origin + x_lines[line] + pixel * x_step + group * g.x_group
                        end = image * g.y_image + g.y_lines[line] + pixel * g.y_step + group * g.y_group
                        if chunk == 0 and not len(scratch):
                            ahead = begin + taps[-1] + height * x_step
                            for position in range(ahead, ahead + height * x_step, lanes(x)):
                                prefetch(source, position, 2)
                        for o in range(chunk, min(chunk + outputs_block, outputs), channels):
                            packed = group * packed_outputs + o
                            first_tap, last_tap = g.tap_ranges[2 * line], g.tap_ranges[2 * line + 1]
                            at, line_taps = (packed * len(taps) + first_tap * channels) * run, taps[first_tap:last_tap]
                            tile = tile_load(bias, packed, 0, rows, vectors)
                            if long:
                                blocks_aside, left_of_block = 0, pieces[1]
                                for tap in line_taps:
                                    part = 0
                                    while part < run:
                                        here, terms = begin + tap + part, min(pieces[0], run - part)
                                        if WHOLE_APART and height == rows:
                                            whole = terms // depth * depth
                                            for position in range(here, here + whole, depth):
                                                tile = tile_outer_run(tile, source, position, x_step, 1, w, at, channels, depth)
                                                at += depth * channels
                                            for position in range(here + whole, here + terms):
                                                tile = tile_outer(tile, source, position, x_step, w, at)
                                                at += channels
                                        else:
                                            for position in range(here, here + terms):
                                                tile = tile_outer_top(tile, source, position, x_step, w, at, height)
                                                at += channels
                                        part += terms
                                        left_of_block -= 1
                                        if left_of_block == 0:
                                            tile_put_aside(tile, sums, wide, 0, blocks_aside)
                                            tile, blocks_aside, left_of_block = (
                                                tile_zero(x, rows, vectors),
                                                blocks_aside + 1,
                                                pieces[1],
                                            )
                                tile = tile_take_back(tile, sums, wide, 0, blocks_aside)
                                tile_store_top(tile, y, end + o, g.y_step, outputs - o, height)
                            elif WHOLE_APART and height == rows:
                                for tap in line_taps:
                                    for position in range(begin + tap, begin + tap + deep, depth):
                                        tile = tile_outer_run(tile, source, position, x_step, 1, w, at, channels, depth)
                                        at += depth * channels
                                    for position in range(begin + tap + deep, begin + tap + run):
                                        tile = tile_outer(tile, source, position, x_step, w, at)
                                        at += channels
                                tile_store(tile, y, end + o, g.y_step, outputs - o)
                            else:
                                for tap in line_taps:
                                    for position in range(begin + tap, begin + tap + run):
                                        tile = tile_outer_top(tile, source, position, x_step, w, at, height)
                                        at += channels
                                tile_store_top(tile, y, end + o, g.y_step, outputs - o, height)
                        pixel += height

    return direct


class TiledContraction:
    """One contraction with everything chosen: tile, block, tables. `units` are independent of one another."""

    def __init__(self, contraction: Contraction, dtype: np.dtype):
        self.contraction = c = contraction
        self.block = min(len(c.x_lines), max(1, INPUT_BLOCK // c.line_bytes(dtype.itemsize)))
        self.units = c.images * -(-len(c.x_lines) // self.block)
        self.flops, self.long = c.flops, is_long(len(c.taps) * c.run, dtype)
        self.fit(dtype)
        channels = self.vectors * lanes_of(dtype)
        self.weight_blocks = c.groups * -(-c.outputs // channels)
        self.packed_outputs = self.weight_blocks * channels
        self.packed_size = self.packed_outputs * len(c.w_taps) * c.w_run
        output_bytes = len(c.taps) * c.run * dtype.itemsize
        self.outputs_block = max(1, WEIGHT_BLOCK // max(1, output_bytes * channels)) * channels
        self.no_bias = buffer(self.packed_outputs, dtype)
        self.no_bias[:] = 0
        blocks = len(c.taps) * c.run // (self.pieces[0] * self.pieces[1]) + len(c.taps) if self.long else 0
        self.scratchpads = scratchpads(self.rows * channels, blocks + 1, dtype)

    scratch_size: int | None

    def fit(self, dtype: np.dtype) -> None:
        """Choose the tile, with it the kernel, and the tables and the scratch, if any, that the kernel needs."""
        c = self.contraction
        self.rows, self.vectors = fit_vectors(c.outputs, dtype)
        self.depth = max(1, min(c.run, RUN_DEPTH))
        self.name = f"direct_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}"
        self._kernel = direct_kernel(self.rows, self.vectors, self.depth, self.long)
        self.pieces = pieces_of(c.run, self.depth)
        self.geometry = pack_geometry(c, self.block)
        self.scratch_size = c.scratch_size(self.block)

    def __call__(self, run, x, w, bias, y):
        packed, c = buffer(self.packed_size, x.dtype), self.contraction
        arguments = w, self.geometry, self.vectors, packed
        run(Task(pack_weights, arguments, self.weight_blocks, PACKING_FLOPS * len(packed)))
        padded_bias = self.no_bias
        if bias is not None:
            padded_bias = buffer(self.packed_outputs, x.dtype)
            run(Task(pad_bias, (bias, c.groups, padded_bias), c.groups))
        scratch = () if self.scratch_size is None else (partial(buffer, self.scratch_size, x.dtype),)
        arguments = x, packed, padded_bias, y, *scratch, *self.scratchpads, self.geometry, self.outputs_block, self.pieces
        run(Task(self._kernel, arguments, self.units, self.flops))


class DirectOutputPlan(TiledContraction):
    """A convolution's output by tiles: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        super().__init__(lower_output(spec, filters_first), dtype)


class DirectInputGradPlan:
    """The input gradient by tiles, one contraction for each phase of the stride: an InputGradPlan."""

    phase: Any = TiledContraction

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        self._phases = [self.phase(contraction, dtype) for contraction in lower_input_grad(spec, filters_first)]
        self._covered = all(k >= s for k, s in zip(spec.kernel, spec.stride, strict=True)) and max(spec.dilation) == 1
        self.name = self._phases[0].name if self._phases else "direct_empty"

    def __call__(self, run, dy, w, dx):
        if not self._covered:
            run(Task(clear, (dx,), blocks_of(dx), dx.size))  # the phases that no tap reaches
        for phase in self._phases:
            phase(run, dy, w, None, dx)
