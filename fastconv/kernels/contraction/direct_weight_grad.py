"""Weight gradient with a register tile: rows of neighbouring input channels by vectors of output channels, summed over pixels."""

from functools import cache, partial
from typing import NamedTuple

import numpy as np

from ...runtime.jit import inlined, jit
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
from .driver import source_of
from .geometry import pack_geometry, read_geometry
from .lowering import Contraction, lower_output
from .pack import PACKING_FLOPS, unpack_weight_grad

DEPTH = 4
"""How many pixels one round of the innermost loop takes."""
BLOCK_PIXELS = 64
"""A tile is loaded and stored once a block, which should not be for fewer pixels than this."""


class Weights(NamedTuple):
    """What one tile is the gradient of: in one group, outputs from `output` on, and inputs from `tap` on."""

    group: int
    output: int
    number: int
    """The tap's."""
    tap: int


class Span(NamedTuple):
    """The lines first..last of an image, before which `aside` blocks of the same part have been summed."""

    image: int
    first: int
    last: int
    aside: int


@inlined
def span_of(g, item, first_item, span, pieces):
    """Return the lines of an item, and how many blocks its part has summed before it."""
    lines = len(g.x_lines)
    blocks, spans = (lines + g.block - 1) // g.block, (g.block + span - 1) // span
    image_spans = (blocks - 1) * spans + (lines - (blocks - 1) * g.block + span - 1) // span
    image, first = item // blocks, item % blocks * g.block
    aside = image * image_spans + item % blocks * spans - first_item // blocks * image_spans - first_item % blocks * spans
    return Span(image, first, min(first + g.block, lines), aside * pieces)


@cache
def direct_weight_grad_kernel(rows, vectors, columns, long):
    """Return the kernel for tiles of `rows` input channels by `vectors` vectors of filters; it needs runs of at least `rows`.

    With `columns`, a tile's rows are all taps' runs of that length, taps being `tap_step` apart, and there is one tile of them.
    `long` sums are those of arrays/long_sums.py: a block is `span` lines of an item, or a piece of a line.
    """

    @inlined
    def add_pixels(tile, x, position, x_step, dy, at, y_step, pixels, outputs, tap_step):
        """tile[c, :] += the sum over pixels of x[pixel, c] * dy[pixel, :]: the formula."""
        if columns:
            for p in range(pixels):
                tile = tile_outer_patch_part(tile, x, position + p * x_step, columns, tap_step, dy, at + p * y_step, outputs)
        elif outputs >= vectors * lanes(x):
            deep = pixels // DEPTH * DEPTH
            for p in range(0, deep, DEPTH):
                tile = tile_outer_run(tile, x, position + p * x_step, 1, x_step, dy, at + p * y_step, y_step, DEPTH)
            for p in range(deep, pixels):
                tile = tile_outer(tile, x, position + p * x_step, 1, dy, at + p * y_step)
        else:
            for p in range(pixels):
                tile = tile_outer_part(tile, x, position + p * x_step, 1, dy, at + p * y_step, outputs)
        return tile

    @inlined
    def weights_of(g, unit, channels):
        """Return what tile number `unit` is the gradient of."""
        run_tiles = (g.run + rows - 1) // rows
        tap_tiles = 1 if columns else len(g.taps) * run_tiles
        group_tiles = (g.outputs + channels - 1) // channels * tap_tiles
        number = unit % tap_tiles // run_tiles
        tap = g.taps[0] if columns else g.taps[number] + min(unit % run_tiles * rows, g.run - rows)
        return Weights(unit // group_tiles, unit % group_tiles // tap_tiles * channels, number, tap)

    @inlined
    def add_lines(tile, g, x, origin, dy, weights, image, first, last, begin, pixels, tap_step):
        """Add to a tile what `pixels` of each line give, from pixel `begin` on, but of those that lie in a border of zeros."""
        position = origin + weights.tap + weights.group * g.x_group + begin * g.x_step
        at, outputs = image * g.y_image + weights.output + weights.group * g.y_group + begin * g.y_step, g.outputs - weights.output
        for line in range(first, last):
            if columns or g.tap_ranges[2 * line] <= weights.number < g.tap_ranges[2 * line + 1]:
                here, there = position + g.x_lines[line], at + g.y_lines[line]
                tile = add_pixels(tile, x, here, g.x_step, dy, there, g.y_step, pixels, outputs, tap_step)
        return tile

    @inlined
    def add_span(g, x, origin, dy, weights, lines, parts, wide, at, tap_step, piece, span):
        """Add a span of lines to the tile that is kept from parts[at] on, and return how many blocks have been put aside."""
        aside, channels = lines.aside, vectors * lanes(x)
        for first in range(lines.first, lines.last, span):
            for begin in range(0, g.pixels, piece):
                tile = tile_zero(x, rows, vectors) if long else tile_load(parts, at, channels, rows, vectors)
                pixels, last = min(piece, g.pixels - begin), min(first + span, lines.last)
                tile = add_lines(tile, g, x, origin, dy, weights, lines.image, first, last, begin, pixels, tap_step)
                if long:
                    tile_put_aside(tile, parts, wide, at, aside)
                    aside += 1
                else:
                    tile_store(tile, parts, at, channels, channels)
        return aside

    @jit
    def direct_weight_grad(x, dy, parts, wide, scratch, geometry, tap_step, items, part_count, piece, span, start, stop):
        g, channels = read_geometry(geometry), vectors * lanes(x)
        tap_tiles = 1 if columns else len(g.taps) * ((g.run + rows - 1) // rows)
        tiles, size = g.groups * ((g.outputs + channels - 1) // channels) * tap_tiles, rows * channels
        for part in range(start // tiles, (stop + tiles - 1) // tiles):
            first_item, last_item = items * part // part_count, items * (part + 1) // part_count - 1
            first_unit, behind = max(start, part * tiles), min(stop, (part + 1) * tiles)
            if not long:
                parts[first_unit * size : behind * size] = 0
            for item in range(first_item, last_item + 1):
                lines = span_of(g, item, first_item, span, (g.pixels + piece - 1) // piece)
                source, origin = source_of(x, scratch, g, lines.image, lines.first, lines.last)
                for unit in range(first_unit, behind):
                    weights = weights_of(g, unit - part * tiles, channels)
                    aside = add_span(g, source, origin, dy, weights, lines, parts, wide, unit * size, tap_step, piece, span)
                    if long and item == last_item:
                        tile = tile_take_back(tile_zero(x, rows, vectors), parts, wide, unit * size, aside)
                        tile_store(tile, parts, unit * size, channels, channels)

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
