"""Zeros around images, and their removal, as a layer of its own; convolutions and pooling have their own padding."""

from typing import NamedTuple

from ...runtime.jit import jit


class Padded(NamedTuple):
    """Images, and how many pixels of zeros go above, below, before and after them; kernels take it as a plain tuple."""

    height: int
    width: int
    channels: int
    above: int
    below: int
    before: int
    after: int


@jit
def zero_pad(x, y, geometry, start, stop):
    """y = the images x with zeros around them; units are y's rows."""
    height, width, channels, above, below, before, after = geometry
    rows, row, length = above + height + below, (before + width + after) * channels, width * channels
    for unit in range(start, stop):
        r, at = unit % rows - above, unit * row
        if not 0 <= r < height:
            y[at : at + row] = 0
            continue
        source, target = (unit // rows * height + r) * length, at + before * channels
        y[at:target] = 0
        for i in range(length):
            y[target + i] = x[source + i]
        y[target + length : at + row] = 0


@jit
def remove_padding(dy, dx, geometry, start, stop):
    """dx = dy without what was around the images; units are dx's rows."""
    height, width, channels, above, below, before, after = geometry
    rows, row, length = above + height + below, (before + width + after) * channels, width * channels
    for unit in range(start, stop):
        source = (unit // height * rows + unit % height + above) * row + before * channels
        for i in range(length):
            dx[unit * length + i] = dy[source + i]
