"""From a ConvSpec to a Contraction: tables of positions that turn any convolution into one loop nest.

Output, input gradient and weight gradient of every stride, dilation and padding are sums over taps of products along a
contiguous run, for pixels a fixed step apart. Here those positions are worked out, once for each spec; the kernels only loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from ...shapes import ConvSpec, Ints


@dataclass(frozen=True)
class Border:
    """How an image is copied into a border of zeros: row starts (-1: a row of zeros), and elements left, within, right."""

    rows: np.ndarray
    left: int
    width: int
    right: int

    @property
    def row(self) -> int:
        return self.left + self.width + self.right


@dataclass(frozen=True)
class Contraction:
    """y[line, pixel, o] = sum over taps and runs of x[line, pixel, tap, c] * w[tap, c, o]; everything in elements.

    Lines have `count` pixels. Those of x are x_pixel elements apart, of which x_step is a multiple.

    x positions: image * x_image + x_lines[line] + pixel * x_step + taps[tap] + c, in the bordered image where there is a border.
    y positions: image * y_image + y_lines[line] + pixel * y_step + o.
    w positions: w_taps[t] + c * w_run_step + o * w_output_step, over w_run channels; a run is one or more of these joined.
    The taps along the last axis, row_taps of them, are neighbours in w_taps, and equally far apart in x.
    Each of the groups is such a contraction, x_group, y_group and w_group behind the one before.
    """

    images: int
    x_image: int
    y_image: int
    x_lines: np.ndarray
    y_lines: np.ndarray
    count: int
    x_pixel: int
    x_step: int
    y_step: int
    taps: np.ndarray
    run: int
    outputs: int
    w_taps: np.ndarray
    w_run: int
    w_run_step: int
    w_output_step: int
    border: Border | None
    row_taps: int = 1
    groups: int = 1
    x_group: int = 0
    y_group: int = 0
    w_group: int = 0

    @property
    def flops(self) -> int:
        return 2 * self.groups * self.images * len(self.y_lines) * self.count * len(self.taps) * self.run * self.outputs

    def line_bytes(self, itemsize: int) -> int:
        """Return how many bytes of input lie between one line and the next, on average."""
        span = int(self.x_lines[-1] - self.x_lines[0]) + self.count * self.x_step
        return max(1, span * itemsize // len(self.x_lines))

    def tap_ranges(self) -> np.ndarray:
        """Return (lines, 2): the first tap that isn't in a row of zeros of the border, and one behind the last."""
        there = np.ones((len(self.x_lines), len(self.taps)), bool)
        if self.border is not None:
            images = np.append(0, np.cumsum(self.border.rows >= 0))  # the rows of the image among the padded ones before
            starts = self.x_lines[:, None] + self.taps
            there = images[(starts + self.run - 1) // self.border.row + 1] > images[starts // self.border.row]
        firsts, lasts = there.argmax(1), len(self.taps) - there[:, ::-1].argmax(1)
        return np.stack([firsts, np.where(there.any(1), lasts, firsts)], 1)

    def scratch_size(self, block: int) -> int:
        """Return how many elements of bordered input a block of lines needs."""
        if self.border is None:
            return 0
        firsts = self.x_lines[::block]
        lasts = np.append(self.x_lines[block - 1 : -1 : block], self.x_lines[-1])[: len(firsts)]
        row = self.border.row
        return int(((lasts + self.taps[-1] + self.run - 1) // row - firsts // row).max() + 1) * row


def lower_output(spec: ConvSpec, filters_first: bool = False) -> Contraction:
    """Return the contraction whose y is the convolution's output.

    The weights are (*kernel, channels / groups, filters), or of one group (filters, *kernel, channels) with `filters_first`.
    """
    padded, border = _bordered(spec.size, spec.channels, spec.pads)
    run, outputs = spec.channels // spec.groups, spec.filters // spec.groups
    steps = _steps(padded, spec.channels)
    taps, w_taps = [], []
    for index, k in enumerate(product(*map(range, spec.kernel))):
        taps.append(sum(i * d * s for i, d, s in zip(k, spec.dilation, steps, strict=True)))
        w_taps.append(index * run * (1 if filters_first else spec.filters))
    out_steps = _steps(spec.outputs, spec.filters)
    taps_array, joined = (np.array(taps, np.int64), run) if spec.groups > 1 else _join_runs(taps, run)
    x_lines = _grid([0] * (len(padded) - 1), spec.outputs[:-1], [a * b for a, b in zip(spec.stride, steps[:-1], strict=False)])
    return Contraction(
        images=spec.images,
        x_image=prod(spec.size) * spec.channels,
        y_image=prod(spec.outputs) * spec.filters,
        x_lines=x_lines,
        y_lines=_grid([0] * (len(padded) - 1), spec.outputs[:-1], out_steps[:-1]),
        count=spec.outputs[-1],
        x_pixel=spec.channels,
        x_step=spec.stride[-1] * spec.channels,
        y_step=spec.filters,
        taps=taps_array,
        run=joined,
        outputs=outputs,
        w_taps=np.array(w_taps, np.int64),
        w_run=run,
        w_run_step=1 if filters_first else spec.filters,
        w_output_step=prod(spec.weight_shape[:-1]) if filters_first else 1,
        border=border,
        row_taps=spec.kernel[-1],
        groups=spec.groups,
        x_group=run,
        y_group=outputs,
        w_group=outputs,
    )


def lower_input_grad(spec: ConvSpec, filters_first: bool = False) -> list[Contraction]:
    """Return the contractions, one for each phase of the stride, whose x is dy and whose y is the input gradient.

    Input pixel i gets dy[o] * w[k] wherever i + pad = o * stride + k * dilation. The pixels of one phase r = (i + pad) mod stride
    share their taps, the k with k * dilation mod stride = r, and are a stride-1 correlation of dy with these.
    Phases without taps are left out: their gradient is zero.
    """
    spec = join_columns(spec)
    axes = [_axis_phases(*axis) for axis in zip(spec.size, spec.kernel, spec.stride, spec.dilation, spec.pads, strict=True)]
    pads = tuple(_reach(phases, pixels) for phases, pixels in zip(axes, spec.outputs, strict=True))
    padded, border = _bordered(spec.outputs, spec.filters, pads)
    steps = _steps(padded, spec.filters)
    in_steps = _steps(spec.size, spec.channels)
    w_run, outputs = spec.filters // spec.groups, spec.channels // spec.groups
    kernel_steps = _steps(spec.kernel, outputs * (1 if filters_first else spec.filters))
    contractions = []
    for phase in product(*axes):
        taps, w_taps = [], []
        for tap in product(*(axis.taps for axis in phase)):
            taps.append(-sum(shift * step for (_, shift), step in zip(tap, steps, strict=True)))
            w_taps.append(sum(k * step for (k, _), step in zip(tap, kernel_steps, strict=True)))
        order = np.argsort(taps)
        taps_array, run = np.array(taps, np.int64)[order], w_run
        if spec.groups == 1:
            taps_array, run = _join_runs(list(taps_array), w_run)
        starts = [(axis.source + before) * step for axis, (before, _), step in zip(phase, pads, steps, strict=True)]
        counts = [axis.count for axis in phase]
        out_starts = [axis.first * step for axis, step in zip(phase, in_steps, strict=True)]
        out_moves = [stride * step for stride, step in zip(spec.stride, in_steps, strict=True)]
        lowest = int(taps_array.min())
        contractions.append(
            Contraction(
                images=spec.images,
                x_image=prod(spec.outputs) * spec.filters,
                y_image=prod(spec.size) * spec.channels,
                x_lines=_grid(starts[:-1], counts[:-1], steps[:-1]) + starts[-1] + lowest,
                y_lines=_grid(out_starts[:-1], counts[:-1], out_moves[:-1]) + out_starts[-1],
                count=counts[-1],
                x_pixel=spec.filters,
                x_step=spec.filters,
                y_step=out_moves[-1],
                taps=taps_array - lowest,
                run=run,
                outputs=outputs,
                w_taps=np.array(w_taps, np.int64)[order],
                w_run=w_run,
                w_run_step=prod(spec.weight_shape[:-1]) if filters_first else 1,
                w_output_step=1 if filters_first else spec.filters,
                border=border,
                row_taps=len(phase[-1].taps),
                groups=spec.groups,
                x_group=w_run,
                y_group=outputs,
                w_group=w_run,
            )
        )
    return contractions


def join_columns(spec: ConvSpec) -> ConvSpec:
    """Return the same convolution with a kernel's columns as channels of one column, where no two windows share a column.

    So it is where the last axis is cut into patches, as before a vision transformer: in memory nothing moves.
    """
    columns = spec.kernel[-1]
    patches = columns == spec.stride[-1] and spec.dilation[-1] == spec.groups == 1 and spec.size[-1] % columns == 0
    if not patches or spec.pads[-1] != (0, 0):
        return spec
    size = (*spec.size[:-1], spec.size[-1] // columns)
    kernel, stride = (*spec.kernel[:-1], 1), (*spec.stride[:-1], 1)
    return replace(spec, size=size, kernel=kernel, stride=stride, channels=spec.channels * columns)


@dataclass(frozen=True)
class _Phase:
    """The input pixels first, first + stride, ... (count of them) of one axis; m reads dy[source + m - shift] for each tap."""

    first: int
    count: int
    source: int
    taps: tuple[tuple[int, int], ...]


def _axis_phases(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> list[_Phase]:
    taps: dict[int, list[tuple[int, int]]] = {}
    for k in range(kernel):
        first = (k * dilation - pads[0]) % stride
        if first < size:
            taps.setdefault(first, []).append((k, (k * dilation - (first + pads[0]) % stride) // stride))
    return [_Phase(first, -(-(size - first) // stride), (first + pads[0]) // stride, tuple(taps[first])) for first in sorted(taps)]


def _reach(phases: list[_Phase], pixels: int) -> tuple[int, int]:
    """Return how many pixels the phases read before the first and behind the last of dy's `pixels`."""
    lowest = min((phase.source - shift for phase in phases for _, shift in phase.taps), default=0)
    highest = max((phase.source + phase.count - shift for phase in phases for _, shift in phase.taps), default=0)
    return max(0, -lowest), max(0, highest - pixels)


def _steps(size: Ints, channels: int) -> list[int]:
    """Return the distance, in elements, of neighbours along each axis of a contiguous (*size, channels) array."""
    return [prod(size[axis + 1 :]) * channels for axis in range(len(size))]


def _grid(starts: list[int], counts: Ints | list[int], moves: list[int]) -> np.ndarray:
    """Return the positions start + index * move, summed over the axes, for all indices in C order."""
    total = np.zeros(1, np.int64)
    for start, count, move in zip(starts, counts, moves, strict=True):
        total = np.add.outer(total, start + np.arange(count, dtype=np.int64) * move).ravel()
    return total


def _join_runs(taps: list[int], run: int) -> tuple[np.ndarray, int]:
    """Join neighbouring taps whose inputs lie one behind the other, in groups of equal length; return (taps, run)."""
    length = 1
    while length < len(taps) and taps[length] == taps[0] + length * run:
        length += 1
    starts = taps[::length]
    joined = [start + i * run for start in starts for i in range(length)]
    if joined == list(taps):
        return np.array(starts, np.int64), run * length
    return np.array(taps, np.int64), run


def _bordered(size: Ints, channels: int, pads: tuple[tuple[int, int], ...]) -> tuple[Ints, Border | None]:
    """Return the padded size, and the Border that makes it, None where nothing is padded; negative pads behind cut pixels off."""
    padded = tuple(pixels + before + after for pixels, (before, after) in zip(size, pads, strict=True))
    if not any(map(any, pads)):
        return padded, None
    rows = np.zeros(1, np.int64)
    for pixels, (before, after), step in zip(size[:-1], pads[:-1], _steps(size, channels)[:-1], strict=True):
        axis = np.full(before + pixels + after, -1, np.int64)
        axis[before : before + pixels] = np.arange(min(pixels, pixels + after)) * step
        rows = np.where((rows[:, None] < 0) | (axis < 0), -1, rows[:, None] + axis).ravel()
    before, after = pads[-1]
    return padded, Border(rows, before * channels, min(size[-1], size[-1] + after) * channels, max(0, after) * channels)
