"""Convolution of images of one channel with one filter, stride 1: vectors along the row, tiles of neighbouring rows.

The same loop computes the input gradient, from dy and rotated weights. Pieces whose windows all lie within the image are read where
they are; those at its edges are copied into a border of zeros first.
"""

from __future__ import annotations

from functools import cache, partial
from math import prod

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import PLANE_VECTORS
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.long_sums import block_of, is_long, scratchpads, tile_put_aside, tile_take_back
from ..simd.tile import most_rows, tile_load, tile_store, tile_zero
from ..simd.vector import lanes, lanes_of
from .pieces import Plane, PlaneGeometry, cut_out, locate
from .tile import tile_correlate

MOST_ROWS = 6
"""A tile has up to so many rows, which share each vector of x that is loaded."""
BLOCK_ROWS = 16
"""A block of a long sum has so many of the filter's rows, or up to twice as many: at least as many as a tile."""


@cache
def plane_kernel(rows, vectors, long):
    """Return the kernel for tiles of `rows` rows, no more than the filter's, by `vectors` vectors; no piece may be smaller.

    `long` sums are those of arrays/long_sums.py: a block is a part of the filter, of which there are `row_blocks` of its rows, and
    `block_columns` columns or fewer.
    """

    @jit
    def plane(
        x, w, bias, y, scratch, sums, wide, geometry, row_cuts, column_cuts, row_blocks, block_columns, start, stop
    ):  # fmt: skip
        g = PlaneGeometry(*geometry)
        columns = vectors * lanes(x)
        for item in range(start, stop):
            image, first, last, begin, end, top, bottom, left, right, inside = locate(item, g, row_cuts, column_cuts)
            source, origin, step = x, (image * g.height + top) * g.width + left, g.width
            if not inside:
                cut_out(x, image * g.height * g.width, g.height, g.width, top, bottom, left, right, scratch)
                source, origin, step = scratch, 0, right - left
            target = (image * g.y_height + first) * g.y_width + begin
            for i in range(0, last - first, rows):
                i = min(i, last - first - rows)  # the last tiles move back and overlap: they only store, so they may
                for j in range(0, end - begin, columns):
                    j = min(j, end - begin - columns)
                    tile, at = tile_load(bias, 0, 0, rows, vectors), origin + i * step + j
                    if long:
                        blocks = 0
                        for k in range(row_blocks):
                            a, below = g.kernel_rows * k // row_blocks, g.kernel_rows * (k + 1) // row_blocks
                            for b in range(0, g.kernel_columns, block_columns):
                                tile = tile_correlate(
                                    tile, source, at + a * g.down * step + b * g.across, g.down * step, g.across,
                                    w, b * g.kernel_rows + a, g.kernel_rows, below - a, min(block_columns, g.kernel_columns - b),
                                )  # fmt: skip
                                tile_put_aside(tile, sums, wide, 0, blocks)
                                tile, blocks = tile_zero(x, rows, vectors), blocks + 1
                        tile = tile_take_back(tile, sums, wide, 0, blocks)
                    else:
                        tile = tile_correlate(
                            tile, source, at, g.down * step, g.across, w, 0, g.kernel_rows, g.kernel_rows, g.kernel_columns
                        )  # fmt: skip
                    tile_store(tile, y, target + i * g.y_width + j, g.y_width, columns)

    return plane


@jit
def pack_plane(w, bias, rows, rotated, packed, biases, start, stop):
    """packed = the kernel w column by column, rotated by 180 degrees if `rotated`; biases = the bias, or zero without; one unit."""
    columns = len(w) // rows
    for at in range(len(w)):
        source = len(w) - 1 - at if rotated else at
        packed[at % columns * rows + at // columns] = w[source]
    for k in range(len(biases)):
        biases[k] = bias[0] if len(bias) else biases.dtype.type(0)


class _Correlation:
    """The correlation of planes with everything chosen: an OutputPlan, w rotated if `rotated`."""

    def __init__(self, plane: Plane, rotated: bool, dtype: np.dtype, flops: int):
        self.vectors = _fit_vectors(plane.outputs[1], dtype)
        most = most_rows(self.vectors, MOST_ROWS)
        self.rows = min(most, plane.kernel[0], plane.outputs[0]) if plane.dilation[0] == 1 else 1
        self.name, self.flops = f"plane_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}", flops
        long = is_long(prod(plane.kernel), dtype)
        self._rotated, self._kernel = int(rotated), plane_kernel(self.rows, self.vectors, long)
        row_blocks = max(1, plane.kernel[0] // BLOCK_ROWS)
        block_columns = max(1, block_of(prod(plane.kernel)) // -(-plane.kernel[0] // row_blocks))
        self._blocks = (row_blocks, block_columns) if long else (1, plane.kernel[1])
        blocks = row_blocks * -(-plane.kernel[1] // block_columns) + 1 if long else 1
        self._scratchpads = scratchpads(self.rows * self.vectors * lanes_of(dtype), blocks, dtype)
        self._cuts = plane.cuts((self.rows, self.vectors * lanes_of(dtype)))
        self._kernel_rows, self._geometry = plane.kernel[0], plane.geometry
        self._scratch_size, self._pieces = plane.scratch_size(self._cuts), plane.pieces(self._cuts)

    def __call__(self, run, x, w, bias, y):
        packed, biases = buffer(len(w), x.dtype), buffer(self.vectors * lanes_of(x.dtype), x.dtype)
        bias = w[:0] if bias is None else bias
        run(Task(pack_plane, (w, bias, self._kernel_rows, self._rotated, packed, biases), 1))
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


def _fit_vectors(columns: int, dtype: np.dtype) -> int:
    """Return how many vectors, of those that fit into a row, cover it at least cost: of the tiles, and more for a weight of few."""
    choices = [v for v in (4, 2, 1) if v <= PLANE_VECTORS and v * lanes_of(dtype) <= columns]
    return min(choices, key=lambda v: -(-columns // (v * lanes_of(dtype))) * (2 * v + 1))
