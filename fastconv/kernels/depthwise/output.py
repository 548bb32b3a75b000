"""Convolution of small groups, several of which share a vector, down to a filter for each channel (depthwise).

Vectors lie along the channels; a tile is neighbouring pixels. It slides its row of taps along a line of pixels, and loads each
pixel once: see tile.py, and lines.py for the tables.
"""

from functools import cache
from math import prod

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import PHASE_BLOCK, REGISTERS
from ...runtime.memory import buffer, zeros
from ...runtime.task import FusedTasks, Task
from ...shapes import ConvSpec
from ..arrays.blocks import blocks_of, clear
from ..arrays.long_sums import is_long, runs_of_block, scratchpads, tile_put_aside, tile_take_back
from ..simd.tile import tile_load, tile_load_part, tile_zero
from ..simd.vector import lanes, lanes_of
from .lines import LineGeometry, Lines, input_grad_lines, line_geometry, output_lines
from .tile import tile_slide, tile_store_lines

FLEXIBLE = 1.4
"""A tile of any number of pixels takes so many times as long as one that is compiled for its number. (Zen 4: 1.2 to 2.3.)"""


@cache
def depthwise_kernel(shape, narrow, long):
    """Return the kernel for tiles of this shape (see Lines.shape); it needs planes of at least so many lines and pixels.

    The same computes the input gradient. `narrow`: there are fewer channels than lanes.
    `long` sums are those of arrays/long_sums.py: `block_rows` rows of taps are a block.
    """
    lines, pixels, stride, whole = shape[0], shape[4], shape[6], shape[4] == shape[10]
    size = lines * pixels

    @jit
    def depthwise(x, w, bias, y, sums, wide, x_lines, y_lines, starts, w_rows, geometry, window, height, block_rows, start, stop):
        g = LineGeometry(*geometry)
        channels, length, count, x_step, y_step, y_line = g.channels, g.size, g.pixels, g.x_step, g.y_step, g.y_line
        tap_rows, rows = len(w_rows), pixels if whole else height
        for unit in range(start, stop):
            image, item = unit // len(y_lines), unit % len(y_lines)
            for p in range(0, count, rows):
                pixel = min(p, count - rows)  # the last tile, and vector, move back and overlap: they only store, so they may
                end = image * g.y_image + y_lines[item] + pixel * y_step
                for block in range(0, channels, lanes(x)):
                    c = 0 if narrow else min(block, channels - lanes(x))
                    tile = tile_load_part(bias, c, 0, size, 1, channels) if narrow else tile_load(bias, c, 0, size, 1)
                    aside, left_of_block = 0, block_rows
                    for r in range(tap_rows):
                        low, first = -starts[r] - pixel * stride, (item * tap_rows + r) * window
                        at, wt = image * g.x_image - low * x_step + c, w_rows[r] + c
                        steps, bounds = (g.w_line, g.w_step, g.w_run), (low, low + length)
                        if narrow:
                            tile = tile_slide(tile, x, at, x_step, x_lines, first, w, wt, steps, bounds, rows, channels, shape)
                        else:
                            tile = tile_slide(tile, x, at, x_step, x_lines, first, w, wt, steps, bounds, rows, 0, shape)
                        if long:
                            left_of_block -= 1
                            if left_of_block == 0:
                                tile_put_aside(tile, sums, wide, 0, aside)
                                tile, aside, left_of_block = tile_zero(x, size, 1), aside + 1, block_rows
                    if long:
                        tile = tile_take_back(tile, sums, wide, 0, aside)
                    if narrow:
                        tile_store_lines(tile, y, end, y_line, y_step, rows, channels, shape)
                    else:
                        tile_store_lines(tile, y, end + c, y_line, y_step, rows, 0, shape)

    return depthwise


@jit
def exchange_channels(w, exchanged, taps, segment, start, stop):
    """Write w (tap, channel in a group, group, filter in it) with each group's channels and filters exchanged; units are taps."""
    filters = len(w) // (taps * segment)
    for tap in range(start, stop):
        for c in range(segment):
            for f in range(filters):
                exchanged[(tap * segment + f % segment) * filters + f // segment * segment + c] = w[
                    (tap * segment + c) * filters + f
                ]


def _fit(lines: Lines) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Return how many lines and pixels of a tile cover a plane at least cost (loads, multiply-adds and stores), and its shape.

    There are up to three shapes, however long lines are: two whole ones, without a branch, of one line or two, and one of any
    number of pixels, which takes FLEXIBLE times as long.
    """
    most = min(14, REGISTERS - 2 - lines.rows * lines.taps)
    whole = [(1, most), (2, most // 2) if min(lines.height, lines.rows) > 1 else (1, most // 2)]

    def cost(tile: tuple[int, int]) -> float:
        line_count, pixels = tile
        tiles = -(-lines.height // line_count) * -(-lines.count // pixels)
        met = len({i * lines.line_stride + r * lines.line_distance for i in range(line_count) for r in range(lines.rows)})
        window = len({i * lines.stride + t * lines.distance for i in range(pixels) for t in range(lines.taps)})
        each = 1 if tile in whole else FLEXIBLE
        return each * tiles * (met * window + line_count * pixels * (lines.rows * lines.taps + 1))

    fitting = [tile for tile in whole if 0 < tile[1] <= lines.count]
    tile = min(fitting + [(1, p) for p in range(min(most, lines.count), 0, -1)], key=cost)
    return tile, lines.shape(*tile, tile[1]) if tile in fitting else lines.shape(1, most)


class _Depthwise:
    """The results of some Lines with everything chosen: an OutputPlan."""

    def __init__(self, lines: Lines, channels: int, dtype: np.dtype, flops: int):
        tile, shape = _fit(lines)
        x_lines, first = lines.tiles(tile[0])
        self.units, self.flops = lines.images * len(first), flops
        self.name = f"depthwise_{dtype.name}_{tile[0] * tile[1]}x{lines.taps}x{lanes_of(dtype)}"
        starts, w_rows = lines.pixels[:: lines.rows].copy(), lines.w_rows[:: lines.rows].copy()
        terms = lines.rows * lines.taps * lines.segment
        long, block_rows = is_long(len(w_rows) * terms, dtype), runs_of_block(terms)
        blocks = len(w_rows) // block_rows + 1 if long else 1
        self._scratchpads = scratchpads(shape[0] * shape[4] * lanes_of(dtype), blocks, dtype)
        geometry = line_geometry(lines, channels)
        self._tables = (x_lines.ravel(), lines.y_lines[first], starts, w_rows, geometry, x_lines.shape[2], tile[1], block_rows)
        self._kernel = depthwise_kernel(shape, channels < lanes_of(dtype), long)
        self._no_bias = zeros(channels, dtype)

    def __call__(self, run, x, w, bias, y):
        run(self.task(x, w, bias, y))

    def task(self, x, w, bias, y):
        """Return the task that computes y, line by line."""
        bias = self._no_bias if bias is None else bias
        return Task(self._kernel, (x, w, bias, y, *self._scratchpads, *self._tables), self.units, self.flops)


class DepthwiseOutputPlan(_Depthwise):
    """The output of a convolution of small groups: an OutputPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(output_lines(spec), spec.channels, dtype, spec.flops)


class DepthwiseInputGradPlan:
    """The input gradient of a convolution of small groups, by phases of the strides: an InputGradPlan."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        phases = input_grad_lines(spec)
        self._phases, self._flops = [_Depthwise(lines, spec.channels, dtype, spec.flops) for lines in phases], spec.flops
        self._units = max((phase.units for phase in self._phases), default=0)
        self._block = max(1, PHASE_BLOCK * self._units // (prod(spec.input_shape) * dtype.itemsize))
        self._covered = len(phases) == prod(spec.stride[-2:])
        self._segment, self._taps = spec.channels // spec.groups, prod(spec.kernel)
        self.name = self._phases[0].name if phases else "depthwise_empty"

    def __call__(self, run, dy, w, dx):
        if not self._covered:
            run(Task(clear, (dx,), blocks_of(dx), dx.size))  # the pixels of a phase that no tap reaches
        if self._segment > 1:
            straight, w = w, buffer(w.size, w.dtype)
            run(Task(exchange_channels, (straight, w, self._taps, self._segment), self._taps))
        if self._phases:
            tasks = [phase.task(dy, w, None, dx) for phase in self._phases]
            run(FusedTasks(tasks, units=self._units, flops=self._flops, block=self._block))
