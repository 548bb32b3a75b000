"""One block of memory for all of a program's arrays, planned once."""

from __future__ import annotations

import numpy as np

from .._arrays import aligned_empty

ALIGNMENT = 16
"""Arrays start at multiples of so many elements: 64 bytes of float32."""


class Arena:
    """Gives out arrays of one block, one behind the other."""

    def __init__(self, elements: int, dtype: np.dtype):
        self._block, self._used = aligned_empty((max(elements, 1024),), dtype), 0

    @staticmethod
    def room(elements: int) -> int:
        """Return what an array of so many elements takes."""
        return -(-elements // ALIGNMENT) * ALIGNMENT

    def take(self, elements: int) -> np.ndarray:
        """Return the next so many elements, not set to anything."""
        start = self._used
        self._used += self.room(elements)
        if self._used > len(self._block):
            raise MemoryError(f"the arena has {len(self._block)} elements, but {self._used} were asked for")
        return self._block[start : start + elements]
