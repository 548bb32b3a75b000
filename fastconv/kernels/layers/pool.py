"""Max, min and average pooling and their gradients, channels-last, with vectors along the channels.

All axes are three (depth, height, width; missing ones are 1). Tables say which pixels each output's window covers, so that
padding, overhang and adaptive windows are all alike here. Units are images.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from ...runtime.jit import jit
from ..arrays.long_sums import BLOCK_TERMS, vnarrow, vwide_add, vwide_splat
from ..simd.vector import lanes, vadd, vdiv, vload_part, vmatch, vpick, vsplat, vstore_part, vunmatch, vzero

MAX, MIN, SUM = 0, 1, 2
EMPTY = (-np.inf, np.inf, 0.0)
"""What each of these gives for no pixels."""
ALL, FIRST, SPLIT = 0, 1, 2
TIES = {"all": ALL, "first": FIRST, "split": SPLIT}
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
NUMBERS = 10
"""How many numbers stand before the windows in a geometry."""


class PoolGeometry(NamedTuple):
    """A PoolPlan's numbers; those of three axes are tuples."""

    size: tuple[int, int, int]
    outputs: tuple[int, int, int]
    dilation: tuple[int, int, int]
    first: tuple[int, int, int]
    """Where each axis's windows start in the packed array."""
    channels: int


@jit
def read_geometry(packed):
    """Return the numbers that a PoolPlan has packed: size, outputs, dilation, channels, and then the windows."""
    size, outputs, dilation = to_fixed_tuple(packed[:3], 3), to_fixed_tuple(packed[3:6], 3), to_fixed_tuple(packed[6:9], 3)
    first = (NUMBERS, NUMBERS + 3 * outputs[0], NUMBERS + 3 * (outputs[0] + outputs[1]))
    return PoolGeometry(size, outputs, dilation, first, packed[9])


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
        size, outputs, dilation, first, channels = read_geometry(geometry)
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
    size, outputs, dilation, first, channels = read_geometry(geometry)
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
        size, outputs, dilation, first, channels = read_geometry(geometry)
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
        size, outputs, dilation, first, channels = read_geometry(geometry)
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
    size, outputs, dilation, first, channels = read_geometry(geometry)
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
