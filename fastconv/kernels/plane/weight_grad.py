"""Weight gradient of images of one channel and one filter, stride 1: vectors along the row, tiles of kernel pixels."""

from __future__ import annotations

from functools import cache, partial
from math import prod

import numpy as np

from ...runtime.jit import jit
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.blocks import blocks_of, clear
from ..arrays.long_sums import FLOAT64, NOTHING, block_of, is_long, tile_put_aside, tile_take_back
from ..simd.tile import most_rows, tile_load, tile_store, tile_zero
from ..simd.tile_math import tile_patch_scale_add
from ..simd.vector import lanes, lanes_of, vload, vload_part, vsum
from .pieces import Plane, PlaneGeometry, cut_out_slabs, locate

MOST_TAPS = 28
MOST_PARTS = 16
"""The images' pieces are summed in up to so many parts, whatever the number of threads."""


@cache
def plane_weight_grad_kernel(rows, columns, long):
    """Return the kernel for tiles of rows x columns kernel pixels, a vector of partial sums for each.

    `long` sums are those of arrays/long_sums.py: of a piece, a block is so many rows and columns that a lane has at most `terms`.
    """
    taps = rows * columns

    @jit
    def plane_weight_grad(x, dy, sums, wide, scratch, geometry, row_cuts, column_cuts, terms, pieces, parts, start, stop):
        g = PlaneGeometry(*geometry)
        across_tiles = (g.kernel_columns + columns - 1) // columns
        tiles = (g.kernel_rows + rows - 1) // rows * across_tiles
        for part in range(start, stop):
            aside = 0
            for item in range(pieces * part // parts, pieces * (part + 1) // parts):
                piece = locate(item, g, row_cuts, column_cuts)
                first, last, begin, end = piece.first, piece.last, piece.begin, piece.end
                source, origin, step = x, piece.source + piece.top * g.width + piece.left, g.width
                if not piece.inside:
                    cut_out_slabs(x, g, piece, 0, scratch)
                    source, origin, step = scratch, 0, piece.right - piece.left
                vectors = (end - begin + lanes(x) - 1) // lanes(x)
                span = max(1, terms // vectors)
                spans, bands = (vectors + terms - 1) // terms, (last - first + span - 1) // span
                for t in range(tiles):
                    a, b = (
                        min(t // across_tiles * rows, g.kernel_rows - rows),
                        min(t % across_tiles * columns, g.kernel_columns - columns),
                    )
                    slot = (part * tiles + t) * taps * lanes(x)
                    for block in range(bands * spans):
                        high, low = block // spans * span, block % spans * terms * lanes(x)
                        count = min(terms * lanes(x), end - begin - low)
                        whole = count // lanes(x) * lanes(x)
                        tile = tile_zero(x, taps, 1) if long else tile_load(sums, slot, lanes(x), taps, 1)
                        for i in range(high, min(high + span, last - first)):
                            position = origin + (i + a * g.down) * step + b * g.across + low
                            at = piece.target + (first + i) * g.y_width + begin + low
                            for j in range(0, whole, lanes(x)):
                                v = vload(dy, at + j)
                                tile = tile_patch_scale_add(tile, source, position + j, columns, g.across, g.down * step, v, 0)
                            if whole < count:
                                v = vload_part(dy, at + whole, count - whole)
                                tile = tile_patch_scale_add(
                                    tile, source, position + whole, columns, g.across, g.down * step, v, count - whole
                                )
                        if long:
                            tile_put_aside(tile, sums, wide, slot, aside + block)
                        else:
                            tile_store(tile, sums, slot, lanes(x), lanes(x))
                aside += bands * spans
            if long:
                for slot in range(part * tiles * taps * lanes(x), (part + 1) * tiles * taps * lanes(x), taps * lanes(x)):
                    tile_store(tile_take_back(tile_zero(x, taps, 1), sums, wide, slot, aside), sums, slot, lanes(x), lanes(x))

    return plane_weight_grad


@jit
def add_plane_tiles(sums, rows, columns, kernel_rows, kernel_columns, parts, dw, start, stop):
    """dw = the sums (part, tile, row, column, lane) over parts and lanes, in their order; units are kernel pixels."""
    across_tiles, size = (kernel_columns + columns - 1) // columns, len(sums) // parts
    for unit in range(start, stop):
        i, j = unit // kernel_columns, unit % kernel_columns
        a, b = i // rows, j // columns
        row, column = i - min(a * rows, kernel_rows - rows), j - min(b * columns, kernel_columns - columns)
        first = (((a * across_tiles + b) * rows + row) * columns + column) * lanes(sums)
        total = sums.dtype.type(0)
        for at in range(first, len(sums), size):
            total += vsum(vload(sums, at))
        dw[unit] = total


class PlaneWeightGradPlan:
    """The weight gradient of one channel and one filter: a WeightGradPlan.

    Tiles at the kernel's end move back and overlap, with the same sums for the same pixels.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        plane = Plane.of_output(spec)
        most = most_rows(1, MOST_TAPS)
        kernel_rows, kernel_columns = self._kernel_size = plane.kernel[1:]
        columns = _even(kernel_columns, most)
        rows = _even(kernel_rows, most // columns)
        self._tile = rows, columns
        tiles = -(-kernel_rows // rows) * -(-kernel_columns // columns)
        self._sums_size = tiles * rows * columns * lanes_of(dtype)
        self.name, self.flops = f"plane_weight_{dtype.name}_{rows}x{columns}x{lanes_of(dtype)}", spec.flops
        self._cuts = plane.cuts((1, min(lanes_of(dtype), plane.outputs[2])))
        self._geometry, self._pieces = plane.geometry, plane.pieces(self._cuts)
        self._parts = 1 if spec.flops < 2**22 else min(self._pieces, MOST_PARTS)
        self._scratch_size = plane.scratch_size(self._cuts)
        pixels = plane.images * prod(plane.outputs)
        self._long = is_long(pixels, dtype)
        self._terms = block_of(pixels) if self._long else max(1, pixels)
        self._kernel = plane_weight_grad_kernel(rows, columns, self._long)

    def __call__(self, run, x, dy, dw):
        sums = buffer(self._parts * self._sums_size, x.dtype)
        run(Task(clear, (sums,), blocks_of(sums), sums.size))
        wide = buffer(sums.size, FLOAT64) if self._long else NOTHING
        kernel, size, rest = self._kernel, self._scratch_size, (self._geometry, *self._cuts, self._terms, self._pieces, self._parts)
        run(Task(kernel, (x, dy, sums, wide, partial(buffer, size, x.dtype), *rest), self._parts, self.flops))
        cuts = *self._tile, *self._kernel_size
        run(Task(add_plane_tiles, (sums, *cuts, self._parts, dw), dw.size, sums.size))


def _even(count: int, most: int) -> int:
    """Return the length of the fewest equal pieces, none over `most`, that cover `count`."""
    return -(-count // -(-count // most))
