"""Weight gradient with a register tile: rows of neighbouring input channels by vectors of output channels, summed over pixels."""

from functools import cache, partial

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import GRADIENT_LINES
from ...runtime.memory import buffer
from ...runtime.task import SLICES_PER_THREAD, Task
from ...shapes import ConvSpec
from ..arrays.blocks import MOST_PARTS, count_parts
from ..arrays.long_sums import BLOCKS, FLOAT64, is_long, lines_of_block, pieces_of, tile_put_aside, tile_take_back
from ..simd.tile import (
    choose_tile,
    most_rows,
    tile_load,
    tile_outer,
    tile_outer_part,
    tile_outer_patch_part,
    tile_outer_run,
    tile_store,
    tile_zero,
)
from ..simd.vector import lanes, lanes_of
from .geometry import pack_geometry, read_geometry
from .lowering import Contraction, lower_output
from .pack import PACKING_FLOPS, pad_rows, unpack_weight_grad

DEPTH = 4
"""How many pixels one round of the innermost loop takes."""
BLOCK_PIXELS = 64
"""A tile is loaded and stored once a block, which should not be for fewer pixels than this."""


@cache
def direct_weight_grad_kernel(rows, vectors, columns, long):
    """Return the kernel for tiles of `rows` input channels by `vectors` vectors of filters; it needs runs of at least `rows`.

    With `columns`, a tile's rows are all taps' runs of that length, taps being `tap_step` apart, and there is one tile of them.
    `long` sums are those of arrays/long_sums.py: a block is `span` lines of an item, or a piece of a line.
    """

    @jit
    def direct_weight_grad(x, dy, parts, wide, scratch, geometry, tap_step, items, part_count, piece, span, start, stop):
        g = read_geometry(geometry)
        taps, run, x_lines, x_step, y_step, count, outputs = g.taps, g.run, g.x_lines, g.x_step, g.y_step, g.pixels, g.outputs
        lines, block = len(x_lines), g.block
        blocks = (lines + block - 1) // block
        channels = vectors * lanes(x)
        row = g.left + g.width + g.right
        run_tiles = (run + rows - 1) // rows
        tap_tiles = 1 if columns else len(taps) * run_tiles
        group_tiles = (outputs + channels - 1) // channels * tap_tiles
        tiles, tile_size = g.groups * group_tiles, rows * channels
        pieces, spans = (count + piece - 1) // piece, (block + span - 1) // span
        image_spans = (blocks - 1) * spans + (lines - (blocks - 1) * block + span - 1) // span
        for part in range(start // tiles, (stop + tiles - 1) // tiles):
            first_item, last_item = items * part // part_count, items * (part + 1) // part_count
            for item in range(first_item, last_item):
                image, first = item // blocks, item % blocks * block
                last = min(first + block, lines)
                aside = image * image_spans + item % blocks * spans
                aside -= first_item // blocks * image_spans + first_item % blocks * spans
                source, origin = x, image * g.x_image
                if len(scratch):
                    low, high = x_lines[first] // row, (x_lines[last - 1] + taps[-1] + run - 1) // row + 1
                    pad_rows(x, image * g.x_image, g.border_rows, low, high, g.left, g.width, g.right, scratch)
                    source, origin = scratch, -low * row
                for unit in range(max(start, part * tiles), min(stop, (part + 1) * tiles)):
                    group, o = (unit - part * tiles) // group_tiles, (unit - part * tiles) % group_tiles // tap_tiles * channels
                    t = unit % tap_tiles // run_tiles
                    tap = taps[0] if columns else taps[t] + min(unit % run_tiles * rows, run - rows)
                    if item == first_item and not long:
                        parts[unit * tile_size : (unit + 1) * tile_size] = 0
                    put_aside = aside * pieces
                    for span_piece in range((last - first + span - 1) // span * pieces):
                        top, begin = first + span_piece // pieces * span, span_piece % pieces * piece
                        pixels = min(piece, count - begin)
                        if long:
                            tile = tile_zero(x, rows, vectors)
                        else:
                            tile = tile_load(parts, unit * tile_size, channels, rows, vectors)
                        for line in range(top, min(top + span, last)):
                            if not columns and not g.tap_ranges[2 * line] <= t < g.tap_ranges[2 * line + 1]:
                                continue
                            position = origin + x_lines[line] + tap + group * g.x_group + begin * x_step
                            at = image * g.y_image + g.y_lines[line] + o + group * g.y_group + begin * y_step
                            if columns:
                                for _ in range(pixels):
                                    tile = tile_outer_patch_part(tile, source, position, columns, tap_step, dy, at, outputs - o)
                                    position += x_step
                                    at += y_step
                            elif o + channels <= outputs:
                                for _ in range(pixels // DEPTH):
                                    tile = tile_outer_run(tile, source, position, 1, x_step, dy, at, y_step, DEPTH)
                                    position += DEPTH * x_step
                                    at += DEPTH * y_step
                                for _ in range(pixels % DEPTH):
                                    tile = tile_outer(tile, source, position, 1, dy, at)
                                    position += x_step
                                    at += y_step
                            else:
                                for _ in range(pixels):
                                    tile = tile_outer_part(tile, source, position, 1, dy, at, outputs - o)
                                    position += x_step
                                    at += y_step
                        if long:
                            tile_put_aside(tile, parts, wide, unit * tile_size, put_aside)
                            put_aside += 1
                        else:
                            tile_store(tile, parts, unit * tile_size, channels, channels)
                    if long and item == last_item - 1:
                        tile = tile_take_back(tile_zero(x, rows, vectors), parts, wide, unit * tile_size, put_aside)
                        tile_store(tile, parts, unit * tile_size, channels, channels)

    return direct_weight_grad


class TiledWeightGrad:
    """The weight gradient of one contraction with everything chosen: a WeightGradPlan.

    The units are tiles of dw, for parts of the images (see count_parts), which are summed in their order.
    """

    def __init__(self, contraction: Contraction, dtype: np.dtype):
        self.contraction = c = contraction
        self.rows, self.vectors = choose_tile(c.run, c.outputs, dtype, (1, 2, 4))
        self.tile_run, self.columns, tap_step = c.run, 0, 0
        steps = np.diff(c.taps)
        if len(c.taps) > 1 and len(c.taps) * c.run <= most_rows(self.vectors, 32) and (steps == steps[0]).all():
            self.tile_run, self.columns, tap_step = len(c.taps) * c.run, c.run, int(steps[0])
        if self.columns:
            self.rows = self.tile_run
        self.flops = c.flops
        self.name = f"direct_weight_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}"
        channels = self.vectors * lanes_of(dtype)
        line_bytes = c.line_bytes(dtype.itemsize) + c.count * channels * dtype.itemsize
        long = is_long(c.images * len(c.x_lines) * c.count, dtype)
        piece, block = c.count, max(GRADIENT_LINES // line_bytes, -(-BLOCK_PIXELS // c.count))
        span = block = min(len(c.x_lines), block)
        if long:
            piece, span = pieces_of(c.count, DEPTH)[0], lines_of_block(len(c.x_lines), c.count)
            block = max(1, block // span) * span
        items = c.images * -(-len(c.x_lines) // block)
        self.weight_blocks = c.groups * -(-c.outputs // channels)
        tiles = self.weight_blocks * (1 if self.columns else len(c.taps) * -(-c.run // self.rows))
        sums_bytes = tiles * self.rows * channels * dtype.itemsize
        data_bytes = c.images * len(c.x_lines) * (c.line_bytes(dtype.itemsize) + c.count * c.outputs * c.groups * dtype.itemsize)
        self._parts = count_parts(items, tiles, sums_bytes, data_bytes, c.flops)
        self.units = tiles * self._parts
        self.parts_size = self.units * self.rows * channels
        self.long, blocks = long, -(-items // self._parts) * -(-block // span) * -(-c.count // piece)
        self.wide_size = self.parts_size if long and blocks >= BLOCKS else 0
        self._kernel = direct_weight_grad_kernel(self.rows, self.vectors, self.columns, long)
        self.geometry, self.scratch_size = pack_geometry(c, block), c.scratch_size(block)
        self.cut = (tap_step, items, self._parts, piece, span)

    def __call__(self, run, x, dy, dw):
        parts, wide = buffer(self.parts_size, x.dtype), buffer(self.wide_size, FLOAT64)
        scratchpad = partial(buffer, self.scratch_size, x.dtype)
        slices = SLICES_PER_THREAD if self._parts == MOST_PARTS else 1
        arguments = x, dy, parts, wide, scratchpad, self.geometry
        run(Task(self._kernel, (*arguments, *self.cut), self.units, self.flops, slices_per_thread=slices))
        unpacked = parts, self._parts, self.rows, self.tile_run, self.geometry, self.vectors, dw
        run(Task(unpack_weight_grad, unpacked, self.weight_blocks, PACKING_FLOPS * len(parts)))


class DirectWeightGradPlan(TiledWeightGrad):
    """A convolution's weight gradient by tiles: a WeightGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        super().__init__(lower_output(spec, filters_first), dtype)
