"""The weight gradient of a convolution of small groups, several of which share a vector, down to one for each channel (depthwise).

Vectors lie along the channels; a tile is taps, for which it slides along a line of pixels: see tile.py.
"""

from functools import cache
from math import prod

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import DEPTHWISE_LINES, VECTOR_BYTES
from ...runtime.memory import buffer
from ...runtime.task import SLICES_PER_THREAD, Task
from ...shapes import ConvSpec
from ..arrays.blocks import MOST_PARTS, blocks_of, clear, count_parts
from ..arrays.long_sums import BLOCKS, FLOAT64, NOTHING, is_long, spans_of
from ..simd.tile import tile_zero
from ..simd.vector import lanes, lanes_of
from .lines import LineGeometry, Lines, line_geometry, output_lines
from .output import FLEXIBLE
from .tile import tile_fold_add, tile_slide_grad

PARTIAL_SUMS = 8
"""A weight gradient's tile has at least so many rows: two multiply-adds a cycle, each of which waits four for the one before."""


@cache
def depthwise_weight_grad_kernel(whole, rest, narrow, sums):
    """Return the kernel that takes the pixels of the shape `whole` at once and, where fewer are left, up to those of `rest`.

    Without whole tiles, both shapes are `rest`. For each tap there are `sums` sums. It adds to
    parts[part][tap row][tap, channel of a segment][lanes of all vectors], the last of which moves back. Long sums are made
    as in arrays/long_sums.py: lines are cut into spans, and after every BLOCKS blocks of lines parts are added to float64 `wide`,
    and begin again from zero; of more spans than one, each is added to `wide` at once. An empty `wide`: that isn't needed.
    """
    pixels, stride, two = whole[4], whole[6], whole != rest
    weights = whole[1] * whole[5] * whole[8]
    tile_rows = weights * sums

    @jit
    def depthwise_weight_grad(
        x, dy, parts, wide, x_lines, y_lines, starts, geometry, window, block, part_count, tiles, start, stop
    ):  # fmt: skip
        g = LineGeometry(*geometry)
        channels, length, x_step, y_step = g.channels, g.size, g.x_step, g.y_step
        lines, tap_rows = len(y_lines), len(starts)
        blocks, vectors = (lines + block - 1) // block, (channels + lanes(x) - 1) // lanes(x)
        items, padded_row = g.images * blocks, vectors * lanes(x)
        whole_tiles, rest_tiles, height, higher, spans, whole_span, rest_span = tiles
        for part in range(start // vectors, (stop + vectors - 1) // vectors):
            first_vector, behind = max(start - part * vectors, 0), min(stop - part * vectors, vectors)
            first_item, last_item = items * part // part_count, items * (part + 1) // part_count - 1
            for item in range(first_item, last_item + 1):
                image, first_line = item // blocks, item % blocks * block
                for unit in range(first_vector, behind):
                    vector = unit * lanes(x)
                    c = 0 if narrow else min(vector, channels - lanes(x))
                    for span in range(spans):
                        first_tile, first_rest = min(span * whole_span, whole_tiles), min(span * rest_span, rest_tiles)
                        last_tile, last_rest = min(first_tile + whole_span, whole_tiles), min(first_rest + rest_span, rest_tiles)
                        pixel = first_tile * pixels
                        other = whole_tiles * pixels + first_rest * height + min(first_rest, higher) - last_tile * pixels
                        for r in range(tap_rows):
                            place = (part * tap_rows + r) * weights * padded_row + vector
                            tile = tile_zero(x, tile_rows, 1)
                            for line in range(first_line, min(first_line + block, lines)):
                                first = (line * tap_rows + r) * window
                                low, end = -starts[r] - pixel * stride, image * g.y_image + y_lines[line] + c + pixel * y_step
                                at = image * g.x_image - low * x_step + c
                                for _ in range(last_tile - first_tile if two else 0):
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
                                if first_rest < last_rest:
                                    at += other * stride * x_step
                                    end += other * y_step
                                    low -= other * stride
                                for k in range(first_rest, last_rest):
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
                            if spans > 1 and len(wide):
                                tile_fold_add(tile, wide, place, padded_row, sums)
                            else:
                                tile_fold_add(tile, parts, place, padded_row, sums)
                if len(wide) and (item == last_item or (item - first_item) % BLOCKS == BLOCKS - 1):
                    for row in range(part * tap_rows * weights, (part + 1) * tap_rows * weights):
                        for i in range(row * padded_row + first_vector * lanes(x), row * padded_row + behind * lanes(x)):
                            wide[i] += parts[i]
                            parts[i] = 0

    return depthwise_weight_grad


@jit
def unpack_lanes(parts, part_count, rows, padded_row, dw, start, stop):
    """Sum the parts (part, row, lanes of all vectors) in their order into dw (row, channel); the last vector ends where they do."""
    channels = len(dw) // rows
    whole = channels // lanes(dw) * lanes(dw)
    back = 0 if whole == channels else padded_row - max(channels, lanes(dw))
    for row in range(start, stop):
        for c in range(channels):
            at = row * padded_row + (c if c < whole else c + back)
            total = parts[at]
            for part in range(1, part_count):
                total += parts[part * rows * padded_row + at]
            dw[row * channels + c] = total


def _split(lines: Lines) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, int, int, int]]:
    """Return the shapes of a weight gradient's tiles, whole ones and others, and how many there are in a line, at least cost.

    That is (whole tiles, others, these others' pixels, how many of them have one more). There are up to three pairs of shapes,
    however long lines are: whole tiles and single pixels or, of one tap row, tiles of any height. Of all tap rows, longer tiles
    spill (7 pixels: 39 for 45 GFLOP/s).
    """

    def cost(pixels: int) -> float:
        return lines.count // pixels * (pixels + 1) + lines.count % pixels * 3

    best = min((2, 3, 4) if lines.rows > 1 else (14, 7), key=cost)
    tiles = -(-lines.count // 14)
    if lines.rows == 1 and FLEXIBLE * (lines.count + tiles) < cost(best):
        flexible = lines.shape(1, 14)
        return flexible, flexible, (0, tiles, *divmod(lines.count, tiles))
    return lines.shape(1, best, best), lines.shape(1, 1), (*divmod(lines.count, best), 1, 0)


class DepthwiseWeightGradPlan:
    """The weight gradient of a convolution of small groups: a WeightGradPlan.

    The units are vectors of channels, for parts of the lines (see count_parts), which are summed in their order.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        lines, size = output_lines(spec), lanes_of(dtype)
        weights = lines.rows * lines.taps * lines.segment
        vectors, sums = -(-spec.channels // size), -(-PARTIAL_SUMS // weights)
        whole, rest, tiles = _split(lines)
        sums_bytes = prod(spec.weight_shape[:-1]) * vectors * VECTOR_BYTES
        data_bytes = (prod(spec.input_shape) + prod(spec.output_shape)) * dtype.itemsize
        parts = count_parts(lines.images * len(lines.y_lines), vectors, sums_bytes, data_bytes, spec.flops)
        self.flops, self.name = spec.flops, f"depthwise_weight_{dtype.name}_{whole[4]}x{lines.taps}x{size}"
        block = min(max(1, DEPTHWISE_LINES // (lines.rows * VECTOR_BYTES * (lines.size + lines.count))), max(1, len(lines.y_lines)))
        long = is_long(lines.images * len(lines.y_lines) * lines.count, dtype)
        spans = spans_of(block * lines.count, sums) if long else 1
        self._wide = long and lines.images * -(-len(lines.y_lines) // block) * spans > BLOCKS * parts
        geometry = line_geometry(lines, spec.channels)
        x_lines, _ = lines.tiles(1)
        tables = (x_lines.ravel(), lines.y_lines, lines.pixels[:: lines.rows].copy())
        self._tables = (
            *tables,
            geometry,
            x_lines.shape[2],
            block,
            parts,
            (*tiles, spans, -(-tiles[0] // spans), -(-tiles[1] // spans)),
        )
        self._kernel = depthwise_weight_grad_kernel(whole, rest, spec.channels < size, sums)
        self._units, self._shape = vectors * parts, (parts, prod(spec.weight_shape[:-1]), vectors * size)

    def __call__(self, run, x, dy, dw):
        part_count, rows, padded_row = self._shape
        parts = buffer(prod(self._shape), x.dtype)
        wide = buffer(parts.size, FLOAT64) if self._wide else NOTHING
        for cleared in (parts, wide) if self._wide else (parts,):
            run(Task(clear, (cleared,), blocks_of(cleared), cleared.size))
        slices = SLICES_PER_THREAD if part_count == MOST_PARTS else 1
        arguments = x, dy, parts, wide, *self._tables
        run(Task(self._kernel, arguments, self._units, self.flops, slices_per_thread=slices))
        run(Task(unpack_lanes, (wide if self._wide else parts, part_count, rows, padded_row, dw), rows, parts.size))
