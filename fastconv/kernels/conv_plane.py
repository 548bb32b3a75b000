"""Convolution of images of one channel with one filter, stride 1: vectors along the row, tiles of neighbouring rows.

The same loop computes the input gradient, from dy and turned weights. Pieces whose windows all lie within the image are read where
they are; those at its edges are copied into a border of zeros first.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec
from .call import Call
from .pack import buffer
from .plane import Plane, cut_out, locate
from .simd import lanes, lanes_of
from .target import REGISTERS
from .tile import most_rows, tile_load, tile_store
from .tile_plane import tile_correlate

MOST_VECTORS = 4 if REGISTERS == 32 else 2
"""A tile has up to so many vectors in a row, which share each weight that is loaded."""
MOST_ROWS = 6
"""A tile has up to so many rows, which share each vector of x that is loaded."""


@cache
def plane_kernel(rows, vectors):
    """Return the kernel for tiles of `rows` rows, no more than the filter's, by `vectors` vectors; no piece may be smaller."""

    @jit
    def conv_plane(x, w, bias, y, scratch, geometry, row_cuts, column_cuts, start, stop):
        height, width, y_height, y_width, kernel_rows, kernel_columns, down, across = geometry[:8]
        columns = vectors * lanes(x)
        for item in range(start, stop):
            image, first, last, begin, end, top, bottom, left, right, inside = locate(item, geometry, row_cuts, column_cuts)
            source, origin, step = x, (image * height + top) * width + left, width
            if not inside:
                cut_out(x, image * height * width, height, width, top, bottom, left, right, scratch)
                source, origin, step = scratch, 0, right - left
            target = (image * y_height + first) * y_width + begin
            for i in range(0, last - first, rows):
                i = min(i, last - first - rows)  # the last tiles move back and overlap: they only store, so they may
                for j in range(0, end - begin, columns):
                    j = min(j, end - begin - columns)
                    tile, at = tile_load(bias, 0, 0, rows, vectors), origin + i * step + j
                    tile = tile_correlate(tile, source, at, down * step, across, w, 0, kernel_rows, kernel_columns)
                    tile_store(tile, y, target + i * y_width + j, y_width, columns)

    return conv_plane


@jit
def pack_plane(w, bias, rows, turned, packed, biases, start, stop):
    """packed = the kernel w column by column, turned by half a turn if `turned`; biases = the bias, or zero without; one unit."""
    columns = len(w) // rows
    for at in range(len(w)):
        source = len(w) - 1 - at if turned else at
        packed[at % columns * rows + at // columns] = w[source]
    for k in range(len(biases)):
        biases[k] = bias[0] if len(bias) else biases.dtype.type(0)


class _Correlation:
    """The correlation of planes with everything chosen; called with (split, x, w, bias, y), all flat, w turned if `turned`."""

    def __init__(self, plane: Plane, turned: bool, dtype: np.dtype, flops: int):
        self.vectors = _fit_vectors(plane.outputs[1], dtype)
        most = most_rows(self.vectors, MOST_ROWS)
        self.rows = min(most, plane.kernel[0], plane.outputs[0]) if plane.dilation[0] == 1 else 1
        self.name, self.flops = f"conv_plane_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}", flops
        self._turned, self._kernel = int(turned), plane_kernel(self.rows, self.vectors)
        self._cuts = plane.cuts((self.rows, self.vectors * lanes_of(dtype)))
        self._kernel_rows, self._geometry = plane.kernel[0], plane.geometry
        self._scratch_size, self._pieces = plane.scratch_size(self._cuts), plane.pieces(self._cuts)

    def __call__(self, split, x, w, bias, y):
        packed, biases = buffer(len(w), x.dtype), buffer(self.vectors * lanes_of(x.dtype), x.dtype)
        pack = Call(pack_plane, w, w[:0] if bias is None else bias, self._kernel_rows, self._turned, packed, biases)
        split(1, pack, 0)
        kernel, size, rest = self._kernel, self._scratch_size, (self._geometry, *self._cuts)
        split(self._pieces, Call(kernel, x, packed, biases, y, partial(buffer, size, x.dtype), *rest), self.flops)


class PlaneOutputPlan(_Correlation):
    """The output of one channel and one filter; called with (split, x, w, bias, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(Plane.of_output(spec), False, dtype, spec.flops)


class PlaneInputGradPlan:
    """The input gradient of one channel and one filter; called with (split, dy, w, dx), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        self._correlation = _Correlation(Plane.of_input_grad(spec), True, dtype, spec.flops)
        self.name = self._correlation.name

    def __call__(self, split, dy, w, dx):
        self._correlation(split, dy, w, None, dx)


def _fit_vectors(columns: int, dtype: np.dtype) -> int:
    """Return how many vectors, of those that fit into a row, cover it at least cost: of the tiles, and more for a weight of few."""
    choices = [v for v in (4, 2, 1) if v <= MOST_VECTORS and v * lanes_of(dtype) <= columns]
    return min(choices, key=lambda v: -(-columns // (v * lanes_of(dtype))) * (2 * v + 1))
