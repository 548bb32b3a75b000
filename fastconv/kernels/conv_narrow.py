"""Convolution whose lines of results are short enough for one register tile, or whose results fill no more than one vector.

A row of taps is unrolled over a tile of pixels, so that each pixel is loaded once for all its taps, where conv_output.py loads it
once for each. A line that is one tile is read where it stands: nothing outside it is copied or multiplied.
"""

from functools import cache
from math import gcd

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec
from .conv_output import InputGradPlan, TiledContraction
from .geometry import pack_geometry, read_geometry, read_groups, read_more, read_weight_layout
from .lowering import lower_output
from .pack import pad_rows
from .simd import REGISTERS, lanes, lanes_of
from .tile import fit_rows, tile_load, tile_store
from .tile_row import tile_outer_row

MOST_ROWS = 16
"""Longer tiles gain nothing, and lose where little is summed (26 for 13 rows, 3 x 3 taps of one channel: 0.85 of the speed)."""
LEAST_ROWS = 8
"""Where a tile has fewer rows, multiply-adds wait for those before; unless it is a whole line, it has as many."""
MOST_PRODUCTS = 160
"""So many multiply-adds are unrolled at most: rows x taps x vectors."""


def most_pixels(taps: int, vectors: int = 1) -> int:
    """Return the most rows of a tile that leaves registers for the weights of a row of taps, and for one pixel."""
    return min(MOST_ROWS, (REGISTERS - 1) // vectors - taps, MOST_PRODUCTS // (taps * vectors))


@cache
def narrow_kernel(rows, vectors, taps, stride, distance, first_pixel, size):
    """Return the kernel for tiles of `rows` pixels by `vectors` vectors of channels; it needs lines of at least `rows` pixels.

    The other numbers are those of tile_outer_row.
    """

    @jit
    def conv_narrow(x, w, bias, y, scratch, geometry, outputs_block, start, stop):
        (
            long_taps, long_run, x_lines, y_lines, count, x_step, y_step, x_image, y_image, outputs,
            border_rows, left, width, right, block,
        ) = read_geometry(geometry)  # fmt: skip
        groups, x_group, y_group, _ = read_groups(geometry)
        run, more = read_weight_layout(geometry)[1], read_more(geometry)
        pixel_step, sources = more[0], more[1:]
        lines = len(y_lines)
        blocks, tap_rows = (lines + block - 1) // block, len(sources) // lines
        channels = vectors * lanes(x)
        packed_outputs = (outputs + channels - 1) // channels * channels
        chunks = (outputs + outputs_block - 1) // outputs_block
        row = left + width + right
        for item in range(start, stop):
            image, first = item // blocks, item % blocks * block
            last = min(first + block, lines)
            source, origin = x, image * x_image
            if len(scratch):
                low, high = x_lines[first] // row, (x_lines[last - 1] + long_taps[-1] + long_run - 1) // row + 1
                pad_rows(x, image * x_image, border_rows, low, high, left, width, right, scratch)
                source, origin = scratch, -low * row
            for group_chunk in range(groups * chunks):
                group, chunk = group_chunk // chunks, group_chunk % chunks * outputs_block
                for line in range(first, last):
                    for p in range(0, count, rows):
                        pixel = min(p, count - rows)  # the last tile moves back and overlaps: it only stores, so it may
                        begin = origin + pixel * x_step + group * x_group
                        end = image * y_image + y_lines[line] + pixel * y_step + group * y_group
                        for o in range(chunk, min(chunk + outputs_block, outputs), channels):
                            packed = group * packed_outputs + o
                            tile, at = tile_load(bias, packed, 0, rows, vectors), packed * tap_rows * taps * run
                            for place in sources[line * tap_rows : (line + 1) * tap_rows]:
                                if place >= 0:
                                    for c in range(run):
                                        tile = tile_outer_row(
                                            tile, source, begin + place + c, pixel_step, w, at + c * channels, run * channels,
                                            taps, stride, distance, first_pixel, size,
                                        )  # fmt: skip
                                at += taps * run * channels
                            tile_store(tile, y, end + o, y_step, outputs - o)

    return conv_narrow


def fit_narrow(count: int, taps: int, outputs: int, dtype: np.dtype) -> tuple[int, int]:
    """Return the (rows, vectors) of a tile that is a whole line if it can be, of as many vectors as divide the outputs' vectors."""
    vectors = -(-outputs // lanes_of(dtype))
    fits = [v for v in range(1, 5) if vectors % v == 0 and count <= most_pixels(taps, v)]
    if fits:
        return count, max(fits)
    vectors = 2 if vectors == 2 and most_pixels(taps, 2) >= LEAST_ROWS else 1
    return fit_rows(count, max(1, most_pixels(taps, vectors))), vectors


class NarrowContraction(TiledContraction):
    """One contraction with everything chosen, by tiles that take a row of taps at once."""

    def fit(self, dtype: np.dtype) -> None:
        c, border = self.contraction, self.contraction.border
        self.rows, self.vectors = fit_narrow(c.count, c.row_taps, c.outputs, dtype)
        taps = np.add.outer(c.taps, np.arange(0, c.run, c.w_run)).ravel()  # as they were before lowering.py joined them
        distance = int(taps[1] - taps[0]) if c.row_taps > 1 else c.x_step
        unit, first, sources = gcd(c.x_step, distance), 0, c.x_lines[:, None] + taps[:: c.row_taps]
        size = ((self.rows - 1) * c.x_step + (c.row_taps - 1) * distance) // unit + 1
        self.scratch_size = c.scratch_size(self.block)
        if border is not None:
            rows = border.rows[sources // border.row]
            if self.rows == c.count:
                first, sources, self.scratch_size = int(sources[0, 0]) % border.row - border.left, rows, 0
                unit = gcd(unit, first, border.width)
                size = border.width // unit
            else:
                sources = np.where(rows < 0, -1, sources)
        self.geometry = pack_geometry(c, self.block, np.append(unit, sources))
        self._kernel = narrow_kernel(self.rows, self.vectors, c.row_taps, c.x_step // unit, distance // unit, first // unit, size)
        self.name = f"conv_narrow_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}"


class NarrowOutputPlan(NarrowContraction):
    """A convolution's output by rows of taps; called with (split, x, w, bias, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(lower_output(spec), dtype)


class NarrowInputGradPlan(InputGradPlan):
    """The input gradient by rows of taps, a contraction for each phase of the stride; called with (split, dy, w, dx), all flat."""

    phase = NarrowContraction
