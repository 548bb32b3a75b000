"""Convolution of small groups, several of which share a vector, down to a filter for each channel (depthwise).

Vectors lie along the channels; a tile is neighbouring pixels, or taps. It slides its row of taps along a line of pixels, and
loads each pixel once: see tile_slide.py, and lines.py for the tables.
"""

from functools import cache
from math import prod

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec
from .block_sums import FLOAT64, is_long, most_terms
from .call import Call, Chain, LongCall
from .lines import Lines, input_grad_lines, output_lines
from .pack import MOST_PARTS, blocks_of, buffer, clear, count_parts
from .simd import lanes, lanes_of
from .target import REGISTERS, VECTOR_BYTES
from .tile import tile_load, tile_load_part, tile_zero
from .tile_slide import tile_fold_add, tile_slide, tile_slide_grad, tile_store_lines

BLOCK_BYTES = 6 * 1024
"""A weight gradient's tile takes lines of so many bytes, or one; of more, far apart in memory, the CPU loads none ahead (0.9)."""
PHASE_BYTES = 512 * 1024
"""So much of the input gradient stays in the second-level cache for all phases of the stride."""
PARTIAL_SUMS = 8
"""A weight gradient's tile has at least so many rows: two multiply-adds a cycle, each of which waits four for the one before."""


@cache
def slide_output_kernel(shape, narrow):
    """Return the kernel for tiles of this shape (see Lines.shape); it needs planes of at least so many lines and pixels.

    The same computes the input gradient. `narrow`: there are fewer channels than lanes.
    """
    lines, pixels, stride = shape[0], shape[4], shape[6]
    size = lines * pixels

    @jit
    def conv_slide(x, w, bias, y, x_lines, y_lines, starts, w_rows, numbers, window, height, start, stop):
        channels, length, count, x_step, y_step, y_line, w_step, w_run, w_line, x_image, y_image = numbers
        tap_rows = len(w_rows)
        for unit in range(start, stop):
            image, item = unit // len(y_lines), unit % len(y_lines)
            for p in range(0, count, height):
                pixel = min(p, count - height)  # the last tile, and vector, move back and overlap: they only store, so they may
                end = image * y_image + y_lines[item] + pixel * y_step
                for block in range(0, channels, lanes(x)):
                    c = 0 if narrow else min(block, channels - lanes(x))
                    tile = tile_load_part(bias, c, 0, size, 1, channels) if narrow else tile_load(bias, c, 0, size, 1)
                    for r in range(tap_rows):
                        low, first = -starts[r] - pixel * stride, (item * tap_rows + r) * window
                        at, wt = image * x_image - low * x_step + c, w_rows[r] + c
                        steps, bounds = (w_line, w_step, w_run), (low, low + length)
                        if narrow:
                            tile = tile_slide(tile, x, at, x_step, x_lines, first, w, wt, steps, bounds, height, channels, shape)
                        else:
                            tile = tile_slide(tile, x, at, x_step, x_lines, first, w, wt, steps, bounds, height, 0, shape)
                    if narrow:
                        tile_store_lines(tile, y, end, y_line, y_step, height, channels, shape)
                    else:
                        tile_store_lines(tile, y, end + c, y_line, y_step, height, 0, shape)

    return conv_slide


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


@jit
def exchange_channels(w, turned, taps, segment, start, stop):
    """Write w (tap, channel in a group, group, filter in it) with each group's channels and filters exchanged; units are taps."""
    filters = len(w) // (taps * segment)
    for tap in range(start, stop):
        for c in range(segment):
            for f in range(filters):
                turned[(tap * segment + f % segment) * filters + f // segment * segment + c] = w[(tap * segment + c) * filters + f]


def _numbers(lines: Lines, channels: int) -> tuple[int, ...]:
    """Return the kernels' `numbers`."""
    y_line, w_line = (
        int(table[1] - table[0]) if n > 1 else 0 for table, n in ((lines.y_lines, lines.height), (lines.w_rows, lines.rows))
    )
    return (
        channels, lines.size, lines.count, lines.x_step, lines.y_step, y_line, lines.w_step, lines.w_run, w_line,
        lines.x_image, lines.y_image,
    )  # fmt: skip


def _fit(lines: Lines) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Return how many lines and pixels of a tile cover a plane at least cost (loads, multiply-adds and stores), and its shape.

    Few shapes, however long lines are: of one line or two, as long as there is room for, or half as long.
    """
    most = min(14, REGISTERS - 2 - lines.rows * lines.taps)

    def cost(tile: tuple[int, int]) -> int:
        line_count, pixels = tile
        tiles = -(-lines.height // line_count) * -(-lines.count // pixels)
        met = len({i * lines.line_stride + r * lines.line_distance for i in range(line_count) for r in range(lines.rows)})
        window = len({i * lines.stride + t * lines.distance for i in range(pixels) for t in range(lines.taps)})
        return tiles * (met * window + line_count * pixels * (lines.rows * lines.taps + 1))

    choices = [(1, p) for p in range(min(most, lines.count), 0, -1)]
    if min(lines.height, lines.rows) > 1:
        choices += [(2, p) for p in range(min(most // 2, lines.count), most // 4, -1)]
    line_count, pixels = min(choices, key=cost)
    room = most // line_count
    shape = lines.shape(line_count, room, room // 2 + 1) if pixels > room // 2 else lines.shape(1, room // 2)
    return (line_count, pixels), shape


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


class _Slide:
    """The results of some Lines with everything chosen; called with (split, x, w, bias, y), all flat."""

    def __init__(self, lines: Lines, channels: int, dtype: np.dtype, flops: int):
        tile, shape = _fit(lines)
        x_lines, first = lines.tiles(tile[0])
        self.units, self.flops = lines.images * len(first), flops
        self.name = f"conv_slide_{dtype.name}_{tile[0] * tile[1]}x{lines.taps}x{lanes_of(dtype)}"
        tap_rows = (lines.pixels[:: lines.rows].copy(), lines.w_rows[:: lines.rows].copy())
        self._tables = (x_lines.ravel(), lines.y_lines[first], *tap_rows, _numbers(lines, channels), x_lines.shape[2], tile[1])
        self._kernel = slide_output_kernel(shape, channels < lanes_of(dtype))
        self._no_bias = np.zeros(channels, dtype)

    def __call__(self, split, x, w, bias, y):
        split(self.units, self.call(x, w, bias, y), self.flops)

    def call(self, x, w, bias, y):
        """Return the call that computes y, line by line."""
        return Call(self._kernel, x, w, self._no_bias if bias is None else bias, y, *self._tables)


class SlideOutputPlan(_Slide):
    """The output of a convolution of small groups; called with (split, x, w, bias, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(output_lines(spec), spec.channels, dtype, spec.flops)


class SlideInputGradPlan:
    """The input gradient of a convolution of small groups, by phases of the strides; called with (split, dy, w, dx), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        phases = input_grad_lines(spec)
        self._phases, self._flops = [_Slide(lines, spec.channels, dtype, spec.flops) for lines in phases], spec.flops
        self._units = max((phase.units for phase in self._phases), default=0)
        self._block = max(1, PHASE_BYTES * self._units // (prod(spec.input_shape) * dtype.itemsize))
        self._covered = len(phases) == prod(spec.stride[-2:])
        self._segment, self._taps = spec.channels // spec.groups, prod(spec.kernel)
        self.name = self._phases[0].name if phases else "conv_slide_empty"

    def __call__(self, split, dy, w, dx):
        if not self._covered:
            split(blocks_of(dx), Call(clear, dx), dx.size)  # the pixels of a phase that no tap reaches
        if self._segment > 1:
            straight, w = w, buffer(w.size, w.dtype)
            split(self._taps, Call(exchange_channels, straight, w, self._taps, self._segment), 0)
        if self._phases:
            calls = [(phase.call(dy, w, None, dx), phase.units) for phase in self._phases]
            split(self._units, Chain(calls, self._units, self._block), self._flops)


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
        numbers = (*_numbers(lines, spec.channels), lines.images)
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
