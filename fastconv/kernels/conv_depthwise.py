"""Depthwise convolution, a filter for each channel: vectors along the channels, tiles of neighbouring pixels or kernel pixels."""

from functools import cache

import numpy as np

from .._jit import jit
from ..shapes import ConvSpec
from .geometry import pack_geometry, read_geometry, read_weight_layout
from .lowering import Contraction, lower_input_grad, lower_output
from .pack import buffer, pad_rows
from .simd import lanes, lanes_of, vload, vload_part
from .tile import fit_rows, most_rows, tile_load, tile_load_part, tile_store
from .tile_math import tile_patch_scale_add

BLOCK_BYTES = 192 * 1024
"""So much input of a block of lines stays in the second-level cache."""
MOST_TAPS = 25
"""A weight gradient's tile has all kernel pixels up to so many, else one row of them."""


@cache
def depthwise_output_kernel(rows):
    """Return the kernel for tiles of `rows` pixels; it needs lines of at least so many. The same computes the input gradient."""

    @jit
    def conv_depthwise(x, w, bias, y, scratch, geometry, start, stop):
        (
            taps, run, x_lines, y_lines, count, x_step, y_step, x_image, y_image, channels, border_rows, left, width, right, block,
        ) = read_geometry(geometry)  # fmt: skip
        w_taps = read_weight_layout(geometry)[0]
        blocks, row = (len(x_lines) + block - 1) // block, left + width + right
        for item in range(start, stop):
            image, first = item // blocks, item % blocks * block
            last = min(first + block, len(x_lines))
            source, origin = x, image * x_image
            if len(scratch):
                low, high = x_lines[first] // row, (x_lines[last - 1] + taps[-1] + run - 1) // row + 1
                pad_rows(x, image * x_image, border_rows, low, high, left, width, right, scratch)
                source, origin = scratch, -low * row
            for line in range(first, last):
                for p in range(0, count, rows):
                    pixel = min(p, count - rows)  # the last tile moves back and overlaps: it only stores, so it may
                    begin = origin + x_lines[line] + pixel * x_step
                    end = image * y_image + y_lines[line] + pixel * y_step
                    for c in range(0, channels, lanes(x)):
                        part = channels - c
                        if part >= lanes(x):
                            tile = tile_load(bias, c, 0, rows, 1)
                            for t in range(len(taps)):
                                weights = vload(w, w_taps[t] + c)
                                tile = tile_patch_scale_add(tile, source, begin + taps[t] + c, rows, x_step, 0, weights, 0)
                        else:
                            tile = tile_load_part(bias, c, 0, rows, 1, part)
                            for t in range(len(taps)):
                                weights = vload_part(w, w_taps[t] + c, part)
                                tile = tile_patch_scale_add(tile, source, begin + taps[t] + c, rows, x_step, 0, weights, part)
                        tile_store(tile, y, end + c, y_step, part)

    return conv_depthwise


@cache
def depthwise_weight_grad_kernel(tile_taps, columns):
    """Return the kernel for tiles of so many kernel pixels, `columns` of them in a row."""

    @jit
    def conv_depthwise_weight_grad(x, dy, parts, scratch, geometry, column_step, row_step, items, part_count, start, stop):
        (
            taps, run, x_lines, y_lines, count, x_step, y_step, x_image, y_image, channels, border_rows, left, width, right, block,
        ) = read_geometry(geometry)  # fmt: skip
        blocks, row = (len(x_lines) + block - 1) // block, left + width + right
        for part in range(start, stop):
            for item in range(items * part // part_count, items * (part + 1) // part_count):
                image, first = item // blocks, item % blocks * block
                last = min(first + block, len(x_lines))
                source, origin = x, image * x_image
                if len(scratch):
                    low, high = x_lines[first] // row, (x_lines[last - 1] + taps[-1] + run - 1) // row + 1
                    pad_rows(x, image * x_image, border_rows, low, high, left, width, right, scratch)
                    source, origin = scratch, -low * row
                for c in range(0, channels, lanes(x)):
                    valid = channels - c
                    for t in range(0, len(taps), tile_taps):
                        target = (part * len(taps) + t) * channels + c
                        tile = tile_load_part(parts, target, channels, tile_taps, 1, valid)
                        for line in range(first, last):
                            position = origin + x_lines[line] + taps[t] + c
                            at = image * y_image + y_lines[line] + c
                            if valid >= lanes(x):
                                for _ in range(count):
                                    gradient = vload(dy, at)
                                    tile = tile_patch_scale_add(tile, source, position, columns, column_step, row_step, gradient, 0)
                                    position += x_step
                                    at += y_step
                            else:
                                for _ in range(count):
                                    gradient = vload_part(dy, at, valid)
                                    tile = tile_patch_scale_add(
                                        tile, source, position, columns, column_step, row_step, gradient, valid
                                    )
                                    position += x_step
                                    at += y_step
                        tile_store(tile, parts, target, channels, valid)

    return conv_depthwise_weight_grad


class _Depthwise:
    """One depthwise contraction with everything chosen; called with (split, x, w, bias, y), all flat."""

    def __init__(self, contraction: Contraction, dtype: np.dtype, flops: int):
        self.rows = fit_rows(contraction.count, most_rows(1))
        self.block = min(len(contraction.x_lines), max(1, BLOCK_BYTES // contraction.line_bytes(dtype.itemsize)))
        self.units = contraction.images * -(-len(contraction.x_lines) // self.block)
        self.flops, self.name = flops, f"conv_depthwise_{dtype.name}_{self.rows}x{lanes_of(dtype)}"
        self._geometry = pack_geometry(contraction, self.block)
        self._scratch_size = contraction.scratch_size(self.block)
        self._kernel = depthwise_output_kernel(self.rows)
        self._no_bias = np.zeros(contraction.outputs, dtype)

    def __call__(self, split, x, w, bias, y):
        kernel, geometry, size = self._kernel, self._geometry, self._scratch_size
        bias = self._no_bias if bias is None else bias
        split(self.units, lambda a, b: kernel(x, w, bias, y, buffer(size, x.dtype), geometry, a, b), self.flops)


class DepthwiseOutputPlan(_Depthwise):
    """A depthwise convolution's output; called with (split, x, w, bias, y), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        super().__init__(lower_output(spec, depthwise=True), dtype, spec.flops)


class DepthwiseInputGradPlan:
    """A depthwise convolution's input gradient, by phases of the stride; called with (split, dy, w, dx), all flat."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        contractions = lower_input_grad(spec, depthwise=True)
        self._phases = [_Depthwise(c, dtype, spec.flops // len(contractions)) for c in contractions]
        self._covered = all(k >= s for k, s in zip(spec.kernel, spec.stride, strict=True)) and max(spec.dilation) == 1
        self.name = self._phases[0].name if self._phases else "conv_depthwise_empty"

    def __call__(self, split, dy, w, dx):
        if not self._covered:
            dx[:] = 0  # the phases that no tap reaches
        for phase in self._phases:
            phase(split, dy, w, None, dx)


class DepthwiseWeightGradPlan:
    """A depthwise convolution's weight gradient; called with (split, x, dy, dw), all flat.

    The pieces of work are parts of the images, as many as the shape says whatever the number of threads, summed in their order.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        c = lower_output(spec, depthwise=True)
        columns = spec.kernel[-1]
        rows = (
            spec.kernel[-2] if len(spec.kernel) > 1 and columns * spec.kernel[-2] <= min(MOST_TAPS, most_rows(1, MOST_TAPS)) else 1
        )
        columns_in_tile = columns if columns <= most_rows(1, MOST_TAPS) else 1
        tile_taps = rows * columns_in_tile
        block = min(len(c.x_lines), max(1, BLOCK_BYTES // (2 * c.line_bytes(dtype.itemsize))))
        items = c.images * -(-len(c.x_lines) // block)
        self._parts = 1 if spec.flops < 2**22 else min(items, 8)
        self.flops, self.name = spec.flops, f"conv_depthwise_weight_{dtype.name}_{tile_taps}x{lanes_of(dtype)}"
        column_step = int(c.taps[1] - c.taps[0]) if columns > 1 else 0
        row_step = int(c.taps[columns] - c.taps[0]) if len(spec.kernel) > 1 and spec.kernel[-2] > 1 else 0
        self._cut = (column_step, row_step, items, self._parts)
        self._geometry, self._scratch_size = pack_geometry(c, block), c.scratch_size(block)
        self._kernel = depthwise_weight_grad_kernel(tile_taps, columns_in_tile)

    def __call__(self, split, x, dy, dw):
        kernel, geometry, size, cut = self._kernel, self._geometry, self._scratch_size, self._cut
        parts = buffer(self._parts * len(dw), x.dtype)
        parts[:] = 0
        split(self._parts, lambda a, b: kernel(x, dy, parts, buffer(size, x.dtype), geometry, *cut, a, b), self.flops)
        np.add.reduce(parts.reshape(self._parts, -1), axis=0, out=dw)
