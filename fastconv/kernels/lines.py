"""From a ConvSpec to Lines: for each line of results the lines of pixels that it meets, so that no border need be copied.

A line is what lies along the last axis. A tap row is a row of taps along it: one index into the kernel's other axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

import numpy as np

from ..shapes import ConvSpec, Ints

MOST_TAPS = 7
"""Longer tap rows are cut into equal ones of up to so many taps, and of up to MOST_WEIGHTS weights a lane."""
MOST_WEIGHTS = 24


@dataclass(frozen=True)
class Lines:
    """y[line, i] = sum over tap rows r and taps t of x[x_lines[line, r], pixels[r] + i * stride + t * distance] * w[w_rows[r], t].

    Where x_lines is -1 or a pixel is outside 0..size-1, there is zero. Lines and tap rows start at positions counted in elements;
    pixels of x are x_step elements apart, of y y_step, taps of w w_step. `taps`, `stride` and `distance` count pixels. There are
    groups of `segment` channels, and as many filters: w is (tap, segment, filters), its channels w_run elements apart.
    """

    images: int
    x_image: int
    y_image: int
    x_lines: np.ndarray
    y_lines: np.ndarray
    pixels: np.ndarray
    w_rows: np.ndarray
    w_step: int
    w_run: int
    segment: int
    size: int
    count: int
    x_step: int
    y_step: int
    taps: int
    stride: int
    distance: int

    def steps(self, rows: int) -> tuple[int, ...]:
        """Return what kernels of tiles of so many rows are made for: taps, stride, distance, segment, edge.

        The edge is how many pixels at either end of a tile's window may be outside the line: none, those of one tap less, or all.
        """
        window = (rows - 1) * self.stride + (self.taps - 1) * self.distance + 1
        last = self.pixels.max() + (self.count - 1) * self.stride + (self.taps - 1) * self.distance
        outside = max(0, -self.pixels.min(), last + 1 - self.size)
        edge = min(n for n in (0, (self.taps - 1) * self.distance, window) if n >= min(outside, window))
        return self.taps, self.stride, self.distance, self.segment, edge


def output_lines(spec: ConvSpec) -> Lines:
    """Return the lines of a convolution's output; each group has as many filters as channels."""
    size, kernel, stride, dilation, pads, outputs = spec.size, spec.kernel, spec.stride, spec.dilation, spec.pads, spec.outputs
    axes = [
        _sources(np.arange(n) * s - before, np.arange(k) * d, pixels)
        for n, s, (before, _), k, d, pixels in zip(outputs, stride, pads, kernel, dilation, size, strict=True)
    ][:-1]
    segment = spec.channels // spec.groups
    taps = _tap_row(kernel[-1], segment)
    starts = np.arange(0, kernel[-1], taps)
    return Lines(
        images=spec.images,
        x_image=prod(size) * spec.channels,
        y_image=prod(outputs) * spec.filters,
        x_lines=np.repeat(_combine(axes, size[:-1], size[-1] * spec.channels), len(starts), 1),
        y_lines=np.arange(prod(outputs[:-1])) * outputs[-1] * spec.filters,
        pixels=np.tile(starts * dilation[-1] - pads[-1][0], prod(kernel[:-1])),
        w_rows=np.arange(0, prod(kernel), taps) * segment * spec.filters,
        w_step=segment * spec.filters,
        w_run=spec.filters,
        segment=segment,
        size=size[-1],
        count=outputs[-1],
        x_step=spec.channels,
        y_step=spec.filters,
        taps=taps,
        stride=stride[-1],
        distance=dilation[-1],
    )


def input_grad_lines(spec: ConvSpec) -> list[Lines]:
    """Return the lines of the input gradient from dy, one Lines for each phase of the last axis' stride that has taps.

    Input pixel i gets dy[o] * w[k] wherever i + pad = o * stride + k * dilation. In each group, w's channels and filters must have
    been exchanged.
    """
    size, kernel, outputs = spec.size, spec.kernel, spec.outputs
    axes = []
    for pixels, n, s, k, d, (before, _) in zip(size, outputs, spec.stride, kernel, spec.dilation, spec.pads, strict=True):
        reach = np.arange(pixels)[:, None] + before - np.arange(k) * d
        axes.append(np.where((reach % s == 0) & (reach >= 0) & (reach < n * s), reach // s, -1))
    x_lines = _combine(axes[:-1], outputs[:-1], outputs[-1] * spec.filters)
    s, d, before = spec.stride[-1], spec.dilation[-1], spec.pads[-1][0]
    apart, segment, phases = s // gcd(s, d), spec.channels // spec.groups, []
    for k in range(min(apart, kernel[-1])):  # the phase's taps: k, k + apart, k + 2 * apart, ...
        first = (k * d - before) % s
        if first >= size[-1]:
            continue
        count = (kernel[-1] - 1 - k) // apart + 1
        taps, distance = _tap_row(count, segment), d // gcd(s, d)
        ends = np.arange(taps - 1, count, taps)  # a tap row begins with its last tap, which reads the first pixel
        phases.append(
            Lines(
                images=spec.images,
                x_image=prod(outputs) * spec.filters,
                y_image=prod(size) * spec.channels,
                x_lines=np.repeat(x_lines, len(ends), 1),
                y_lines=(np.arange(prod(size[:-1])) * size[-1] + first) * spec.channels,
                pixels=np.tile((first + before - k * d) // s - ends * distance, prod(kernel[:-1])),
                w_rows=np.add.outer(np.arange(prod(kernel[:-1])) * kernel[-1], k + ends * apart).ravel() * segment * spec.filters,
                w_step=-apart * segment * spec.filters,
                w_run=spec.filters,
                segment=segment,
                size=outputs[-1],
                count=-(-(size[-1] - first) // s),
                x_step=spec.filters,
                y_step=s * spec.channels,
                taps=taps,
                stride=1,
                distance=distance,
            )
        )
    return phases


def _tap_row(taps: int, segment: int) -> int:
    """Return the longest row that the taps can be cut into."""
    most = max(1, min(MOST_TAPS, MOST_WEIGHTS // segment))
    return max(n for n in range(1, min(taps, most) + 1) if taps % n == 0)


def _sources(starts: np.ndarray, taps: np.ndarray, pixels: int) -> np.ndarray:
    """Return (results, taps) of the pixels start + tap, -1 for those outside."""
    reach = np.add.outer(starts, taps)
    return np.where((reach >= 0) & (reach < pixels), reach, -1)


def _combine(axes: list[np.ndarray], size: Ints, line: int) -> np.ndarray:
    """Return (results, taps) of the starts of lines, -1 where any axis has -1, of the axes' (results, taps) of pixels."""
    total = np.zeros((1, 1), np.int64)
    for axis, pixels in zip(axes, size, strict=True):
        both = total[:, None, :, None] * pixels + axis[None, :, None, :]
        outside = (total[:, None, :, None] < 0) | (axis[None, :, None, :] < 0)
        total = np.where(outside, -1, both).reshape(len(total) * len(axis), -1)
    return np.where(total < 0, -1, total * line)
