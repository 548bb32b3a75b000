"""numpy.pad's border modes, forwards and backwards: where each padded pixel comes from."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ..kernels.arrays.long_sums import FLOAT64, is_long
from ..shapes import ConvSpec

PADDING_MODES = ("constant", "reflect", "symmetric", "edge", "wrap")


def source_pixels(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """Return which pixel of an axis of `size` each pixel of the padded axis repeats, however long the padding is."""
    place = np.arange(-before, size + after)
    if mode == "wrap":
        return place % size
    if mode == "edge" or size == 1:
        return np.clip(place, 0, size - 1)
    period = 2 * size if mode == "symmetric" else 2 * size - 2
    place %= period
    return np.minimum(place, period - (mode == "symmetric") - place)


class Border:
    """A convolution's border in a mode other than zeros: pads its input, and folds the padded input's gradient back."""

    def __init__(self, operation: str, spec: ConvSpec, mode: str):
        self.size, pads = spec.size, spec.pads
        for axis, (pixels, pair) in enumerate(zip(spec.size, pads, strict=True)):
            if not pixels and any(pair):
                raise ValueError(f"{operation}: padding_mode {mode!r} needs a pixel to repeat, but spatial axis {axis} has none")
        self.sources = [source_pixels(n, *pair, mode) if any(pair) else None for n, pair in zip(spec.size, pads, strict=True)]
        self.spec = replace(spec, size=spec.padded, pads=((0, 0),) * len(pads))

    def pad(self, x: np.ndarray) -> np.ndarray:
        """Return channels-last x with its border."""
        for axis, sources in enumerate(self.sources, 1):
            if sources is not None:
                x = np.ascontiguousarray(x.take(sources, axis))
        return x

    def fold(self, dx: np.ndarray) -> np.ndarray:
        """Return the gradient of x, given that of x with its border: each pixel's repetitions are added, many in float64."""
        repetitions = prod(int(np.bincount(sources).max()) for sources in self.sources if sources is not None)
        kind = FLOAT64 if is_long(repetitions, dx.dtype) else dx.dtype
        total = dx
        for axis, sources in enumerate(self.sources, 1):
            if sources is not None:
                folded = np.zeros((*total.shape[:axis], self.size[axis - 1], *total.shape[axis + 1 :]), kind)
                with np.errstate(over="ignore", invalid="ignore"):
                    np.add.at(np.moveaxis(folded, axis, 0), sources, np.moveaxis(total, axis, 0))
                total = folded
        with np.errstate(over="ignore"):
            return total.astype(dx.dtype, copy=False)


def border_of(operation: str, spec: ConvSpec, mode: object) -> Border | None:
    """Return the border that a padding mode asks for, None for zeros, which the kernels make themselves."""
    if mode not in PADDING_MODES:
        raise ValueError(f"{operation}: padding_mode must be one of {PADDING_MODES}, but is {mode!r}")
    return None if mode == "constant" or not any(map(any, spec.pads)) else Border(operation, spec, str(mode))
