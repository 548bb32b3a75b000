"""Changes of the training images, new in each epoch."""

from __future__ import annotations

from ...shapes import as_int
from ..options import Options


class Shift(Options):
    """Moves each training image by up to so many pixels down or up and to the right or left; zeros come in.

    How far depends on the model's seed, the epoch and the image only, not on threads or the batch.

    Parameters
    ----------
    pixels : int

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Shift(1)
    Shift(1)
    """

    def __init__(self, pixels: int = 1):
        self.pixels = as_int("Shift", "pixels", pixels, 0, 1024)

    def __repr__(self) -> str:
        return f"Shift({self.pixels})"
