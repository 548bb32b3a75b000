"""From a ConvSpec to Lines: for each line of results the lines of pixels that it meets, so that no border need be copied.

A line is what lies along the last axis. A tap row is a row of taps along it: one index into the kernel's other axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from ...runtime.machine import HELD_WEIGHTS
from ...shapes import ConvSpec, Ints

MOST_TAPS = 7
"""Longer tap rows are cut into equal ones of up to so many taps, and of up to MOST_WEIGHTS weights a lane."""
MOST_WEIGHTS = 24


@dataclass(frozen=True)
class Lines:
    """y[line, i] = sum over tap rows r and taps t of x[x_lines[line, r], pixels[r] + i * stride + t * distance] * w[w_rows[r], t].

    Where x_lines is -1 or a pixel is outside 0..size-1, there is zero. Lines and tap rows start at positions counted in elements;
    pixels of x are x_step elements apart, of y y_step, taps of w w_step. `taps`, `stride` and `distance` count pixels. There are
    groups of `segment` channels, and as many filters: w is (tap, segment, filters), its channels w_run elements apart.

    `height` lines at a time lie in a plane, and a tile takes `rows` tap rows at once. Line i and tap row r of these meet line
    i * line_stride + r * line_distance of x, counted from where the first ones meet.
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
    height: int
    rows: int
    line_stride: int
    line_distance: int

    def tiles(self, lines: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (tiles, tap rows / rows, window) of starts of lines of x, and each tile's first line of so many.

        A plane's last tile moves back and overlaps.
        """
        planes = np.arange(0, len(self.y_lines), self.height)
        first = np.add.outer(planes, np.minimum(np.arange(0, self.height, lines), self.height - lines)).ravel()
        x_lines = self.x_lines.reshape(len(self.x_lines), -1, self.rows)
        window = np.full(
            (len(first), x_lines.shape[1], (lines - 1) * self.line_stride + (self.rows - 1) * self.line_distance + 1), -1
        )
        for i, r in product(range(lines), range(self.rows)):
            window[:, :, i * self.line_stride + r * self.line_distance] = x_lines[first + i, :, r]
        return window, first

    def shape(self, lines: int, pixels: int, least: int = 1) -> tuple[int, ...]:
        """Return the `shape` that tile_slide is told, for tiles of so many lines and up to so many pixels, `least` at least.

        The edge is how many pixels at either end of a tile's window may be outside the line: none, those of one tap less, or all.
        """
        window = (pixels - 1) * self.stride + (self.taps - 1) * self.distance + 1
        last = self.pixels.max() + (self.count - 1) * self.stride + (self.taps - 1) * self.distance
        outside = max(0, -self.pixels.min(), last + 1 - self.size)
        edge = min(n for n in (0, (self.taps - 1) * self.distance, window) if n >= min(outside, window))
        along = (self.line_stride, self.line_distance)
        return lines, self.rows, *along, pixels, self.taps, self.stride, self.distance, self.segment, edge, least


def output_lines(spec: ConvSpec) -> Lines:
    """Return the lines of a convolution's output; each group has as many filters as channels."""
    spec = _with_plane(spec)
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
        height=outputs[-2],
        rows=_rows(kernel[-2], kernel[-1], segment),
        line_stride=stride[-2],
        line_distance=dilation[-2],
    )


def input_grad_lines(spec: ConvSpec) -> list[Lines]:
    """Return the lines of the input gradient from dy, one Lines for each phase of the last two axes' strides that has taps.

    Input pixel i gets dy[o] * w[k] wherever i + pad = o * stride + k * dilation. In each group, w's channels and filters must have
    been exchanged. A tap row begins with its last tap, which reads the first pixel, and a plane's taps with their last row.
    """
    spec = _with_plane(spec)
    size, kernel, outputs = spec.size, spec.kernel, spec.outputs
    axes = []
    for pixels, n, s, k, d, (before, _) in zip(size, outputs, spec.stride, kernel, spec.dilation, spec.pads, strict=True):
        reach = np.arange(pixels)[:, None] + before - np.arange(k) * d
        axes.append(np.where((reach % s == 0) & (reach >= 0) & (reach < n * s), reach // s, -1))
    segment, before = spec.channels // spec.groups, spec.pads[-1][0]
    all_lines, all_rows = np.arange(prod(size[:-1])).reshape(-1, size[-2]), np.arange(prod(kernel[:-1])).reshape(-1, kernel[-2])
    phases = []
    for (lines, rows, line_distance), (pixels, taps, distance) in product(_phases(spec, -2), _phases(spec, -1)):
        rows, length = rows[::-1], _tap_row(len(taps), segment)
        ends = np.array(taps[length - 1 :: length])
        x_lines = _combine([*axes[:-2], axes[-2][np.ix_(lines, rows)]], outputs[:-1], outputs[-1] * spec.filters)
        phases.append(
            Lines(
                images=spec.images,
                x_image=prod(outputs) * spec.filters,
                y_image=prod(size) * spec.channels,
                x_lines=np.repeat(x_lines, len(ends), 1),
                y_lines=(all_lines[:, lines].ravel() * size[-1] + pixels[0]) * spec.channels,
                pixels=np.tile((pixels[0] + before - ends * spec.dilation[-1]) // spec.stride[-1], x_lines.shape[1]),
                w_rows=np.add.outer(all_rows[:, rows].ravel() * kernel[-1], ends).ravel() * segment * spec.filters,
                w_step=-taps.step * segment * spec.filters,
                w_run=spec.filters,
                segment=segment,
                size=outputs[-1],
                count=len(pixels),
                x_step=spec.filters,
                y_step=spec.stride[-1] * spec.channels,
                taps=length,
                stride=1,
                distance=distance,
                height=len(lines),
                rows=_rows(len(rows), len(taps), segment),
                line_stride=1,
                line_distance=line_distance,
            )
        )
    return phases


def _with_plane(spec: ConvSpec) -> ConvSpec:
    """Return the spec with two axes at least."""
    if len(spec.size) > 1:
        return spec
    ones: dict[str, Any] = {name: (1, *getattr(spec, name)) for name in ("size", "kernel", "stride", "dilation", "outputs")}
    return replace(spec, **ones, pads=((0, 0), *spec.pads))


def _phases(spec: ConvSpec, axis: int) -> Iterator[tuple[range, range, int]]:
    """Yield for each phase of an axis' stride its pixels, the taps that reach them, and how far apart in dy these lie."""
    stride, dilation, kernel = spec.stride[axis], spec.dilation[axis], spec.kernel[axis]
    common = gcd(stride, dilation)
    for k in range(min(stride // common, kernel)):
        pixels = range((k * dilation - spec.pads[axis][0]) % stride, spec.size[axis], stride)
        if pixels:
            yield pixels, range(k, kernel, stride // common), dilation // common


def _rows(rows: int, taps: int, segment: int) -> int:
    """Return how many tap rows a tile takes at once: all of a plane, or one."""
    return rows if rows * taps * segment <= HELD_WEIGHTS and taps == _tap_row(taps, segment) else 1


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


class LineGeometry(NamedTuple):
    """What kernels need of some Lines besides the tables; they take it as a plain tuple, which costs a call less."""

    channels: int
    size: int
    pixels: int
    """How many results a line has; `size` pixels of x."""
    x_step: int
    y_step: int
    y_line: int
    """From one line to the next in y; `w_line` from one row of taps in w."""
    w_step: int
    w_run: int
    w_line: int
    x_image: int
    y_image: int
    images: int


def line_geometry(lines: Lines, channels: int) -> tuple[int, ...]:
    """Return LineGeometry's numbers."""
    y_line, w_line = (
        int(table[1] - table[0]) if n > 1 else 0 for table, n in ((lines.y_lines, lines.height), (lines.w_rows, lines.rows))
    )
    return tuple(
        LineGeometry(
            channels, lines.size, lines.count, lines.x_step, lines.y_step, y_line, lines.w_step, lines.w_run, w_line,
            lines.x_image, lines.y_image, lines.images,
        )
    )  # fmt: skip
