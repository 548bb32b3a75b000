"""Images of one channel cut into pieces of work: inner ones, whose windows lie within the image, and those at its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...runtime.jit import jit
from ...shapes import ConvSpec, Ints
from ..simd.vector import lanes, vload, vstore

PIECE = (48, 4096)
"""The rows and columns of a piece, up to twice as many. (Pieces of 256 columns took a 5x5 kernel 1.6 times as long.)"""

Cuts = tuple[np.ndarray, np.ndarray]


class PlaneGeometry(NamedTuple):
    """A Plane's numbers, for kernels; they take them as a plain tuple, which costs a call less."""

    height: int
    width: int
    y_height: int
    y_width: int
    kernel_rows: int
    kernel_columns: int
    down: int
    """From one of the kernel's rows to the next, in rows of the image: the dilation; `across` for columns."""
    across: int
    above: int
    """Pixels of zeros above the image; `ahead` of it, in each row."""
    ahead: int


@dataclass(frozen=True)
class Plane:
    """y[i, j] = sum of x[i + a * dilation - before, ...] * w[a, ...], zeros outside x; a negative `before` cuts pixels off.

    One-dimensional signals are images of one row.
    """

    images: int
    size: Ints
    outputs: Ints
    kernel: Ints
    dilation: Ints
    before: Ints

    @staticmethod
    def of_output(spec: ConvSpec) -> Plane:
        """Return the convolution's own."""
        before = tuple(pad for pad, _ in spec.pads)
        return Plane._of(spec.images, spec.size, spec.outputs, spec.kernel, spec.dilation, before)

    @staticmethod
    def of_input_grad(spec: ConvSpec) -> Plane:
        """Return that of the input gradient, with dy as x and a rotated w."""
        before = tuple(window - 1 - pad for window, (pad, _) in zip(spec.window, spec.pads, strict=True))
        return Plane._of(spec.images, spec.outputs, spec.size, spec.kernel, spec.dilation, before)

    @staticmethod
    def _of(images: int, size: Ints, outputs: Ints, kernel: Ints, dilation: Ints, before: Ints) -> Plane:
        if len(size) == 2:
            return Plane(images, size, outputs, kernel, dilation, before)
        return Plane(images, (1, *size), (1, *outputs), (1, *kernel), (1, *dilation), (0, *before))

    @property
    def geometry(self) -> tuple[int, ...]:
        """Return PlaneGeometry's numbers."""
        return (*self.size, *self.outputs, *self.kernel, *self.dilation, *self.before)

    @property
    def reach(self) -> Ints:
        """Return how far a window reaches beyond its first pixel."""
        return tuple((k - 1) * d for k, d in zip(self.kernel, self.dilation, strict=True))

    def cuts(self, least: Ints) -> Cuts:
        """Return where the rows and the columns of y are cut into pieces of at least `least`; there must be so many."""
        rows, columns = map(_cuts, self.outputs, self.size, self.before, self.reach, least, PIECE)
        return rows, columns

    def scratch_size(self, cuts: Cuts) -> int:
        """Return how many pixels of x the largest piece needs."""
        rows, columns = (int(np.diff(axis).max()) + more for axis, more in zip(cuts, self.reach, strict=True))
        return rows * columns

    def pieces(self, cuts: Cuts) -> int:
        """Return how many pieces there are, of all images."""
        return self.images * (len(cuts[0]) - 1) * (len(cuts[1]) - 1)


def _cuts(count: int, size: int, before: int, reach: int, least: int, most: int) -> np.ndarray:
    """Return where an axis is cut: where windows begin and end to lie within the image, and between these by `most`."""
    outside = count + reach - before - size
    low = max(before, least) if before > 0 else 0
    high = count - max(outside, least) if outside > 0 else count
    if high - low < least:
        low, high = 0, count
    step = max(least, most // least * least)
    starts = [
        first + step * i for first, last in ((0, low), (low, high), (high, count)) for i in range((last - first) // step or 1)
    ]
    return np.unique(np.array([*starts, count], np.int64))


@jit
def locate(item, g, row_cuts, column_cuts):
    """Return a piece's image, first and last row, first and last column, the same of the x it needs, and whether that is there."""
    bands, parts = len(row_cuts) - 1, len(column_cuts) - 1
    image, band, part = item // (bands * parts), item // parts % bands, item % parts
    first, last, begin, end = row_cuts[band], row_cuts[band + 1], column_cuts[part], column_cuts[part + 1]
    top, bottom = first - g.above, last - g.above + (g.kernel_rows - 1) * g.down
    left, right = begin - g.ahead, end - g.ahead + (g.kernel_columns - 1) * g.across
    inside = top >= 0 and bottom <= g.height and left >= 0 and right <= g.width
    return image, first, last, begin, end, top, bottom, left, right, inside


@jit
def cut_out(x, origin, height, width, top, bottom, left, right, scratch):
    """Copy rows top to bottom, columns left to right of the image at x[origin] into scratch, zeros where they lie outside."""
    low, high = min(max(left, 0), right), max(min(right, width), left)
    for r in range(top, bottom):
        at = (r - top) * (right - left) - left
        if 0 <= r < height and low < high:
            source, whole = origin + r * width, low + (high - low) // lanes(x) * lanes(x)
            scratch[at + left : at + low] = 0
            for c in range(low, whole, lanes(x)):
                vstore(scratch, at + c, vload(x, source + c))
            for c in range(whole, high):
                scratch[at + c] = x[source + c]
            scratch[at + high : at + right] = 0
        else:
            scratch[at + left : at + right] = 0
