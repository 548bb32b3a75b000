"""Images cut into pieces of work: inner ones, whose windows lie within the image, and those at its edges.

Pixels of several channels are as many elements of a row, and the kernel's columns so many elements apart: to kernels, whose numbers
for rows are all in elements, there are no channels. Volumes are cut slab by slab.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from ...runtime.jit import jit
from ...shapes import ConvSpec, Ints
from ..simd.vector import lanes, vload, vstore

PIECE = (48, 4096)
"""The rows and elements of a piece, up to twice as many. (Pieces of 256 columns took a 5x5 kernel 1.6 times as long.)"""

Cuts = tuple[np.ndarray, np.ndarray]


class PlaneGeometry(NamedTuple):
    """A Plane's numbers, for kernels; they take them as a plain tuple, which costs a call less."""

    depth: int
    height: int
    width: int
    y_depth: int
    y_height: int
    y_width: int
    kernel_depth: int
    kernel_rows: int
    kernel_columns: int
    inward: int
    """From one of the kernel's slabs to the next, in slabs of the image: the dilation; `down` for rows, `across` for columns."""
    down: int
    across: int
    before: int
    """Slabs of zeros before the image, rows `above` it, elements `ahead` of it in each row."""
    above: int
    ahead: int


class Piece(NamedTuple):
    """A piece of one of y's slabs, and the x that it needs, of which there is nothing outside the image if it is `inside`."""

    first: int
    last: int
    begin: int
    end: int
    top: int
    bottom: int
    left: int
    right: int
    inside: bool
    front: int
    """Of the kernel's slabs those from `front` on, before `behind`, meet slabs of the image."""
    behind: int
    source: int
    """Where the slab of x that the kernel's first slab meets would begin, and the slab of y begins."""
    target: int


@dataclass(frozen=True)
class Plane:
    """y[i, j] = sum of x[i + a * dilation - before, ...] * w[a, ...], zeros outside x; a negative `before` cuts pixels off.

    There are three axes: images are volumes of one slab, and signals images of one row. Each of the channels has its own w.
    """

    images: int
    channels: int
    size: Ints
    outputs: Ints
    kernel: Ints
    dilation: Ints
    before: Ints

    @staticmethod
    def of_output(spec: ConvSpec) -> Plane:
        """Return the convolution's own."""
        before = tuple(pad for pad, _ in spec.pads)
        return Plane._of(spec, spec.size, spec.outputs, before)

    @staticmethod
    def of_input_grad(spec: ConvSpec) -> Plane:
        """Return that of the input gradient, with dy as x and a rotated w."""
        before = tuple(window - 1 - pad for window, (pad, _) in zip(spec.window, spec.pads, strict=True))
        return Plane._of(spec, spec.outputs, spec.size, before)

    @staticmethod
    def _of(spec: ConvSpec, size: Ints, outputs: Ints, before: Ints) -> Plane:
        ones = (1,) * (3 - len(size))
        three = ((*ones, *axes) for axes in (size, outputs, spec.kernel, spec.dilation))
        size, outputs, kernel, dilation = three
        return Plane(spec.images, spec.channels, size, outputs, kernel, dilation, (0,) * len(ones) + before)

    @property
    def geometry(self) -> tuple[int, ...]:
        """Return PlaneGeometry's numbers."""
        c = self.channels
        in_elements = ((*axes[:-1], axes[-1] * c) for axes in (self.size, self.outputs, self.dilation, self.before))
        size, outputs, dilation, before = in_elements
        return (*size, *outputs, *self.kernel, *dilation, *before)

    @property
    def reach(self) -> Ints:
        """Return how far a window reaches beyond its first pixel."""
        return tuple((k - 1) * d for k, d in zip(self.kernel, self.dilation, strict=True))

    def cuts(self, least: Ints) -> Cuts:
        """Return where y's rows, and rows' elements, are cut into pieces of at least `least` rows and pixels; so many there are."""
        most = (PIECE[0], max(1, PIECE[1] // self.channels))
        rows, columns = map(_cuts, self.outputs[1:], self.size[1:], self.before[1:], self.reach[1:], least, most)
        return rows, columns * self.channels

    def scratch_size(self, cuts: Cuts) -> int:
        """Return how many elements of x the largest piece needs."""
        rows, columns = (int(np.diff(axis).max()) for axis in cuts)
        return self.kernel[0] * (rows + self.reach[1]) * (columns + self.reach[2] * self.channels)

    def pieces(self, cuts: Cuts) -> int:
        """Return how many pieces there are, of all images."""
        return self.images * self.outputs[0] * prod(len(axis) - 1 for axis in cuts)


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
    """Return a piece by its number: of an image, then of its bands of rows and their parts, and of its slabs last."""
    bands, parts = len(row_cuts) - 1, len(column_cuts) - 1
    slab, part, band = item % g.y_depth, item // g.y_depth % parts, item // (g.y_depth * parts) % bands
    image = item // (g.y_depth * parts * bands)
    first, last, begin, end = row_cuts[band], row_cuts[band + 1], column_cuts[part], column_cuts[part + 1]
    top, bottom = first - g.above, last - g.above + (g.kernel_rows - 1) * g.down
    left, right = begin - g.ahead, end - g.ahead + (g.kernel_columns - 1) * g.across
    inside = top >= 0 and bottom <= g.height and left >= 0 and right <= g.width
    z = slab - g.before
    front = max(0, -z + g.inward - 1) // g.inward
    behind = max(front, min(g.kernel_depth, max(0, g.depth - z + g.inward - 1) // g.inward))
    source, target = (image * g.depth + z) * g.height * g.width, (image * g.y_depth + slab) * g.y_height * g.y_width
    return Piece(first, last, begin, end, top, bottom, left, right, inside, front, behind, source, target)


@jit
def cut_out(x, origin, height, width, top, bottom, left, right, scratch, start):
    """Copy rows top to bottom, columns left to right of the image at x[origin] to scratch[start], zeros where they lie outside."""
    low, high = min(max(left, 0), right), max(min(right, width), left)
    for r in range(top, bottom):
        at = start + (r - top) * (right - left) - left
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


@jit
def cut_out_slabs(x, g, piece, step, scratch):
    """Cut a piece out of each slab that the kernel's slabs meet, into slabs of scratch that are `step` elements apart."""
    for c in range(piece.front, piece.behind):
        origin = piece.source + c * g.inward * g.height * g.width
        cut_out(x, origin, g.height, g.width, piece.top, piece.bottom, piece.left, piece.right, scratch, c * step)
