"""The weight gradient by Winograd's convolution: transformed patches of images times those of gradients, summed over tiles."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import WINOGRAD_CHUNK, WINOGRAD_SUMS
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.blocks import add_parts, add_wide_parts, blocks_of
from ..simd.tile import choose_tile
from ..simd.vector import lanes, lanes_of
from .cost import TILE
from .geometry import GradientBlocks, Side, pack_numbers, read_gradient_blocks, read_sides
from .output import round_up
from .steps import MOST_TERMS, patches_kernel, products_kernel, weight_grads_kernel

SPAN = 16
"""So many chunks' sums are added up before they are transformed back. If there are more, their gradients are added in float64."""
PARTS = 4
"""Where there are few blocks, the tiles are cut into parts, so that there are so many units of work."""


@cache
def winograd_weight_grad_kernel(m, rows, vectors, wide):
    """Return the kernel; units are blocks of filters, of channels, parts of the tiles, and groups, the first of these fastest."""
    patches, gradients = patches_kernel(m, False), patches_kernel(m, True)
    products, gradients_back = products_kernel(m, rows, vectors, True), weight_grads_kernel(m, vectors, wide)

    @jit
    def winograd_weight_grad(x, dy, parts, numbers, v, z, sums, scratch, failed, start, stop):
        (source, target), g = read_sides(numbers), read_gradient_blocks(numbers)
        channels, filters, groups, tiles, chunk, span = g.channels, g.filters, g.groups, g.tiles, g.chunk, g.span
        part_count, c_blocks, f_blocks, c_block, f_block = g.parts, g.c_blocks, g.f_blocks, g.c_block, g.f_block
        v_step, v_plane, z_step, z_plane, plane = g.v_step, g.v_plane, g.z_step, g.z_plane, g.sums_plane
        size, watch = vectors * lanes(x), 0.0
        for unit in range(start, stop):
            f, c = unit % f_blocks * f_block, unit // f_blocks % c_blocks * c_block
            part, group = unit // (f_blocks * c_blocks) % part_count, unit // (f_blocks * c_blocks * part_count)
            c_count, f_count = min(c_block, channels - c), min(f_block, filters - f)
            c_rows = (c_count + rows - 1) // rows * rows
            begin, end = tiles * part // part_count, tiles * (part + 1) // part_count
            row = channels * groups * filters
            at = part * 9 * row + c * groups * filters + group * filters + f
            for spanned in range(begin, end, span):
                for first in range(spanned, min(spanned + span, end), chunk):
                    last = min(first + chunk, end)
                    patches(x, source, group * channels + c, c_count, first, last, v, 0, v_step, v_plane, c_rows, scratch)
                    gradients(dy, target, group * filters + f, f_count, first, last, z, 0, z_step, z_plane, z_step, scratch)
                    for o in range(0, f_count, size):
                        products(
                            v, 0, v_step, v_plane, z, o, z_step, z_plane, last - first, sums, o * c_rows, plane, c_rows,
                            first == spanned,
                        )  # fmt: skip
                for o in range(0, f_count, size):
                    watch += gradients_back(
                        sums,
                        o * c_rows,
                        plane,
                        c_count,
                        f_count - o,
                        parts,
                        at + o,
                        groups * filters,
                        row,
                        scratch,
                        spanned == begin,
                    )
        if watch != 0:
            failed[0] = 1

    return winograd_weight_grad


class WinogradWeightGradPlan:
    """The weight gradient of 3 x 3 kernels: a WeightGradPlan. What isn't finite is left to `otherwise()`.

    The number of parts into which the tiles are cut depends on the shape only, and they are summed in their order.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype, otherwise: Callable[[], Any], m: int = TILE):
        self._otherwise = otherwise
        n, size, item = m + 2, lanes_of(dtype), dtype.itemsize
        grid = [-(-pixels // m) for pixels in spec.outputs]
        tiles, groups = spec.images * grid[0] * grid[1], spec.groups
        channels, filters = spec.channels // groups, spec.filters // groups
        f_block = round_up(filters, size)
        while f_block > 128:
            f_block = round_up(f_block // 2, size)
        c_block = min(channels, max(size, WINOGRAD_SUMS // (n * n * f_block * item)))
        c_block = -(-channels // -(-channels // c_block))  # blocks of one size, nearly
        rows, vectors = choose_tile(c_block, f_block, dtype, (1, 2, 4))
        f_block = round_up(f_block, vectors * size)
        c_blocks, f_blocks, c_rows = -(-channels // c_block), -(-filters // f_block), round_up(c_block, rows)
        v_step, z_step = round_up(c_rows, size), f_block
        chunk = min(MOST_TERMS, max(8, WINOGRAD_CHUNK // (n * n * (v_step + z_step) * item)))
        self._parts = max(1, min(-(-PARTS // (c_blocks * f_blocks * groups)), tiles // 32))
        longest = -(-tiles // self._parts)
        chunk = -(-longest // -(-longest // chunk))  # chunks of one size, nearly
        v_plane, z_plane, plane = chunk * v_step + size, chunk * z_step + size, c_rows * f_block + size
        self._sizes = (n * n * v_plane, n * n * z_plane, n * n * plane, n * n * size)
        source = Side(*(*spec.size, spec.channels, *(before for before, _ in spec.pads), *grid))
        blocks = GradientBlocks(
            channels, filters, groups, self._parts, c_blocks, f_blocks, c_block, f_block, chunk, tiles,
            v_step, v_plane, z_step, z_plane, plane, SPAN * chunk,
        )  # fmt: skip
        self._numbers = pack_numbers(source, Side(*(*spec.outputs, spec.filters, 0, 0, *grid)), blocks)
        self.units, self.flops = groups * self._parts * c_blocks * f_blocks, spec.flops
        self.name = f"winograd_weight_{dtype.name}_{m}_{rows}x{vectors}x{size}"
        wide = longest > SPAN * chunk
        self._dtype = np.dtype(np.float64) if wide else dtype
        self._kernel = winograd_weight_grad_kernel(m, rows, vectors, wide)

    def __call__(self, run, x, dy, dw):
        kernel, numbers = self._kernel, self._numbers
        in_place = self._parts == 1 and self._dtype == dw.dtype
        parts = dw if in_place else buffer(self._parts * len(dw), self._dtype)
        failed = np.zeros(1, np.int64)
        scratch = (partial(buffer, size, x.dtype) for size in self._sizes)
        run(Task(kernel, (x, dy, parts, numbers, *scratch, failed), self.units, self.flops))
        if failed[0]:
            self._otherwise()(run, x, dy, dw)
        elif not in_place:
            run(Task(add_parts if self._dtype == dw.dtype else add_wide_parts, (parts, dw), blocks_of(dw), len(parts)))
