"""Convolution with rows of several taps along the lines.

A row of taps is unrolled over a tile of pixels, so that each pixel is loaded once for all its taps, where direct.py loads it
once for each. Lines are read where they stand: nothing outside them is copied or multiplied.
"""

from functools import cache

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import REGISTERS
from ...shapes import ConvSpec
from ..arrays.long_sums import pieces_of, tile_put_aside, tile_take_back
from ..simd.tile import tile_load, tile_zero
from ..simd.tile_top import tile_store_top
from ..simd.vector import lanes, lanes_of
from .direct import DirectInputGradPlan, TiledContraction
from .geometry import pack_geometry, read_geometry
from .lowering import Contraction, lower_output
from .tile_row import tile_outer_row

MOST_ROWS = 16
"""Longer tiles gain nothing, and lose where little is summed (26 for 13 rows, 3 x 3 taps of one channel: 0.85 of the speed)."""
LEAST_ROWS = 8
"""Where a tile has fewer rows, multiply-adds wait for those before."""
MOST_PRODUCTS = 160
"""So many multiply-adds are unrolled at most: rows x taps x vectors."""


def most_pixels(taps: int, vectors: int = 1) -> int:
    """Return the most rows of a tile that leaves registers for the weights of a row of taps, and for one pixel."""
    return max(1, min(MOST_ROWS, (REGISTERS - 1) // vectors - taps, MOST_PRODUCTS // (taps * vectors)))


def heights(c: Contraction) -> tuple[int, ...]:
    """Return how many rows tiles may have: a few numbers whatever the lines' length, since a kernel is compiled for each.

    Where many taps are summed the shorter ones waste little of a line's last tile; where few are, whole tiles count (one channel,
    3 x 3 taps, lines of 26: 14 rows have 0.9 of the speed of 13). Phases of a stride have kernels of their own, so one height.
    """
    if c.y_step > c.groups * c.outputs:
        return (14,)
    if c.row_taps > 4:
        return (8, 10, 14)
    return (13, 14, 16) if c.w_run <= 8 else (14, 16)


@cache
def narrow_kernel(rows, vectors, taps, stride, distance, edge, long):
    """Return the kernel for tiles of up to `rows` pixels by `vectors` vectors of channels; other numbers as tile_outer_row's.

    `long` is as in direct_kernel.
    """

    @jit
    def narrow(x, w, bias, y, sums, wide, geometry, outputs_block, pieces, start, stop):
        g = read_geometry(geometry)
        run, outputs = g.w_run, g.outputs
        pixel_step, size, first_pixel, sources = g.more[0], g.more[1], g.more[2], g.more[3:]
        lines = len(g.y_lines)
        blocks, tap_rows = (lines + g.block - 1) // g.block, len(sources) // lines
        channels = vectors * lanes(x)
        packed_outputs = (outputs + channels - 1) // channels * channels
        chunks = (outputs + outputs_block - 1) // outputs_block
        for item in range(start, stop):
            image, first = item // blocks, item % blocks * g.block
            for group_chunk in range(g.groups * chunks):
                group, chunk = group_chunk // chunks, group_chunk % chunks * outputs_block
                for line in range(first, min(first + g.block, lines)):
                    for pixel in range(0, g.pixels, rows):
                        height, left = min(rows, g.pixels - pixel), first_pixel + pixel * stride
                        high = min(size - left, (height - 1) * stride + (taps - 1) * distance + 1)
                        begin = image * g.x_image + left * pixel_step + group * g.x_group
                        end = image * g.y_image + g.y_lines[line] + pixel * g.y_step + group * g.y_group
                        for o in range(chunk, min(chunk + outputs_block, outputs), channels):
                            packed = group * packed_outputs + o
                            tile, at = tile_load(bias, packed, 0, rows, vectors), packed * tap_rows * taps * run
                            blocks_aside, left_of_block = 0, pieces[1]
                            for place in sources[line * tap_rows : (line + 1) * tap_rows]:
                                if place >= 0:
                                    for c in range(run):
                                        tile = tile_outer_row(
                                            tile, x, begin + place + c, pixel_step, w, at + c * channels, run * channels,
                                            taps, stride, distance, edge, -left, high, height,
                                        )  # fmt: skip
                                        if long:
                                            left_of_block -= 1
                                            if left_of_block == 0:
                                                tile_put_aside(tile, sums, wide, 0, blocks_aside)
                                                tile, blocks_aside = tile_zero(x, rows, vectors), blocks_aside + 1
                                                left_of_block = pieces[1]
                                at += taps * run * channels
                            if long:
                                tile = tile_take_back(tile, sums, wide, 0, blocks_aside)
                            tile_store_top(tile, y, end + o, g.y_step, outputs - o, height)

    return narrow


def fit_narrow(c: Contraction, dtype: np.dtype) -> tuple[int, int]:
    """Return the (rows, vectors) of a tile, two vectors if they divide the outputs' and leave it rows enough.

    Of the heights, it is that with the fewest rows to spare after a line's last pixel, most of which are multiplied for nothing;
    and each tile takes about a row's time besides.
    """
    vectors = 2 if -(-c.outputs // lanes_of(dtype)) % 2 == 0 and most_pixels(c.row_taps, 2) >= LEAST_ROWS else 1
    fitting = {min(rows, most_pixels(c.row_taps, vectors)) for rows in heights(c)}
    return min(sorted(fitting, reverse=True), key=lambda rows: -(-c.count // rows) * (rows + 1)), vectors


class NarrowContraction(TiledContraction):
    """One contraction with everything chosen, by tiles that take a row of taps at once."""

    def fit(self, dtype: np.dtype) -> None:
        c, border = self.contraction, self.contraction.border
        self.rows, self.vectors = fit_narrow(c, dtype)
        taps = np.add.outer(c.taps, np.arange(0, c.run, c.w_run)).ravel()  # as they were before lowering.py joined them
        stride, distance = c.x_step // c.x_pixel, int(taps[1] - taps[0]) // c.x_pixel if c.row_taps > 1 else 1
        sources, first, size = c.x_lines[:, None] + taps[:: c.row_taps], 0, (c.count - 1) * stride + (c.row_taps - 1) * distance + 1
        if border is not None:
            first, size = (int(sources[0, 0]) % border.row - border.left) // c.x_pixel, border.width // c.x_pixel
            sources = border.rows[sources // border.row]
        self.geometry, self.scratch_size = pack_geometry(c, self.block, np.append([c.x_pixel, size, first], sources)), None
        window = (self.rows - 1) * stride + (c.row_taps - 1) * distance + 1
        edge = next(n for n in ((c.row_taps - 1) * distance, max(window, -first)) if -first <= n)
        self._kernel = narrow_kernel(self.rows, self.vectors, c.row_taps, stride, distance, edge, self.long)
        self.pieces = pieces_of(c.row_taps)
        self.name = f"narrow_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}"


class NarrowOutputPlan(NarrowContraction):
    """A convolution's output by rows of taps: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(lower_output(spec), dtype)


class NarrowInputGradPlan(DirectInputGradPlan):
    """The input gradient by rows of taps, a contraction for each phase of the stride: an InputGradPlan."""

    phase = NarrowContraction
