"""Winograd's convolution F(m x m, 3 x 3): outputs and input gradients with 4 (m = 4) or 2.25 (m = 2) times fewer products.

Patches of (m + 2)^2 pixels and the weights are transformed, multiplied pixel by pixel and summed over channels by the register
tile, and transformed back to m x m outputs. In these sums a NaN or an infinity would spread to all outputs of its tiles, so where
any output is not finite, all are computed again by another kernel.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import PATCHES_BLOCK, WINOGRAD_PATCHES
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..contraction.pack import pad_bias
from ..plan import Packed
from ..simd.tile import fit_vectors
from ..simd.vector import lanes, lanes_of
from .cost import TILE
from .geometry import Blocks, Side, pack_numbers, read_blocks, read_sides
from .steps import MOST_TERMS, outputs_kernel, patches_kernel, products_kernel, weights_kernel

LEAST_UNITS = 4
"""There are at least so many units of work where the shape allows it."""


FIRST, THEN = 0, 1
"""Which of its two passes a kernel makes: what is transformed first, and all else. In one kernel, since each is compiled."""


@cache
def weights_packed_kernel(m, rows, vectors, rotated):
    """Return the kernel for many tiles.

    First all weights are transformed; units are chunks of `vectors` vectors of outputs. Then they are blocks of tiles, group by
    group.
    """
    patches, outputs_back = patches_kernel(m, False), outputs_kernel(m, vectors)
    products, transform_weights, n = products_kernel(m, rows, vectors, False), weights_kernel(m, vectors, rotated), m + 2

    @jit
    def winograd_many(step, x, w, u, bias, y, numbers, v, sums, scratch, turn, failed, start, stop):
        (source, target), g = read_sides(numbers), read_blocks(numbers)
        channels, outputs, groups, chunks, blocks, tiles = g.channels, g.outputs, g.groups, g.chunks, g.blocks, g.tiles
        run, v_step, v_plane, u_plane, plane = g.run, g.v_step, g.v_plane, g.u_plane, g.sums_plane
        size, watch = vectors * lanes(x), 0.0
        if step == FIRST:
            for unit in range(start, stop):
                group, o = unit // chunks, unit % chunks * size
                transform_weights(
                    w, group, groups, channels, outputs, o, 0, channels, u, unit * n * n * u_plane, u_plane, scratch, turn
                )
            return
        for unit in range(start, stop):
            group, block = unit // blocks, unit % blocks
            first, last = tiles * block // blocks, tiles * (block + 1) // blocks
            patches(x, source, group * channels, channels, first, last, v, 0, v_step, v_plane, channels, scratch)
            for chunk in range(chunks):
                at, o = (group * chunks + chunk) * n * n * u_plane, group * outputs + chunk * size
                for c in range(0, channels, run):
                    terms, weights = min(run, channels - c), at + c * size
                    products(v, c, v_step, v_plane, u, weights, size, u_plane, terms, sums, 0, plane, last - first, c == 0)
                watch += outputs_back(sums, plane, target, bias, o, o, outputs - chunk * size, first, last, y, scratch)
        if watch != 0:
            failed[0] = 1

    return winograd_many


@cache
def weights_streamed_kernel(m, rows, vectors, rotated):
    """Return the kernel for few tiles.

    Where there is one group, first all its patches are transformed; units are tiles. Where there are several, v is this thread's
    own, for a group at a time. Then units are chunks of outputs, group by group.
    """
    transform_weights, outputs_back = weights_kernel(m, vectors, rotated), outputs_kernel(m, vectors)
    patches, products = patches_kernel(m, False), products_kernel(m, rows, vectors, False)

    @jit
    def winograd_few(step, x, v, w, bias, y, numbers, u, sums, scratch, turn, failed, start, stop):
        (source, target), g = read_sides(numbers), read_blocks(numbers)
        channels, outputs, groups, chunks, tiles = g.channels, g.outputs, g.groups, g.chunks, g.tiles
        run, v_step, v_plane, u_plane, plane = g.run, g.v_step, g.v_plane, g.u_plane, g.sums_plane
        size, watch = vectors * lanes(w), 0.0
        if step == FIRST:
            patches(x, source, 0, channels, start, stop, v, start * v_step, v_step, v_plane, channels, scratch)
            return
        for unit in range(start, stop):
            group, o = unit // chunks, unit % chunks * size
            if groups > 1 and (unit == start or o == 0):
                patches(x, source, group * channels, channels, 0, tiles, v, 0, v_step, v_plane, channels, scratch)
            for c in range(0, channels, run):
                last = min(c + run, channels)
                transform_weights(w, group, groups, channels, outputs, o, c, last, u, 0, u_plane, scratch, turn)
                products(v, c, v_step, v_plane, u, 0, size, u_plane, last - c, sums, 0, plane, tiles, c == 0)
            watch += outputs_back(
                sums, plane, target, bias, group * outputs + o, group * outputs + o, outputs - o, 0, tiles, y, scratch
            )
        if watch != 0:
            failed[0] = 1

    return winograd_few


def round_up(value: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-value // multiple) * multiple


class WinogradContraction:
    """A 3 x 3 convolution with everything chosen: an OutputPlan.

    With `rotated` it is the convolution of dy with the rotated kernels, whose result is the input gradient.
    """

    def __init__(self, spec: ConvSpec, dtype: np.dtype, m: int, rotated: bool = False):
        n, size = m + 2, lanes_of(dtype)
        before = [pads[0] for pads in spec.pads]
        source, target, channels, outputs = spec.size, spec.outputs, spec.channels, spec.filters
        if rotated:
            source, target, channels, outputs = target, source, outputs, channels
            before = [2 - pad for pad in before]
        grid = [-(-pixels // m) for pixels in target]
        self.tiles = spec.images * grid[0] * grid[1]
        run, self.outputs, self.groups = channels // spec.groups, outputs // spec.groups, spec.groups
        width = round_up(run, size)
        v_step = width + (size if width * dtype.itemsize % 1024 == 0 else 0)
        v_bytes, u_bytes = (n * n * count * width * dtype.itemsize for count in (self.tiles, self.outputs))
        self.few = v_bytes <= min(WINOGRAD_PATCHES, u_bytes)
        shared = -(-LEAST_UNITS // spec.groups)
        block = min(max(14, -(-self.tiles // shared)), max(14, PATCHES_BLOCK // (n * n * width * dtype.itemsize)))
        self.blocks = 1 if self.few else -(-self.tiles // block)
        choices = [v for v in (1, 2, 4) if v == 1 or not self.few or self.outputs > (shared - 1) * v * size]
        rows, vectors = fit_vectors(self.outputs, dtype, tuple(choices))
        chunk = vectors * size
        self.chunks = -(-self.outputs // chunk)
        part = -(-run // -(-run // MOST_TERMS))
        if self.few:
            part = round_up(part, size)
        most = -(-self.tiles // self.blocks)
        held = part if self.few else run
        v_plane, u_plane, plane = most * v_step + size, held * chunk + size, round_up(most, rows) * chunk + size
        self.v_size, self.sums_size, self.scratch_size = n * n * v_plane, n * n * plane, n * n * size
        self.u_size, self.turn_size = n * n * u_plane, 9 * size * size if rotated else 0
        blocks = Blocks(run, self.outputs, spec.groups, self.chunks, self.blocks, v_step, v_plane, u_plane, plane, part, self.tiles)
        self.numbers = pack_numbers(Side(*(*source, channels, *before, *grid)), Side(*(*target, outputs, 0, 0, *grid)), blocks)
        self.flops = spec.flops
        self.name = f"winograd_{dtype.name}_{m}_{rows}x{vectors}x{size}"
        self._kernel = (weights_streamed_kernel if self.few else weights_packed_kernel)(m, rows, vectors, rotated)
        self.no_bias = buffer(outputs + chunk, dtype)
        self.no_bias[:] = 0

    def pack(self, run, w):
        """Return the weights, transformed where that is done for all before they are used: few tiles would wait for longer ones."""
        if self.few:
            return Packed(w, w)
        u, none, units = buffer(self.groups * self.chunks * self.u_size, w.dtype), w[:0], self.groups * self.chunks
        scratchpads = (partial(buffer, size, w.dtype) for size in (self.scratch_size, self.turn_size))
        arguments = none, w, u, none, none, self.numbers, none, none, *scratchpads, np.zeros(1, np.int64)
        run(Task(self._kernel, (FIRST, *arguments), units, 20 * len(u)))
        return Packed(w, u)

    def __call__(self, run, x, w, bias, y):
        """Compute y from flat x, w and bias (None: zero); return whether all of it is finite."""
        failed = np.zeros(1, np.int64)
        w, u = w if isinstance(w, Packed) else self.pack(run, w)
        g, kernel, none, units = self.numbers, self._kernel, x[:0], self.groups * self.chunks
        padded_bias = self.no_bias
        if bias is not None:
            padded_bias = buffer(len(self.no_bias), x.dtype)
            run(Task(pad_bias, (bias, 1, padded_bias), 1))

        def make(size):
            return partial(buffer, size, x.dtype)

        scratchpads = make(self.scratch_size), make(self.turn_size)
        if self.few:
            v: Any = make(self.v_size)
            if self.groups == 1:
                v = v()
                arguments = x, v, w, none, none, g, none, none, *scratchpads, failed
                run(Task(kernel, (FIRST, *arguments), self.tiles, 20 * self.v_size))
            scratch = make(self.u_size), make(self.sums_size), *scratchpads
            run(Task(kernel, (THEN, x, v, w, padded_bias, y, g, *scratch, failed), units, self.flops))
        else:
            scratch = make(self.v_size), make(self.sums_size), *scratchpads
            blocks = self.groups * self.blocks
            run(Task(kernel, (THEN, x, w, u, padded_bias, y, g, *scratch, failed), blocks, self.flops))
        return failed[0] == 0


class WinogradOutputPlan:
    """A convolution's output: an OutputPlan. What isn't finite is left to plan `otherwise()`."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, otherwise: Callable[[], Any], m: int = TILE):
        self._contraction = WinogradContraction(spec, dtype, m)
        self._otherwise, self.name, self.pack = otherwise, self._contraction.name, self._contraction.pack

    def __call__(self, run, x, w, bias, y):
        if not self._contraction(run, x, w, bias, y):
            self._otherwise()(run, x, w.weights if isinstance(w, Packed) else w, bias, y)


class WinogradInputGradPlan:
    """The input gradient: an InputGradPlan. What isn't finite is left to the plan `otherwise()`."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype, otherwise: Callable[[], Any], m: int = TILE):
        self._contraction = WinogradContraction(spec, dtype, m, rotated=True)
        self._otherwise, self.name = otherwise, self._contraction.name

    def __call__(self, run, dy, w, dx):
        if not self._contraction(run, dy, w, None, dx):
            self._otherwise()(run, dy, w, dx)
