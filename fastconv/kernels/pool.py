"""Max, min and average pooling and their gradients, channels-last, with vectors along the channels.

All axes are three (depth, height, width; missing ones are 1). Windows are clipped at the image's edge. Units are images.
"""

from functools import cache

import numpy as np

from .._jit import jit
from ..shapes import PoolSpec
from .simd import lanes, vadd, vdiv, vload_part, vmatch, vmul, vpick, vsplat, vstore_part, vunmatch

MAX, MIN, SUM = 0, 1, 2
ALL, FIRST, SPLIT = 0, 1, 2
UNROLLED_WINDOWS = ((1, 2, 2), (1, 3, 3))
"""These windows, without padding, have kernels of their own."""
TIES = {"all": ALL, "first": FIRST, "split": SPLIT}


@jit
def clip(output, stride, before, window, size, whole):
    """Return the first pixel and the one behind the last of an output's window, within the image.

    `whole` is the window's extent where it is known when the kernel is compiled and no window leaves the image, so that the
    compiler unrolls its loops, and 0 elsewhere.
    """
    start = output * stride - before
    if whole:
        return start, start + whole
    return max(start, 0), min(start + window, size)


@jit
def read_geometry(g):
    """Return the numbers of a PoolPlan's geometry: size, channels, outputs, window, stride, before."""
    return (g[0], g[1], g[2]), g[3], (g[4], g[5], g[6]), (g[7], g[8], g[9]), (g[10], g[11], g[12]), (g[13], g[14], g[15])


@cache
def pool_kernel(pick, whole):
    """Return the forward kernel that picks the maximum, the minimum, or sums (for the average); `whole` is as in `clip`."""

    @jit
    def pool(x, y, geometry, empty, divisor, start, stop):
        size, channels, outputs, window, stride, before = read_geometry(geometry)
        for n in range(start, stop):
            for od, oh, ow in np.ndindex(outputs):
                d0, d1 = clip(od, stride[0], before[0], window[0], size[0], whole[0])
                h0, h1 = clip(oh, stride[1], before[1], window[1], size[1], whole[1])
                w0, w1 = clip(ow, stride[2], before[2], window[2], size[2], whole[2])
                target = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
                count = divisor if divisor else (d1 - d0) * (h1 - h0) * (w1 - w0)
                for c in range(0, channels, lanes(x)):
                    result = vsplat(x, empty)
                    for d in range(d0, d1):
                        for h in range(h0, h1):
                            row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                            for w in range(w0, w1):
                                result = vpick(pick, result, vload_part(x, row + w * channels, channels - c))
                    if pick == SUM:
                        result = vmul(result, vsplat(x, 1 / count))
                    vstore_part(y, target + c, result, channels - c)

    return pool


@cache
def pick_grad_kernel(pick, ties, disjoint, whole):
    """Return the gradient kernel of max or min pooling; `disjoint` windows store their gradient, others add it."""

    @jit
    def pick_grad(dy, x, dx, geometry, empty, start, stop):
        size, channels, outputs, window, stride, before = read_geometry(geometry)
        for n in range(start, stop):
            for od, oh, ow in np.ndindex(outputs):
                d0, d1 = clip(od, stride[0], before[0], window[0], size[0], whole[0])
                h0, h1 = clip(oh, stride[1], before[1], window[1], size[1], whole[1])
                w0, w1 = clip(ow, stride[2], before[2], window[2], size[2], whole[2])
                source = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
                for c in range(0, channels, lanes(x)):
                    best, part = vsplat(x, empty), channels - c
                    for d in range(d0, d1):
                        for h in range(h0, h1):
                            row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                            for w in range(w0, w1):
                                best = vpick(pick, best, vload_part(x, row + w * channels, part))
                    gradient, ones = vload_part(dy, source + c, part), vsplat(x, 0)
                    if ties == SPLIT:
                        for d in range(d0, d1):
                            for h in range(h0, h1):
                                row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                                for w in range(w0, w1):
                                    value = vload_part(x, row + w * channels, part)
                                    ones = vadd(ones, vmatch(value, best, vsplat(x, 1)))
                        gradient = vdiv(gradient, ones)
                    for d in range(d0, d1):
                        for h in range(h0, h1):
                            row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                            for w in range(w0, w1):
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
    size, channels, outputs, window, stride, before = read_geometry(geometry)
    for n in range(start, stop):
        for od, oh, ow in np.ndindex(outputs):
            d0, d1 = clip(od, stride[0], before[0], window[0], size[0], 0)
            h0, h1 = clip(oh, stride[1], before[1], window[1], size[1], 0)
            w0, w1 = clip(ow, stride[2], before[2], window[2], size[2], 0)
            source = (((n * outputs[0] + od) * outputs[1] + oh) * outputs[2] + ow) * channels
            count = divisor if divisor else (d1 - d0) * (h1 - h0) * (w1 - w0)
            for c in range(0, channels, lanes(dy)):
                part = channels - c
                share = vmul(vload_part(dy, source + c, part), vsplat(dy, 1 / count))
                for d in range(d0, d1):
                    for h in range(h0, h1):
                        row = ((n * size[0] + d) * size[1] + h) * size[2] * channels + c
                        for w in range(w0, w1):
                            at = row + w * channels
                            vstore_part(dx, at, vadd(share, vload_part(dx, at, part)), part)


class PoolPlan:
    """One pooling with its geometry in three axes; forward and gradient called with flat arrays."""

    def __init__(self, spec: PoolSpec):
        fill = 3 - len(spec.size)
        size, outputs, window, stride = ((1,) * fill + v for v in (spec.size, spec.outputs, spec.kernel, spec.stride))
        before = (0,) * fill + tuple(first for first, _ in spec.pads)
        self.images, self.window = spec.images, int(np.prod(window))
        self.geometry = np.array((*size, spec.channels, *outputs, *window, *stride, *before), np.int64)
        self.disjoint = all(s >= w for s, w in zip(stride, window, strict=True))
        covered = all(o * s == n and s == w for o, s, n, w in zip(outputs, stride, size, window, strict=True))
        self.covered = covered and self.disjoint and not any(before)
        self.whole = window if window in UNROLLED_WINDOWS and not any(map(any, spec.pads)) else (0, 0, 0)
        self.flops = self.window * int(np.prod(spec.output_shape))

    def pick(self, split, pick, x, y):
        """Max or min pooling of x into y."""
        kernel, empty = pool_kernel(pick, self.whole), -np.inf if pick == MAX else np.inf
        split(self.images, lambda a, b: kernel(x, y, self.geometry, empty, 0, a, b), self.flops)

    def pick_grad(self, split, pick, ties, dy, x, dx):
        """The gradient of max or min pooling, by the rule for ties; the caller's dx is overwritten."""
        kernel, empty = pick_grad_kernel(pick, ties, int(self.disjoint), self.whole), -np.inf if pick == MAX else np.inf
        if not self.covered:
            dx[:] = 0
        split(self.images, lambda a, b: kernel(dy, x, dx, self.geometry, empty, a, b), 3 * self.flops)

    def average(self, split, count_include_pad, x, y):
        """Average pooling of x into y."""
        kernel, divisor = pool_kernel(SUM, self.whole), self.window if count_include_pad else 0
        split(self.images, lambda a, b: kernel(x, y, self.geometry, 0.0, divisor, a, b), self.flops)

    def average_grad(self, split, count_include_pad, dy, dx):
        """The gradient of average pooling; the caller's dx is overwritten."""
        divisor = self.window if count_include_pad else 0
        dx[:] = 0
        split(self.images, lambda a, b: average_grad(dy, dx, self.geometry, divisor, a, b), self.flops)
