"""The order in which each epoch goes through the images: by the model's seed, as the arrays have them, or by a user's function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import as_array

Shuffle = bool | Callable[[int], ArrayLike]


class Order:
    """Gives an epoch's order by its number.

    `kind` is what a checkpoint keeps of it: True, False, or "own" for a user's function.
    """

    def __init__(self, shuffle: Shuffle, seed: int, count: int):
        if not isinstance(shuffle, (bool, np.bool_)) and not callable(shuffle):
            raise TypeError(f"fit: shuffle must be True, False or a function of an epoch's number, but is {shuffle!r}")
        self._own = shuffle if callable(shuffle) else None
        self.kind: bool | str = "own" if callable(shuffle) else bool(shuffle)
        self._seed, self._count = seed, count

    def __call__(self, epoch: int) -> np.ndarray:
        """Return a permutation of range(count)."""
        if self._own is not None:
            return _checked(self._own(epoch), epoch, self._count)
        if self.kind:
            return np.random.default_rng([self._seed, epoch]).permutation(self._count)
        return np.arange(self._count)


def _checked(order: ArrayLike, epoch: int, count: int) -> np.ndarray:
    found = as_array("fit", "what shuffle returns", order)
    if found.shape != (count,):
        raise ValueError(
            f"fit: shuffle must return {count} numbers for {count} images, but for epoch {epoch} their shape is {found.shape}"
        )
    if found.dtype.kind not in "iu":
        raise TypeError(f"fit: shuffle must return integers, but for epoch {epoch} they are {found.dtype}")
    rule = f"fit: shuffle must return each number from 0 to {count - 1} once, but for epoch {epoch}"
    if count and not 0 <= found.min() <= found.max() < count:
        raise ValueError(f"{rule} they go from {found.min()} to {found.max()}")
    times = np.bincount(found.astype(np.int64), minlength=count)
    if (times != 1).any():
        wrong = int((times != 1).argmax())
        raise ValueError(f"{rule} the number {wrong} comes {times[wrong]} times")
    return found
