"""Convolution of images of one channel with one filter, stride 1: vectors along the row, tiles of neighbouring rows.

The same loop computes the input gradient, from dy and turned weights. Pieces whose windows all lie within the image are read where
they are; those at its edges are copied into a border of zeros first.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec, Ints
from .pack import buffer
from .simd import REGISTERS, lanes, lanes_of, vload, vstore
from .tile import most_rows, tile_load, tile_store
from .tile_plane import tile_correlate

MOST_VECTORS = 4 if REGISTERS == 32 else 2
"""A tile has so many vectors in a row: each weight is loaded once for all of them, each vector of x once for up to MOST_ROWS rows."""
MOST_ROWS = 6
PIECE_ROWS, PIECE_COLUMNS = 48, 4096
"""The pixels of one piece of work. (Columns of tiles, or pieces of 256 columns, take 3x3 up to twice as long.)"""


@cache
def plane_kernel(rows, vectors):
    """Return the kernel for tiles of `rows` rows, at most the filter's, by `vectors` vectors; every piece has a tile's size at least."""

    @jit
    def conv_plane(x, w, bias, y, scratch, geometry, row_cuts, column_cuts, start, stop):
        height, width, y_height, y_width, kernel_rows, kernel_columns, down, across, top, left = geometry
        columns, parts = vectors * lanes(x), len(column_cuts) - 1
        pieces = (len(row_cuts) - 1) * parts
        for item in range(start, stop):
            image, band, part = item // pieces, item % pieces // parts, item % parts
            first, last, begin, end = row_cuts[band], row_cuts[band + 1], column_cuts[part], column_cuts[part + 1]
            r, r_end = first - top, last - top + (kernel_rows - 1) * down
            c, c_end = begin - left, end - left + (kernel_columns - 1) * across
            source, origin, step = x, (image * height + r) * width + c, width
            if r < 0 or r_end > height or c < 0 or c_end > width:
                cut_out(x, image * height * width, height, width, r, r_end, c, c_end, scratch)
                source, origin, step = scratch, 0, c_end - c
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
def cut_out(x, origin, height, width, top, bottom, left, right, scratch):
    """Copy rows top to bottom, columns left to right of the image at x[origin] into scratch, zeros where they lie outside."""
    low, high = min(max(left, 0), right), max(min(right, width), left)
    if high <= low:
        low = high = right
    for r in range(top, bottom):
        at = (r - top) * (right - left) - left
        if 0 <= r < height and low < high:
            source, whole = origin + r * width, low + (high - low) // lanes(x) * lanes(x)
            scratch[at + left : at + low] = 0
            for c in range(low, whole, lanes(x)):
                vstore(scratch, at + c, vload(x, source + c))
            for c in range(whole, high):
                scratch[at + c] = x[source + c]
            scratch[at + high : at + right] = 0
        else:
            scratch[at + left : at + right] = 0


class _Plane:
    """One correlation of planes with everything chosen: tile, pieces. `before` is the padding, of which negative cuts off."""

    def __init__(self, images: int, size: Ints, outputs: Ints, kernel: Ints, dilation: Ints, before: Ints, dtype: np.dtype):
        size, outputs, kernel, dilation = (_two(axes, 1) for axes in (size, outputs, kernel, dilation))
        before = _two(before, 0)
        self.vectors = _fit_vectors(outputs[1], dtype)
        most = most_rows(self.vectors, MOST_ROWS)
        self.rows = min(most, kernel[0], outputs[0]) if dilation[0] == 1 else 1
        self.name = f"conv_plane_{dtype.name}_{self.rows}x{self.vectors}x{lanes_of(dtype)}"
        least = (self.rows, self.vectors * lanes_of(dtype))
        most_pixels = (PIECE_ROWS // self.rows * self.rows, PIECE_COLUMNS)
        reach = tuple((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
        self._cuts = [_cuts(*axis) for axis in zip(outputs, size, before, reach, least, most_pixels, strict=True)]
        lengths = [int(np.diff(cuts).max()) + more for cuts, more in zip(self._cuts, reach, strict=True)]
        self._scratch_size = lengths[0] * lengths[1]
        self._units = images * (len(self._cuts[0]) - 1) * (len(self._cuts[1]) - 1)
        self._geometry = (*size, *outputs, *kernel, *dilation, *before)
        self._kernel = plane_kernel(self.rows, self.vectors)

    def __call__(self, split, x, w, bias, y, flops, turned):
        kernel_rows, kernel_columns = self._geometry[4:6]
        packed, biases = buffer(w.size, x.dtype), buffer(self.vectors * lanes_of(x.dtype), x.dtype)
        packed.reshape(kernel_columns, kernel_rows)[...] = (w[::-1] if turned else w).reshape(kernel_rows, kernel_columns).T
        biases[:] = 0 if bias is None else bias[0]
        kernel, size, rest = self._kernel, self._scratch_size, (self._geometry, *self._cuts)
        split(self._units, lambda a, b: kernel(x, packed, biases, y, buffer(size, x.dtype), *rest, a, b), flops)


class PlaneOutputPlan:
    """The output of one channel and one filter; called with (split, x, w, bias, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        before = tuple(pad for pad, _ in spec.pads)
        self._plane = _Plane(spec.images, spec.size, spec.outputs, spec.kernel, spec.dilation, before, dtype)
        self.name, self.flops = self._plane.name, spec.flops

    def __call__(self, split, x, w, bias, y):
        self._plane(split, x, w, bias, y, self.flops, False)


class PlaneInputGradPlan:
    """The input gradient of one channel and one filter; called with (split, dy, w, dx), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        before = tuple(window - 1 - pad for window, (pad, _) in zip(spec.window, spec.pads, strict=True))
        self._plane = _Plane(spec.images, spec.outputs, spec.size, spec.kernel, spec.dilation, before, dtype)
        self.name, self.flops = self._plane.name, spec.flops

    def __call__(self, split, dy, w, dx):
        self._plane(split, dy, w, None, dx, self.flops, True)


def _two(axes: Ints, missing: int) -> Ints:
    return (missing,) * (2 - len(axes)) + tuple(axes)


def _fit_vectors(columns: int, dtype: np.dtype) -> int:
    """Return how many vectors, of those that fit into a row, cover it at least cost."""
    choices = [v for v in (4, 2, 1) if v <= MOST_VECTORS and v * lanes_of(dtype) <= columns]
    return min(choices, key=lambda v: -(-columns // (v * lanes_of(dtype))) * (2 * v + 1))


def _cuts(count: int, size: int, before: int, reach: int, least: int, most: int) -> np.ndarray:
    """Return where an axis is cut into pieces of `least` to about `most`: off the edges whose windows reach outside, if it is long."""
    low = max(before, least) if before > 0 else 0
    high = count - max(count + reach - before - size, least) if count + reach - before > size else count
    if high - low < least:
        low, high = 0, count
    middle = [low + most * i for i in range(max(1, (high - low) // most))]
    return np.unique(np.array([0, *middle, high, count], np.int64))
