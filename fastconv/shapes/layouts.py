"""What errors add about arrays that look like another memory layout than the one they are taken for."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from .common import Ints

COLOURS = 4
"""Images rarely have more channels than this, red, green, blue and alpha, or fewer pixels on a side."""
NAMES = {1: ("w", "NWC"), 2: ("h, w", "NHWC"), 3: ("d, h, w", "NDHWC")}


def channels_first(name: str, dims: int) -> str:
    """Return what an error adds about a batch that looks like channels first."""
    order = _listed((0, *range(2, dims + 2), 1))
    return f"; it looks like channels first, (n, c, {NAMES[dims][0]}): move the axis with {name}.transpose({order})"


def layout_hint(shape: Ints, channels: int | None = None) -> str:
    """Return what an error adds about a batch (n, *size, c) of this shape if its channels seem to be elsewhere.

    `channels` is how many there should be, if that is known.
    """
    _, *size, last = shape
    if len(size) not in NAMES or last == channels:
        return ""

    def are_channels(axis: int) -> bool:
        others = [*size[:axis], *size[axis + 1 :], last]
        return size[axis] == channels if channels is not None else 1 <= size[axis] <= COLOURS < min(others)

    if are_channels(0):
        return channels_first("x", len(size))
    if len(size) > 1 and are_channels(len(size) - 1):
        axes, name = NAMES[len(size)]
        return f"; it looks like channels last, (n, {axes}, c), which is the layout {name!r}"
    return ""


def images_hint(shape: Ints, wanted: Ints) -> str:
    """Return what an error adds about an array that should be images (n, *wanted), where what it is can be guessed."""
    single = (wanted, wanted[:-1]) if len(wanted) == 3 and wanted[-1] == 1 else (wanted,)
    if shape in single:
        return "; it looks like one image, which is a batch as x[None]"
    if wanted == (1,) and len(shape) == 1:
        return "; rows of one number are x[:, None]"
    if len(wanted) == 1:
        images = len(shape) > 2 and prod(shape[1:]) == wanted[0]
        return "; it looks like images: make rows of them with x.reshape(len(x), -1)" if images else ""
    first = (wanted[-1], *wanted[:-1])
    if shape[1:] == first:
        return channels_first("x", 2)
    if shape == first:
        return "; it looks like one image with channels first, (c, h, w): move the axis with x.transpose(1, 2, 0)[None]"
    if shape[:-1] in single:
        order = _listed((len(shape) - 1, *range(len(shape) - 1)))
        return f"; it looks like (h, w, ..., n): move the axis with x.transpose({order})"
    if shape[1:] == (prod(wanted),):
        return f"; it looks like rows of pixels: make images of them with x.reshape(-1, {_listed(wanted)})"
    return ""


def odd_image(shape: Ints) -> bool:
    """Return whether a shape that should be (h, w, c) is that of an image with its channels first."""
    return len(shape) == 3 and shape[0] in (1, 3) and shape[1] == shape[2] > 2 * COLOURS


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
