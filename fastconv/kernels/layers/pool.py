"""Max, min and average pooling and their gradients, channels-last, with vectors along the channels.

All axes are three (depth, height, width; missing ones are 1). Tables say which pixels each output's window covers, so that
padding, overhang and adaptive windows are all alike here. Units are images.
"""

from functools import cache

import numpy as np

from ...runtime.call import Call
from ...runtime.jit import jit
from ...runtime.memory import buffer
from ...shapes import PoolSpec
from ..arrays.blocks import blocks_of, clear, convert
from ..arrays.long_sums import BLOCK_TERMS, ONE_SUM, vnarrow, vwide_add, vwide_splat
from ..simd.vector import lanes, vadd, vdiv, vload_part, vmatch, vpick, vsplat, vstore_part, vunmatch, vzero

MAX, MIN, SUM = 0, 1, 2
EMPTY = (-np.inf, np.inf, 0.0)
"""What each of these gives for no pixels."""
ALL, FIRST, SPLIT = 0, 1, 2
UNROLLED_WINDOWS = ((1, 2, 2), (1, 3, 3))
"""These windows, where none leaves the image, have kernels of their own."""
READ_FLOPS = 4
"""An element that is read takes the time of about so many floating-point operations."""
TINY_READS = 2_000
"""Work below this isn't worth a kernel of its own."""
TIES = {"all": ALL, "first": FIRST, "split": SPLIT}
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
MOST_FLOAT32 = 2**24
"""Up to so many equal maxima can be counted in float32."""
NUMBERS = 10
"""How many numbers stand before the windows in a geometry."""


@jit
def read_geometry(g):
    """Return a PoolPlan's size, channels, outputs, dilation, and where the three axes' windows start in g."""
    outputs = (g[4], g[5], g[6])
    first = (NUMBERS, NUMBERS + 3 * outputs[0], NUMBERS + 3 * (outputs[0] + outputs[1]))
    return (g[0], g[1], g[2]), g[3], outputs, (g[7], g[8], g[9]), first


@jit
def window(g, first, output, dilation, whole):
    """Return range(first pixel, end, step)'s arguments for an output along one axis, and how many pixels it counts.

    `whole` is the window's extent where it is known when the kernel is compiled and no window leaves the image, so that the
    compiler unrolls its loops, and 0 elsewhere.
    """
    at = first + 3 * output
    if whole:
        return g[at], g[at] + whole, 1, whole
    return g[at], g[at + 1], dilation, g[at + 2]


@cache
def pool_kernel(pick, whole):
    """Return the forward kernel that picks the maximum, the minimum, or sums (for the average); `whole` is as in `window`."""

    empty = EMPTY[pick]

    @jit
    def pool(x, y, geometry, divisor, start, stop):
        size, channels, outputs, dilation, first = read_geometry(geometry)
        for n in range(start, stop):
            for od, oh in np.ndindex(outputs[:2]):
                d0, d1, ds, d_count = window(geometry, first[0], od, dilation[0], whole[0])
                h0, h1, hs, h_count = window(geometry, first[1], oh, dilation[1], whole[1])
                for ow in range(outputs[2]):
                    w0, w1, ws, w_count = window(geometry, first[2], ow, dilation[2], whole[2])
                    target = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
                    count = divisor if divisor else d_count * h_count * w_count
                    for c in range(0, channels, lanes(x)):
                        result = vsplat(x, empty)
                        for d in range(d0, d1, ds):
                            for h in range(h0, h1, hs):
                                row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                                for w in range(w0, w1, ws):
                                    result = vpick(pick, result, vload_part(x, row + w * channels, channels - c))
                        if pick == SUM:
                            result = vdiv(result, vsplat(x, count))
                        vstore_part(y, target + c, result, channels - c)

    return pool


@jit
def average_in_blocks(x, y, geometry, divisor, start, stop):
    """As pool_kernel(SUM), for windows of many pixels: up to BLOCK_TERMS at a time, and these sums in float64."""
    size, channels, outputs, dilation, first = read_geometry(geometry)
    for n in range(start, stop):
        for od, oh, ow in np.ndindex(outputs):
            d0, d1, ds, d_count = window(geometry, first[0], od, dilation[0], 0)
            h0, h1, hs, h_count = window(geometry, first[1], oh, dilation[1], 0)
            w0, w1, ws, w_count = window(geometry, first[2], ow, dilation[2], 0)
            target = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
            count = divisor if divisor else d_count * h_count * w_count
            rows, pixels = (h1 - h0 + hs - 1) // hs, (w1 - w0 + ws - 1) // ws
            down, across = hs * size[2] * channels, ws * channels
            if rows > pixels:
                rows, pixels, down, across = pixels, rows, across, down
            for c in range(0, channels, lanes(x)):
                part, filled = channels - c, 0
                i = j = k = m = vzero(x)
                total = vwide_splat(x, 0)
                for d in range(d0, d1, ds):
                    for row in range(rows):
                        at, left = (((n * size[0] + d) * size[1] + h0) * size[2] + w0) * channels + c + row * down, pixels
                        while left > 0:
                            here = min(left, BLOCK_TERMS - filled)
                            for _ in range(here // 4):
                                i, j = vadd(i, vload_part(x, at, part)), vadd(j, vload_part(x, at + across, part))
                                k = vadd(k, vload_part(x, at + 2 * across, part))
                                m = vadd(m, vload_part(x, at + 3 * across, part))
                                at += 4 * across
                            for _ in range(here % 4):
                                i = vadd(i, vload_part(x, at, part))
                                at += across
                            filled += here
                            left -= here
                            if filled == BLOCK_TERMS:
                                total = vwide_add(total, vadd(vadd(i, j), vadd(k, m)))
                                i = j = k = m = vzero(x)
                                filled = 0
                total = vwide_add(total, vadd(vadd(i, j), vadd(k, m)))
                vstore_part(y, target + c, vnarrow(x, vdiv(total, vwide_splat(x, count))), part)


@cache
def pool_index_kernel(pick):
    """Return the kernel that also writes where each window's first maximum (or minimum, or NaN) is, within its channel."""

    @jit
    def pool_index(x, y, indices, geometry, start, stop):
        size, channels, outputs, dilation, first = read_geometry(geometry)
        for n in range(start, stop):
            for od, oh, ow in np.ndindex(outputs):
                d0, d1, ds, _ = window(geometry, first[0], od, dilation[0], 0)
                h0, h1, hs, _ = window(geometry, first[1], oh, dilation[1], 0)
                w0, w1, ws, _ = window(geometry, first[2], ow, dilation[2], 0)
                target = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
                for c in range(channels):
                    at = (d0 * size[1] + h0) * size[2] + w0
                    best = x[(n * size[0] * size[1] * size[2] + at) * channels + c]
                    for d in range(d0, d1, ds):
                        for h in range(h0, h1, hs):
                            for w in range(w0, w1, ws):
                                pixel = (d * size[1] + h) * size[2] + w
                                value = x[(n * size[0] * size[1] * size[2] + pixel) * channels + c]
                                better = value > best if pick == MAX else value < best
                                if better or (np.isnan(value) and not np.isnan(best)):
                                    at, best = pixel, value
                    y[target + c], indices[target + c] = best, at

    return pool_index


@cache
def pick_grad_kernel(pick, ties, disjoint, whole):
    """Return the gradient kernel of max or min pooling; `disjoint` windows store their gradient, others add it."""

    empty = EMPTY[pick]

    @jit
    def pick_grad(dy, x, dx, geometry, start, stop):
        size, channels, outputs, dilation, first = read_geometry(geometry)
        for n in range(start, stop):
            for od, oh in np.ndindex(outputs[:2]):
                d0, d1, ds, _ = window(geometry, first[0], od, dilation[0], whole[0])
                h0, h1, hs, _ = window(geometry, first[1], oh, dilation[1], whole[1])
                for ow in range(outputs[2]):
                    w0, w1, ws, _ = window(geometry, first[2], ow, dilation[2], whole[2])
                    source = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
                    for c in range(0, channels, lanes(x)):
                        best, part = vsplat(x, empty), channels - c
                        for d in range(d0, d1, ds):
                            for h in range(h0, h1, hs):
                                row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                                for w in range(w0, w1, ws):
                                    best = vpick(pick, best, vload_part(x, row + w * channels, part))
                        gradient, ones = vload_part(dy, source + c, part), vsplat(x, 0)
                        if ties == SPLIT:
                            for d in range(d0, d1, ds):
                                for h in range(h0, h1, hs):
                                    row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                                    for w in range(w0, w1, ws):
                                        value = vload_part(x, row + w * channels, part)
                                        ones = vadd(ones, vmatch(value, best, vsplat(x, 1)))
                            gradient = vdiv(gradient, ones)
                        for d in range(d0, d1, ds):
                            for h in range(h0, h1, hs):
                                row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                                for w in range(w0, w1, ws):
                                    at = row + w * channels
                                    value = vload_part(x, at, part)
                                    share = vmatch(value, best, gradient)
                                    if ties == FIRST:
                                        gradient = vunmatch(value, best, gradient)
                                    if not disjoint:
                                        share = vadd(share, vload_part(dx, at, part))
                                    vstore_part(dx, at, share, part)

    return pick_grad


@jit
def average_grad(dy, dx, geometry, divisor, start, stop):
    """Add each output's gradient, divided by its window's count, to the window's pixels."""
    size, channels, outputs, dilation, first = read_geometry(geometry)
    for n in range(start, stop):
        for od, oh, ow in np.ndindex(outputs):
            d0, d1, ds, d_count = window(geometry, first[0], od, dilation[0], 0)
            h0, h1, hs, h_count = window(geometry, first[1], oh, dilation[1], 0)
            w0, w1, ws, w_count = window(geometry, first[2], ow, dilation[2], 0)
            source = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
            count = divisor if divisor else d_count * h_count * w_count
            for c in range(0, channels, lanes(dy)):
                part = channels - c
                share = vdiv(vload_part(dy, source + c, part), vsplat(dy, count))
                for d in range(d0, d1, ds):
                    for h in range(h0, h1, hs):
                        row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                        for w in range(w0, w1, ws):
                            at = row + w * channels
                            vstore_part(dx, at, vadd(share, vload_part(dx, at, part)), part)


def _overlap(table: np.ndarray) -> int:
    """Return how many windows along an axis meet in one pixel, at most."""
    first, end = table[:, 0], table[:, 1]
    return int((np.arange(1, len(table) + 1) - np.searchsorted(end, first, side="right")).max())


class PoolPlan:
    """One pooling with its geometry in three axes; forward and gradient called with flat arrays.

    `count_padding` says whether an average counts the padding's pixels too.
    """

    def __init__(self, spec: PoolSpec, count_padding: bool = False):
        fill, axes = 3 - len(spec.size), range(len(spec.size))
        windows = [(np.zeros(1, np.int64), np.ones(1, np.int64), np.ones(1, np.int64))] * fill + [spec.windows(a) for a in axes]
        size, outputs, dilation = ((1,) * fill + v for v in (spec.size, spec.outputs, spec.dilation))
        tables = [
            np.stack([first, end, counted if count_padding else -((first - end) // step)], axis=1)
            for (first, end, counted), step in zip(windows, dilation, strict=True)
        ]
        numbers = np.array((*size, spec.channels, *outputs, *dilation), np.int64)
        self.images, self.geometry = spec.images, np.concatenate([numbers, *(table.ravel() for table in tables)])
        self.disjoint = all((table[:-1, 1] <= table[1:, 0]).all() for table in tables)
        joined = all(d == 1 and (t[1:, 0] == t[:-1, 1]).all() for t, d in zip(tables, dilation, strict=True))
        ends = all(t[0, 0] == 0 and t[-1, 1] == n for t, n in zip(tables, size, strict=True))
        self.covered = joined and ends
        extents = tuple(int(table[0, 1] - table[0, 0]) for table in tables)
        same = all((t[:, 1] - t[:, 0] == e).all() and (t[:, 2] == e).all() for t, e in zip(tables, extents, strict=True))
        reads = int(np.prod(extents)) * int(np.prod(spec.output_shape))
        self.flops = READ_FLOPS * reads
        self.whole = extents if same and extents in UNROLLED_WINDOWS and reads > TINY_READS else (0, 0, 0)
        self._overlap = int(np.prod([_overlap(table) for table in tables]))
        self._most = int(np.prod([(-((t[:, 0] - t[:, 1]) // d)).max() for t, d in zip(tables, dilation, strict=True)]))

    def pick(self, split, pick, x, y):
        """Max or min pooling of x into y."""
        split(self.images, Call(pool_kernel(pick, self.whole), x, y, self.geometry, 0), self.flops)

    def pick_index(self, split, pick, x, y, indices):
        """Max or min pooling of x into y, and into indices where each window's is: flat over the image's spatial axes."""
        split(self.images, Call(pool_index_kernel(pick), x, y, indices, self.geometry), 4 * self.flops)

    def pick_grad(self, split, pick, ties, dy, x, dx):
        """The gradient of max or min pooling, by the rule for ties; the caller's dx is overwritten."""
        if self._adds_many(dx) or (dx.dtype == FLOAT32 and self._most > MOST_FLOAT32):
            wide = self._widened(split, dy), self._widened(split, x), buffer(dx.size, FLOAT64)
            self.pick_grad(split, pick, ties, *wide)
            split(blocks_of(dx), Call(convert, wide[-1], dx), dx.size)
            return
        kernel = pick_grad_kernel(pick, ties, int(self.disjoint), self.whole)
        if not self.covered:
            split(blocks_of(dx), Call(clear, dx), dx.size)
        split(self.images, Call(kernel, dy, x, dx, self.geometry), 3 * self.flops)

    def average(self, split, divisor, x, y):
        """Average pooling of x into y; a divisor other than 0 takes the place of each window's count."""
        call = Call(pool_kernel(SUM, self.whole), x, y, self.geometry, divisor)
        if self._most > BLOCK_TERMS and x.dtype == FLOAT32:
            call = Call(average_in_blocks, x, y, self.geometry, divisor)
        split(self.images, call, self.flops)

    def average_grad(self, split, divisor, dy, dx):
        """The gradient of average pooling; the caller's dx is overwritten."""
        if self._adds_many(dx):
            wide = buffer(dx.size, FLOAT64)
            self.average_grad(split, divisor, self._widened(split, dy), wide)
            split(blocks_of(dx), Call(convert, wide, dx), dx.size)
            return
        split(blocks_of(dx), Call(clear, dx), dx.size)
        split(self.images, Call(average_grad, dy, dx, self.geometry, divisor), self.flops)

    def _adds_many(self, dx):
        """Return whether so many windows overlap that a pixel's gradients, one added to the other, need more than float32."""
        return self._overlap > ONE_SUM and dx.dtype == FLOAT32

    def _widened(self, split, array):
        """Return an array as float64."""
        wide = buffer(array.size, FLOAT64)
        split(blocks_of(array), Call(convert, array, wide), array.size)
        return wide
