"""Convolution of small groups, several of which share a vector, down to a filter for each channel (depthwise).

Vectors lie along the channels; a tile is neighbouring pixels, or taps. It slides its row of taps along a line of pixels, and
loads each pixel once: see tile_slide.py, and lines.py for the tables.
"""

from functools import cache
from math import prod

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec
from .call import Call, Chain
from .lines import Lines, input_grad_lines, output_lines
from .pack import buffer
from .simd import REGISTERS, VECTOR_BYTES, lanes, lanes_of
from .tile import fit_rows, tile_load, tile_load_part, tile_store, tile_zero
from .tile_slide import tile_fold_add, tile_slide, tile_slide_grad

BLOCK_BYTES = 24 * 1024
"""A weight gradient's tile takes so many lines that one vector of their pixels stays in the first-level cache for all tap rows."""
PHASE_BYTES = 512 * 1024
"""So much of the input gradient stays in the second-level cache for all phases of the stride."""
PARTIAL_SUMS = 8
"""A weight gradient's tile has at least so many rows: two multiply-adds a cycle, each of which waits four for the one before."""


@cache
def slide_output_kernel(rows, taps, stride, distance, segment, edge, narrow):
    """Return the kernel for tiles of `rows` pixels; it needs lines of at least so many. The same computes the input gradient.

    `narrow`: there are fewer channels than lanes.
    """

    @jit
    def conv_slide(x, w, bias, y, x_lines, y_lines, pixels, w_rows, numbers, start, stop):
        channels, size, count, x_step, y_step, w_step, w_run, x_image, y_image = numbers
        lines, tap_rows = len(y_lines), len(w_rows)
        for unit in range(start, stop):
            image, line = unit // lines, unit % lines
            for p in range(0, count, rows):
                pixel = min(p, count - rows)  # the last tile, and vector, move back and overlap: they only store, so they may
                end = image * y_image + y_lines[line] + pixel * y_step
                for block in range(0, channels, lanes(x)):
                    c = 0 if narrow else min(block, channels - lanes(x))
                    tile = tile_load_part(bias, c, 0, rows, 1, channels) if narrow else tile_load(bias, c, 0, rows, 1)
                    for r in range(tap_rows):
                        source = x_lines[line * tap_rows + r]
                        if source < 0:
                            continue
                        low, high = -pixels[r] - pixel * stride, size - pixels[r] - pixel * stride
                        at, wt = image * x_image + source - low * x_step + c, w_rows[r] + c
                        if narrow:
                            tile = tile_slide(
                                tile,
                                x,
                                at,
                                x_step,
                                w,
                                wt,
                                w_step,
                                w_run,
                                taps,
                                stride,
                                distance,
                                segment,
                                edge,
                                low,
                                high,
                                channels,
                            )
                        else:
                            tile = tile_slide(
                                tile, x, at, x_step, w, wt, w_step, w_run, taps, stride, distance, segment, edge, low, high, 0
                            )
                    tile_store(tile, y, end + c, y_step, channels if narrow else lanes(x))

    return conv_slide


@cache
def slide_weight_grad_kernel(rows, taps, stride, distance, segment, edge, narrow, sums):
    """Return the kernel that takes `rows` pixels at once and, where fewer are left, one, with `sums` partial sums for a tap.

    It adds to parts[part][tap row][tap, channel of a segment][lanes of all vectors], the last of which moves back.
    """
    tile_rows, one_edge = taps * segment * sums, (taps - 1) * distance + 1

    @jit
    def conv_slide_weight_grad(x, dy, parts, x_lines, y_lines, pixels, numbers, block, part_count, start, stop):
        channels, size, count, x_step, y_step, w_step, w_run, x_image, y_image, images = numbers
        lines, tap_rows = len(y_lines), len(pixels)
        blocks, vectors = (lines + block - 1) // block, (channels + lanes(x) - 1) // lanes(x)
        items, room = images * blocks, vectors * lanes(x)
        for part in range(start // vectors, (stop + vectors - 1) // vectors):
            for item in range(items * part // part_count, items * (part + 1) // part_count):
                image, first = item // blocks, item % blocks * block
                for unit in range(max(start, part * vectors), min(stop, (part + 1) * vectors)):
                    vector = (unit - part * vectors) * lanes(x)
                    c = 0 if narrow else min(vector, channels - lanes(x))
                    for r in range(tap_rows):
                        tile = tile_zero(x, tile_rows, 1)
                        for line in range(first, min(first + block, lines)):
                            source = x_lines[line * tap_rows + r]
                            if source < 0:
                                continue
                            left, end = image * x_image + source + c, image * y_image + y_lines[line] + c
                            pixel = 0
                            while pixel + rows <= count:
                                low, high = -pixels[r] - pixel * stride, size - pixels[r] - pixel * stride
                                at, here = left - low * x_step, end + pixel * y_step
                                if narrow:
                                    tile = tile_slide_grad(
                                        tile, x, at, x_step, dy, here, y_step, rows, taps, stride, distance,
                                        segment, edge, low, high, channels,
                                    )  # fmt: skip
                                else:
                                    tile = tile_slide_grad(
                                        tile, x, at, x_step, dy, here, y_step, rows, taps, stride, distance,
                                        segment, edge, low, high, 0,
                                    )  # fmt: skip
                                pixel += rows
                            for left_over in range(pixel, count):
                                low, high = -pixels[r] - left_over * stride, size - pixels[r] - left_over * stride
                                at, here = left - low * x_step, end + left_over * y_step
                                tile = tile_slide_grad(
                                    tile, x, at, x_step, dy, here, y_step, 1, taps, stride, distance,
                                    segment, one_edge, low, high, channels - c,
                                )  # fmt: skip
                        tile_fold_add(tile, parts, (part * tap_rows + r) * taps * segment * room + vector, room, sums)

    return conv_slide_weight_grad


def _numbers(lines: Lines, channels: int) -> tuple[int, ...]:
    return (channels, lines.size, lines.count, lines.x_step, lines.y_step, lines.w_step, lines.w_run, lines.x_image, lines.y_image)


class _Slide:
    """The results of some Lines with everything chosen; called with (split, x, w, bias, y), all flat."""

    def __init__(self, lines: Lines, channels: int, dtype: np.dtype, flops: int):
        rows = fit_rows(lines.count, min(14, REGISTERS - 2 - lines.taps))
        self.units, self.flops = lines.images * len(lines.y_lines), flops
        self.name = f"conv_slide_{dtype.name}_{rows}x{lines.taps}x{lanes_of(dtype)}"
        self._tables = (lines.x_lines.ravel(), lines.y_lines, lines.pixels, lines.w_rows, _numbers(lines, channels))
        self._kernel = slide_output_kernel(rows, *lines.steps(rows), channels < lanes_of(dtype))
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
    """The input gradient of a convolution of small groups, by phases of the stride; called with (split, dy, w, dx), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        phases = input_grad_lines(spec)
        self._phases, self._flops = [_Slide(lines, spec.channels, dtype, spec.flops) for lines in phases], spec.flops
        self._block = max(1, PHASE_BYTES // (spec.size[-1] * spec.channels * dtype.itemsize))
        self._covered = len(phases) == spec.stride[-1]
        self._packing = (-1, spec.channels // spec.groups, spec.groups, spec.channels // spec.groups)
        self.name = self._phases[0].name if phases else "conv_slide_empty"

    def __call__(self, split, dy, w, dx):
        if not self._covered:
            dx[:] = 0  # the pixels of a phase that no tap reaches
        if self._packing[1] > 1:
            w = np.ascontiguousarray(w.reshape(self._packing).swapaxes(1, 3)).reshape(-1)
        if self._phases:
            phases = Chain([phase.call(dy, w, None, dx) for phase in self._phases], self._block)
            split(self._phases[0].units, phases, self._flops)


class SlideWeightGradPlan:
    """The weight gradient of a convolution of small groups; called with (split, x, dy, dw), all flat.

    The pieces of work are vectors of channels and, where these are few, parts of the lines, as many as the shape says whatever the
    number of threads, summed in their order.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        lines, self._lanes, self._channels = output_lines(spec), lanes_of(dtype), spec.channels
        vectors, sums = -(-spec.channels // self._lanes), -(-PARTIAL_SUMS // (lines.taps * lines.segment))
        rows = min(range(1, min(lines.count, 14) + 1), key=lambda n: lines.count // n * (n + 1) + lines.count % n * 3)
        parts = 1 if spec.flops < 2**22 else min(lines.images * len(lines.y_lines), -(-8 // vectors))
        self.flops, self.name = spec.flops, f"conv_slide_weight_{dtype.name}_{rows}x{lines.taps}x{self._lanes}"
        block = max(1, BLOCK_BYTES // (VECTOR_BYTES * (lines.size + lines.count)))
        numbers = (*_numbers(lines, spec.channels), lines.images)
        self._tables = (lines.x_lines.ravel(), lines.y_lines, lines.pixels, numbers, block, parts)
        self._kernel = slide_weight_grad_kernel(rows, *lines.steps(rows), spec.channels < self._lanes, sums)
        self._units, self._shape = vectors * parts, (parts, prod(spec.weight_shape[:-1]), vectors * self._lanes)

    def __call__(self, split, x, dy, dw):
        kernel, tables, channels, room = self._kernel, self._tables, self._channels, self._shape[-1]
        parts = buffer(prod(self._shape), x.dtype)
        parts[:] = 0
        split(self._units, Call(kernel, x, dy, parts, *tables), self.flops)
        total, dw = np.add.reduce(parts.reshape(self._shape), axis=0), dw.reshape(-1, channels)
        whole = channels - channels % self._lanes
        dw[:, :whole] = total[:, :whole]
        if whole < channels:
            last = min(self._lanes, channels)
            dw[:, channels - last :] = total[:, room - self._lanes : room - self._lanes + last]
