"""Convolution with rows of several taps along the lines.

A row of taps is unrolled over a tile of pixels, so that each pixel is loaded once for all its taps, where direct.py loads it
once for each. Lines are read where they stand: nothing outside them is copied or multiplied.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from ...runtime.jit import inlined
from ...runtime.machine import MANY_REGISTERS, REGISTERS
from ...shapes import ConvSpec
from ..arrays.long_sums import Aside, end_of_piece, is_long, tile_take_back
from ..simd.tile import tile_load
from ..simd.vector import lanes, lanes_of
from .driver import MicroKernel, store_channels
from .geometry import pack_geometry
from .lowering import Contraction, lower_output
from .plan import ContractionPlan, PhasesPlan
from .tile_row import tile_outer_row

MOST_ROWS = 16
"""Longer tiles gain nothing, and lose where little is summed (26 for 13 rows, 3 x 3 taps of one channel: 0.85 of the speed)."""
LEAST_ROWS = 8
"""Where a tile has fewer rows, multiply-adds wait for those before."""
FILLED = 0.7 if MANY_REGISTERS else 0.75
"""At least so much of its tiles' rows a line fills where "narrow" is the faster."""
FILLED_ALONE = 0.55
"""So much is enough for a line's only tile, of two vectors, and taps side by side, which share the most."""
FEW_CHANNELS = 8
"""Of so few there are tiles of more heights, and "narrow" is always the faster."""
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
        return (10, 14) if MANY_REGISTERS else (8, 10)
    return (13, 14, 16) if c.w_run <= FEW_CHANNELS else (14, 16)


@cache
def narrow_tile(rows, vectors, taps, stride, distance, edge, long):
    """Return the micro-kernel for tiles of up to `rows` pixels by `vectors` vectors of channels; other numbers as tile_outer_row's.

    Only `long` sums count pieces, which takes 0.03 to 0.08 of the time of a tile that sums one channel's 3 x 3 taps.
    """

    @inlined
    def add_row(tile, x, position, pixel_step, w, at, run, low, high, height):
        """tile[pixel, :] += the sum over t of x[pixel * stride + t * distance] * w[t, :], of what is in the line: the formula."""
        return tile_outer_row(tile, x, position, pixel_step, w, at, run, taps, stride, distance, edge, low, high, height)

    @inlined
    def sum_tile(x, w, bias, g, spot, sums, wide, pieces):
        """The bias, and the sum over rows of taps, without those in a row of zeros, and over channels."""
        pixel_step, size, first_pixel, tap_rows, sources = g.more[0], g.more[1], g.more[2], g.more[3], g.more[4:]
        left, channels = first_pixel + spot.pixel * stride, vectors * lanes(x)
        high = min(size - left, (spot.height - 1) * stride + (taps - 1) * distance + 1)
        tile, aside = tile_load(bias, spot.output, 0, rows, vectors), Aside(0, pieces[1])
        for r in range(tap_rows):
            row, at = sources[spot.line * tap_rows + r], (spot.output * tap_rows + r * channels) * taps * g.w_run
            if row >= 0:
                for c in range(g.w_run):
                    begin, place = spot.x + row + c, at + c * channels
                    tile = add_row(tile, x, begin, pixel_step, w, place, g.w_run * channels, -left, high, spot.height)
                    if long:
                        tile, aside = end_of_piece(tile, sums, wide, aside, pieces)
        return tile_take_back(tile, sums, wide, 0, aside.blocks) if long else tile

    return MicroKernel(rows, vectors, sum_tile, store_channels)


def fit_narrow(c: Contraction, dtype: np.dtype) -> tuple[int, int]:
    """Return the (rows, vectors) of a tile, two vectors if they divide the outputs' and leave it rows enough.

    Of the heights, it is that with the fewest rows to spare after a line's last pixel, most of which are multiplied for nothing;
    and each tile takes about a row's time besides.
    """
    vectors = 2 if -(-c.outputs // lanes_of(dtype)) % 2 == 0 and most_pixels(c.row_taps, 2) >= LEAST_ROWS else 1
    fitting = {min(rows, most_pixels(c.row_taps, vectors)) for rows in heights(c)}
    return min(sorted(fitting, reverse=True), key=lambda rows: -(-c.count // rows) * (rows + 1)), vectors


def narrow_pays(c: Contraction, dtype: np.dtype) -> bool:
    """Return whether lines fill the tiles well, and with few registers the taps of a row share pixels: else "direct" is faster.

    (python -m bench.choice. Zen 5, 283 random layers, AVX-512: of those that fill less than 0.7 of their tiles' rows most run at
    0.3 to 0.9 of "direct", of the others all but 5 at 0.95 to 2.8.)
    """
    rows, vectors = fit_narrow(c, dtype)
    filled = c.count / (rows * -(-c.count // rows))
    stride = c.x_step // c.x_pixel
    distance = int(c.taps[1] - c.taps[0]) // c.x_pixel if len(c.taps) > 1 and c.run == c.w_run else 1
    if c.w_run <= FEW_CHANNELS and distance == 1:
        return True
    if MANY_REGISTERS:
        return filled >= (FILLED_ALONE if c.count <= rows and vectors == 2 and stride == distance == 1 else FILLED)
    pixels = {i * stride + t * distance for i in range(rows) for t in range(c.row_taps)}
    return c.outputs <= lanes_of(dtype) or (filled >= FILLED and 2 * len(pixels) <= rows * c.row_taps)


class NarrowContraction(ContractionPlan):
    """One contraction by tiles that take a row of taps at once."""

    kind = "narrow"

    def fit(self, dtype: np.dtype) -> None:
        c, border = self.contraction, self.contraction.border
        self.rows, self.vectors = fit_narrow(c, dtype)
        taps = np.add.outer(c.taps, np.arange(0, c.run, c.w_run)).ravel()  # as they were before lowering.py joined them
        stride, distance = c.x_step // c.x_pixel, int(taps[1] - taps[0]) // c.x_pixel if c.row_taps > 1 else 1
        sources, first, size = c.x_lines[:, None] + taps[:: c.row_taps], 0, (c.count - 1) * stride + (c.row_taps - 1) * distance + 1
        if border is not None:
            first, size = (int(sources[0, 0]) % border.row - border.left) // c.x_pixel, border.width // c.x_pixel
            sources = border.rows[sources // border.row]
        lines = replace(c, x_lines=np.full(len(c.x_lines), first * c.x_pixel), border=None)
        self.geometry = pack_geometry(lines, self.block, np.append([c.x_pixel, size, first, sources.shape[1]], sources))
        self.scratch_size = 0
        window = (self.rows - 1) * stride + (c.row_taps - 1) * distance + 1
        edge = next(n for n in ((c.row_taps - 1) * distance, max(window, -first)) if -first <= n)
        self.micro = narrow_tile(self.rows, self.vectors, c.row_taps, stride, distance, edge, is_long(len(c.taps) * c.run, dtype))
        self.cut(c.row_taps, len(c.taps) * c.run, dtype)


class NarrowOutputPlan(NarrowContraction):
    """A convolution's output by rows of taps: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(lower_output(spec), dtype)


class NarrowInputGradPlan(PhasesPlan):
    """The input gradient by rows of taps: an InputGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(NarrowContraction, spec, dtype)
