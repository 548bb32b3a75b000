"""How large the numbers are that a network sees: a warning where they can't be meant so, or are on another scale than before."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from ..messages.warn import warn
from ..shapes import Ints
from .interface import Shaped

CHUNK, CHUNKS, FEW = 2**16, 64, 2**18
"""Of more numbers than that many chunks have, only these are looked at; at most so few are added."""
FLAG = 1 / 255
"""The largest that flags of 0 and 1 count, where they are uint8."""
LARGE = 10.0
"""Shapeds learn from numbers whose magnitude is less than this."""
FEATURES, NUMBERS = 4, 16
"""A row of fewer numbers, or so few in all, may well lie in any part of the range: they aren't compared in size or sign."""
WIDE = 64
"""Shorter rows, such as windows of a series, may all be positive where those before were on both sides of zero."""


class InputRange(NamedTuple):
    """The lowest and the highest number that a network sees, and of those that aren't zero the mean, and the mean magnitude.

    `uint8` says that they were made of uint8, from 0 to 255, which count as 0 to 1.
    """

    low: float
    high: float
    mean: float
    magnitude: float
    uint8: bool

    def __str__(self) -> str:
        if self.uint8:
            return f"{255 * self.low:.0f} to {255 * self.high:.0f} of uint8, which count as {self.low:.3g} to {self.high:.3g}"
        return f"{self.low:.6g} to {self.high:.6g}"

    @property
    def extent(self) -> float:
        """The largest magnitude."""
        return max(-self.low, self.high)

    def united(self, other: InputRange) -> InputRange:
        """Return the range of both, means as they are here."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        return self._replace(low=low, high=high, uint8=self.uint8 and other.uint8)


def checked_range(operation: str, value: object) -> InputRange | None:
    """Return a range, or None, checked."""
    if value is None:
        return None
    if not isinstance(value, (tuple, list)) or len(value) != 5 or not isinstance(value[4], bool):
        raise TypeError(f"{operation}: input_range must be an InputRange or None, but is {value!r}")
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in value[:4]):
        raise TypeError(f"{operation}: input_range must be of numbers, but is {value!r}")
    low, high, mean, magnitude = map(float, value[:4])
    if not (np.isfinite([low, high, mean, magnitude]).all() and low <= high and magnitude > 0):
        raise ValueError(f"{operation}: input_range must be finite and from low to high, but is {value!r}")
    return InputRange(low, high, mean, magnitude, value[4])


def measured(images: np.ndarray) -> tuple[InputRange | None, bool]:
    """Return the range of images as the engine takes them, None if all are zero or there are none; and whether all are finite."""
    flat, scale, finite = images.reshape(-1), 1 / 255 if images.dtype == np.uint8 else 1.0, True
    chunks = [flat]
    if flat.size > CHUNK * CHUNKS:
        chunks = [flat[start : start + CHUNK] for start in np.linspace(0, flat.size - CHUNK, CHUNKS).astype(np.int64)]
    if not flat.size:
        return None, True
    low, high = min(chunk.min() for chunk in chunks), max(chunk.max() for chunk in chunks)
    if not (np.isfinite(low) and np.isfinite(high)):
        finite, chunks = False, [chunk[np.isfinite(chunk)] for chunk in chunks]
        low, high = (function(np.concatenate(chunks), initial=0) for function in (np.min, np.max))
    if high == 1 and images.dtype == np.uint8:
        high = flat.max()  # of flags we must be sure
    step = max(1, sum(chunk.size for chunk in chunks) // FEW)
    few = np.concatenate([chunk[::step] for chunk in chunks]) if step > 1 or len(chunks) > 1 else chunks[0]
    with np.errstate(over="ignore"):
        count, total = np.count_nonzero(few), float(few.sum(dtype=np.float64))
        size = total if low >= 0 else float(np.abs(few).sum(dtype=np.float64))
    if not 0 < size < np.inf:
        return None, finite
    low, high, mean, magnitude = (scale * float(number) for number in (low, high, total / count, size / count))
    return InputRange(low, high, mean, magnitude, images.dtype == np.uint8), finite


def differ(seen: InputRange, known: InputRange, shape: Ints) -> bool:
    """Return whether numbers of a shape (n, ...) must be on another scale than those known, as no dark image and no outlier are."""
    if seen.uint8 and known.uint8:
        return (seen.high <= FLAG) != (known.high <= FLAG)
    if seen.extent >= 10 * known.extent and seen.magnitude >= 2 * known.extent:
        return True
    if prod(shape[1:]) < FEATURES or prod(shape) < NUMBERS:
        return False
    if seen.extent <= known.magnitude / 25:
        return True
    positive, was_positive = seen.mean / seen.magnitude, known.mean / known.magnitude
    if was_positive > 0.99:
        return positive < 0.5
    many = shape[0] >= 8 and (len(shape) == 4 or shape[1] >= WIDE)
    return many and was_positive < 0.5 and 0 <= seen.low <= seen.high / 8


def look(
    operation: str, model: Shaped, images: np.ndarray, given: np.dtype, known: InputRange | None, where: str = "x"
) -> InputRange | None:
    """Return the range of images, which came in some type; warn once if it is none to learn from, or not what is known.

    What is known, and isn't on another scale, becomes part of it.
    """
    seen, finite = measured(images)
    text = None
    if operation == "fit" and not finite:
        text = "has numbers that aren't finite, and soon no weight will be"
    elif seen is not None and known is None:
        text = _alone(operation, seen, given)
    elif seen is not None and known is not None and differ(seen, known, images.shape):
        text = f"goes from {seen}, but the model was trained on {known}"
    elif known is not None:
        seen = known if seen is None else known.united(seen)
    if text is not None:
        warn_once(model, (operation, where, given, known is None), f"{operation}: {where} {text}")
    return seen


def warn_once(model: Shaped, case: tuple, text: str) -> None:
    """Warn, unless the model's user has been warned in such a case before."""
    if case not in model.warned:
        model.warned.add(case)
        warn(text)


def _alone(operation: str, seen: InputRange, given: np.dtype) -> str | None:
    """Return what is strange about numbers of a type, where it isn't known what the model was trained on."""
    advice = f"x / {seen.extent:.6g} doesn't exceed 1"
    if seen.low >= 0 and seen.high <= 255:
        advice = "x / 255 makes 0 to 1 of 0 to 255"
    if seen.uint8:
        flags = "goes from 0 to 1 of uint8, which count as 0 to 1/255: if these are flags, take x.astype('float32')"
        return flags if seen.high <= FLAG else None
    if given.kind in "iu" and seen.extent > 1:
        return f"goes from {seen} of {given}, which are taken as they are (of integers, only uint8 count as 0 to 1): {advice}"
    if operation in ("fit", "gradient") and seen.magnitude >= LARGE:
        return f"goes from {seen}, but networks learn from numbers near 1: {advice}"
    return None
