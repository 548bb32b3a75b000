"""The weight gradient of a convolution of small groups, several of which share a vector, down to one for each channel (depthwise).

Vectors lie along the channels; a tile is taps, for which it slides along a line of pixels: see tile_slide.py.
"""

from functools import cache
from math import prod

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec
from .block_sums import FLOAT64, is_long, most_terms
from .call import Call, LongCall
from .conv_slide import slide_numbers
from .lines import Lines, output_lines
from .pack import MOST_PARTS, blocks_of, buffer, clear, count_parts
from .simd import lanes, lanes_of
from .target import VECTOR_BYTES
from .tile import tile_zero
from .tile_slide import tile_fold_add, tile_slide_grad

BLOCK_BYTES = 6 * 1024
"""A weight gradient's tile takes lines of so many bytes, or one; of more, far apart in memory, the CPU loads none ahead (0.9)."""
PARTIAL_SUMS = 8
"""A weight gradient's tile has at least so many rows: two multiply-adds a cycle, each of which waits four for the one before."""


@cache
def slide_weight_grad_kernel(whole, rest, narrow, sums, long):
    """Return the kernel that takes the pixels of the shape `whole` at once and, where fewer are left, up to those of `rest`.

    Without whole tiles, both shapes are `rest`. For each tap there are `sums` sums. It adds to
    parts[part][tap row][tap, channel of a segment][lanes of all vectors], the last of which moves back. `long` sums are those of
    block_sums.py: the parts are float64, and a tile is added to them after so many terms.
    """
    pixels, stride, two = whole[4], whole[6], whole != rest
    weights = whole[1] * whole[5] * whole[8]
    tile_rows = weights * sums

    @jit
    def conv_slide_weight_grad(x, dy, parts, x_lines, y_lines, starts, numbers, window, block, part_count, tiles, start, stop):
        channels, length, count, x_step, y_step, _, _, _, _, x_image, y_image, images = numbers
        lines, tap_rows = len(y_lines), len(starts)
        blocks, vectors = (lines + block - 1) // block, (channels + lanes(x) - 1) // lanes(x)
        items, room = images * blocks, vectors * lanes(x)
        whole_tiles, rest_tiles, height, higher, most_terms = tiles
        for part in range(start // vectors, (stop + vectors - 1) // vectors):
            for item in range(items * part // part_count, items * (part + 1) // part_count):
                image, first_line = item // blocks, item % blocks * block
                for unit in range(max(start, part * vectors), min(stop, (part + 1) * vectors)):
                    vector = (unit - part * vectors) * lanes(x)
                    c = 0 if narrow else min(vector, channels - lanes(x))
                    for r in range(tap_rows):
                        tile, terms = tile_zero(x, tile_rows, 1), 0
                        place = (part * tap_rows + r) * weights * room + vector
                        for line in range(first_line, min(first_line + block, lines)):
                            first, end = (line * tap_rows + r) * window, image * y_image + y_lines[line] + c
                            low, at = -starts[r], image * x_image + starts[r] * x_step + c
                            for _ in range(whole_tiles if two else 0):
                                bounds = (low, low + length)
                                if narrow:
                                    tile = tile_slide_grad(
                                        tile, x, at, x_step, x_lines, first, dy, end, y_step, bounds, pixels, channels, whole
                                    )
                                else:
                                    tile = tile_slide_grad(
                                        tile, x, at, x_step, x_lines, first, dy, end, y_step, bounds, pixels, 0, whole
                                    )
                                at += pixels * stride * x_step
                                end += pixels * y_step
                                low -= pixels * stride
                                if long:
                                    terms += pixels
                                    if terms >= most_terms:
                                        tile_fold_add(tile, parts, place, room, sums)
                                        tile, terms = tile_zero(x, tile_rows, 1), 0
                            for k in range(rest_tiles):
                                bounds, taken = (low, low + length), height + 1 if k < higher else height
                                if narrow:
                                    tile = tile_slide_grad(
                                        tile, x, at, x_step, x_lines, first, dy, end, y_step, bounds, taken, channels, rest
                                    )
                                else:
                                    tile = tile_slide_grad(
                                        tile, x, at, x_step, x_lines, first, dy, end, y_step, bounds, taken, 0, rest
                                    )
                                at += taken * stride * x_step
                                end += taken * y_step
                                low -= taken * stride
                                if long:
                                    terms += taken
                                    if terms >= most_terms:
                                        tile_fold_add(tile, parts, place, room, sums)
                                        tile, terms = tile_zero(x, tile_rows, 1), 0
                        tile_fold_add(tile, parts, place, room, sums)

    return conv_slide_weight_grad


@jit
def unpack_lanes(parts, part_count, rows, room, dw, start, stop):
    """Sum the parts (part, row, lanes of all vectors) in their order into dw (row, channel); the last vector ends where they do."""
    channels = len(dw) // rows
    whole = channels // lanes(dw) * lanes(dw)
    back = 0 if whole == channels else room - max(channels, lanes(dw))
    for row in range(start, stop):
        for c in range(channels):
            at = row * room + (c if c < whole else c + back)
            total = parts[at]
            for part in range(1, part_count):
                total += parts[part * rows * room + at]
            dw[row * channels + c] = total


def _split(lines: Lines) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, int, int, int]]:
    """Return the shapes of a weight gradient's tiles, whole ones and others, and how many there are in a line.

    That is (whole tiles, others, these others' pixels, how many of them have one more). Of all tap rows, longer tiles spill (7
    pixels: 39 for 45 GFLOP/s). Of one, two shapes are slower than one for all heights (14 pixels: 0.8).
    """
    most = 4 if lines.rows > 1 else 14
    if lines.rows > 1:
        left = lines.count % most
        return lines.shape(1, most, most), lines.shape(1, most - 1), (lines.count // most, int(left > 0), left, 0)
    tiles, half = -(-lines.count // most), most // 2
    rest = lines.shape(1, most, half) if lines.count >= half else lines.shape(1, half - 1)
    return rest, rest, (0, tiles, *divmod(lines.count, tiles))


class SlideWeightGradPlan:
    """The weight gradient of a convolution of small groups; called with (split, x, dy, dw), all flat.

    The pieces of work are vectors of channels, for parts of the lines (see count_parts), which are summed in their order.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        lines, size = output_lines(spec), lanes_of(dtype)
        weights = lines.rows * lines.taps * lines.segment
        vectors, sums = -(-spec.channels // size), -(-PARTIAL_SUMS // weights)
        whole, rest, tiles = _split(lines)
        sums_bytes = prod(spec.weight_shape[:-1]) * vectors * VECTOR_BYTES
        data_bytes = (prod(spec.input_shape) + prod(spec.output_shape)) * dtype.itemsize
        parts = count_parts(lines.images * len(lines.y_lines), vectors, sums_bytes, data_bytes, spec.flops)
        self._long = is_long(lines.images * len(lines.y_lines) * lines.count, dtype)
        self.flops, self.name = spec.flops, f"conv_slide_weight_{dtype.name}_{whole[4]}x{lines.taps}x{size}"
        block = max(1, BLOCK_BYTES // (lines.rows * VECTOR_BYTES * (lines.size + lines.count)))
        numbers = (*slide_numbers(lines, spec.channels), lines.images)
        x_lines, _ = lines.tiles(1)
        tables = (x_lines.ravel(), lines.y_lines, lines.pixels[:: lines.rows].copy())
        self._tables = (*tables, numbers, x_lines.shape[2], block, parts, (*tiles, most_terms(sums)))
        self._kernel = slide_weight_grad_kernel(whole, rest, spec.channels < size, sums, self._long)
        self._units, self._shape = vectors * parts, (parts, prod(spec.weight_shape[:-1]), vectors * size)

    def __call__(self, split, x, dy, dw):
        part_count, rows, room = self._shape
        parts = buffer(prod(self._shape), FLOAT64 if self._long else x.dtype)
        split(blocks_of(parts), Call(clear, parts), parts.size)
        call = Call if part_count == MOST_PARTS else LongCall
        split(self._units, call(self._kernel, x, dy, parts, *self._tables), self.flops)
        split(rows, Call(unpack_lanes, parts, part_count, rows, room, dw), parts.size)
