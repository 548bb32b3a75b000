"""All memory that fastconv makes for its kernels to write to: results, rooms of their own, packed weights, a program's arrays.

It comes from one place, `allocator`, so that a test can put pages around all of it that can't be touched.
"""

from __future__ import annotations

from ctypes import addressof, c_char
from math import prod

import numpy as np
from numpy.typing import DTypeLike

ALIGNED = 1024
"""Below this many elements, finding an aligned place costs more than it brings."""
ALIGNMENT = 16
"""An arena's arrays start at multiples of so many elements: 64 bytes of float32."""


class Allocator:
    """Gives out NumPy's memory."""

    def take(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Return an array, not set to anything."""
        return np.empty(shape, dtype)

    def take_aligned(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Return an array, not set to anything.

        From ALIGNED elements on it starts at a multiple of 64 bytes, so that no vector of it crosses a cache line.
        """
        size = shape if isinstance(shape, int) else prod(shape)
        if size < ALIGNED:
            return np.empty(shape, dtype)
        room = np.empty(size + 64, dtype)
        start = -addressof(c_char.from_buffer(room)) % 64 // room.itemsize  # type: ignore[arg-type]  # NumPy's ways take four times as long
        taken = room[start : start + size]
        return taken if isinstance(shape, int) else taken.reshape(shape)

    def cut(self, block: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return the elements start..stop of a block that was taken, as an array of its own."""
        return block[start:stop]


allocator = Allocator()


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an array, not set to anything, for work of so few microseconds that finding an aligned place would cost more."""
    return allocator.take(shape, dtype)


def buffer(size: int, dtype: DTypeLike) -> np.ndarray:
    """Return so many elements for a kernel's own use, not set to anything."""
    return allocator.take_aligned(size, dtype)


def zeros(size: int, dtype: DTypeLike) -> np.ndarray:
    """Return so many zeros."""
    array = allocator.take_aligned(size, dtype)
    array[:] = 0
    return array


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an array of a shape, not set to anything."""
    return allocator.take_aligned(shape, dtype)


def aligned_copy(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a C-contiguous copy."""
    copy = allocator.take_aligned(array.shape, dtype)
    copy[...] = array
    return copy


class Arena:
    """One block of memory for all of a program's arrays, planned once: it gives them out one behind the other."""

    def __init__(self, elements: int, dtype: np.dtype):
        self._block, self._used = allocator.take_aligned(max(elements, ALIGNED), dtype), 0

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
        return allocator.cut(self._block, start, start + elements)
