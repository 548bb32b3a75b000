"""Margins of zeros around images, and their removal, as a layer of its own; convolutions and pooling have their own padding."""

from ...runtime.jit import jit


@jit
def add_margin(x, y, geometry, start, stop):
    """y = the images x with zeros around them; units are y's rows.

    The geometry is the images' height, width and channels, and how many pixels go above, below, before and behind them.
    """
    height, width, channels, above, below, before, behind = geometry
    rows, row, length = above + height + below, (before + width + behind) * channels, width * channels
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
def remove_margin(dy, dx, geometry, start, stop):
    """dx = the images within dy's margin; units are dx's rows."""
    height, width, channels, above, below, before, behind = geometry
    rows, row, length = above + height + below, (before + width + behind) * channels, width * channels
    for unit in range(start, stop):
        source = (unit // height * rows + unit % height + above) * row + before * channels
        for i in range(length):
            dx[unit * length + i] = dy[source + i]
