"""Convolution of images with a filter for each of one or few channels, stride 1: vectors along the row, tiles of neighbouring rows.

The same loop computes the input gradient, from dy and rotated weights. Pieces whose windows all lie within the image are read where
they are; those at its edges are copied into a border of zeros first.
"""

from __future__ import annotations

from functools import cache, partial
from math import gcd, prod

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import PLANE_VECTORS
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.long_sums import block_of, is_long, scratchpads, tile_put_aside, tile_take_back
from ..simd.tile import most_rows, tile_load, tile_store, tile_zero
from ..simd.vector import lanes, lanes_of
from .pieces import Plane, PlaneGeometry, cut_out_slabs, locate
from .tile import tile_correlate

MOST_ROWS = 6
"""A tile has up to so many rows, which share each vector of x that is loaded."""
BLOCK_ROWS = 16
"""A block of a long sum has so many of the filter's rows, or up to twice as many: at least as many as a tile."""


@cache
def plane_kernel(rows, vectors, period, long):
    """Return the kernel for tiles of `rows` rows, no more than the filter's, by `vectors` vectors; no piece may be smaller.

    Weights repeat after `period` vectors: the channels'; 0 if there is one. `long` sums are those of arrays/long_sums.py: a block
    is a part of one of the filter's slabs, of which there are `row_blocks` of its rows, and `block_columns` columns or fewer.
    """

    @jit
    def plane(
        x, w, bias, y, scratch, sums, wide, geometry, row_cuts, column_cuts, row_blocks, block_columns, start, stop
    ):  # fmt: skip
        g = PlaneGeometry(*geometry)
        columns, w_column = vectors * lanes(x), period * lanes(x) if period else 1
        w_row = g.kernel_columns * w_column
        w_slab = g.kernel_rows * w_row
        for item in range(start, stop):
            piece = locate(item, g, row_cuts, column_cuts)
            source, origin, step, x_slab = (
                x,
                piece.source + piece.top * g.width + piece.left,
                g.width,
                g.inward * g.height * g.width,
            )
            if not piece.inside:
                source, origin, step = scratch, 0, piece.right - piece.left
                x_slab = (piece.bottom - piece.top) * step
                cut_out_slabs(x, g, piece, x_slab, scratch)
            for i in range(0, piece.last - piece.first, rows):
                i = min(i, piece.last - piece.first - rows)  # the last tiles move back and overlap: they only store, so they may
                for j in range(0, piece.end - piece.begin, columns):
                    j = min(j, piece.end - piece.begin - columns)
                    tile, at, blocks = tile_load(bias, 0, 0, rows, vectors), origin + i * step + j, 0
                    for c in range(piece.front, piece.behind):
                        if long:
                            for k in range(row_blocks):
                                a, below = g.kernel_rows * k // row_blocks, g.kernel_rows * (k + 1) // row_blocks
                                for b in range(0, g.kernel_columns, block_columns):
                                    tile = tile_correlate(
                                        tile, source, at + c * x_slab + a * g.down * step + b * g.across, g.down * step, g.across,
                                        w, c * w_slab + a * w_row + b * w_column, w_row, w_column,
                                        below - a, min(block_columns, g.kernel_columns - b), period,
                                    )  # fmt: skip
                                    tile_put_aside(tile, sums, wide, 0, blocks)
                                    tile, blocks = tile_zero(x, rows, vectors), blocks + 1
                        else:
                            tile = tile_correlate(
                                tile, source, at + c * x_slab, g.down * step, g.across,
                                w, c * w_slab, w_row, w_column, g.kernel_rows, g.kernel_columns, period,
                            )  # fmt: skip
                    if long:
                        tile = tile_take_back(tile, sums, wide, 0, blocks)
                    tile_store(tile, y, piece.target + (piece.first + i) * g.y_width + piece.begin + j, g.y_width, columns)

    return plane


@jit
def pack_plane(w, bias, channels, rotated, packed, biases, start, stop):
    """packed = w, rotated by 180 degrees if `rotated`, each pixel's channels repeated; biases = the bias, or zero; one unit."""
    taps = len(w) // channels
    repeated = len(packed) // taps
    for tap in range(taps):
        source = taps - 1 - tap if rotated else tap
        for k in range(repeated):
            packed[tap * repeated + k] = w[source * channels + k % channels]
    for k in range(len(biases)):
        biases[k] = bias[k % channels] if len(bias) else biases.dtype.type(0)


class _Correlation:
    """The correlation of planes with everything chosen: an OutputPlan, w rotated if `rotated`."""

    def __init__(self, plane: Plane, rotated: bool, dtype: np.dtype, flops: int):
        self._channels, lanes = plane.channels, lanes_of(dtype)
        together = lanes // gcd(lanes, plane.channels)  # pixels, whose channels fill vectors
        period = together * plane.channels // lanes
        self.vectors = _fit_vectors(plane.outputs[2], together, period)
        most = most_rows(self.vectors, MOST_ROWS)
        _, kernel_rows, kernel_columns = plane.kernel
        self.rows = min(most, kernel_rows, plane.outputs[1]) if plane.dilation[1] == 1 else 1
        self.name, self.flops = f"plane_{dtype.name}_{self.rows}x{self.vectors}x{lanes}", flops
        long, held = is_long(prod(plane.kernel), dtype), period if plane.channels > 1 else 0
        self._rotated, self._kernel = int(rotated), plane_kernel(self.rows, self.vectors, held, long)
        row_blocks = max(1, kernel_rows // BLOCK_ROWS)
        block_columns = max(1, block_of(prod(plane.kernel)) // -(-kernel_rows // row_blocks))
        self._blocks = (row_blocks, block_columns) if long else (1, kernel_columns)
        blocks = plane.kernel[0] * row_blocks * -(-kernel_columns // block_columns) + 1 if long else 1
        self._scratchpads = scratchpads(self.rows * self.vectors * lanes, blocks, dtype)
        self._cuts = plane.cuts((self.rows, self.vectors // period * together))
        self._repeated, self._geometry = held * lanes or 1, plane.geometry
        self._scratch_size, self._pieces = plane.scratch_size(self._cuts), plane.pieces(self._cuts)

    def __call__(self, run, x, w, bias, y):
        packed = buffer(len(w) // self._channels * self._repeated, x.dtype)
        biases = buffer(self.vectors * lanes_of(x.dtype), x.dtype)
        bias = w[:0] if bias is None else bias
        run(Task(pack_plane, (w, bias, self._channels, self._rotated, packed, biases), 1))
        scratch = partial(buffer, self._scratch_size, x.dtype)
        arguments = x, packed, biases, y, scratch, *self._scratchpads, self._geometry, *self._cuts, *self._blocks
        run(Task(self._kernel, arguments, self._pieces, self.flops))


class PlaneOutputPlan(_Correlation):
    """The output of one channel and one filter: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(Plane.of_output(spec), False, dtype, spec.flops)


class PlaneInputGradPlan:
    """The input gradient of one channel and one filter: an InputGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        self._correlation = _Correlation(Plane.of_input_grad(spec), True, dtype, spec.flops)
        self.name = self._correlation.name

    def __call__(self, run, dy, w, dx):
        self._correlation(run, dy, w, None, dx)


def _fit_vectors(pixels: int, together: int, period: int) -> int:
    """Return how many vectors, of those that fit into a row, cover it at least cost: of the tiles, and more for weights of few.

    They are multiples of `period` vectors, which `together` pixels fill.
    """
    most = max(period, PLANE_VECTORS if period == 1 else PLANE_VECTORS * 3 // 2)
    choices = [n for n in (4, 2, 1) if n * period <= most and n * together <= pixels]
    return period * min(choices, key=lambda n: -(-pixels // (n * together)) * (2 * n + 1))
