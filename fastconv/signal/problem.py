"""What all four functions come to: a piece of the full convolution of two arrays. Argument checks and size rules are here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import FLOAT32, FLOAT64, all_finite, as_array
from ..runtime.machine import FLOAT32_LANES, VECTOR_BYTES
from ..shapes import Ints, check_elements

MODES = ("full", "same", "valid")
ENGINE_DIMS = 3
LONGEST_ROW = 48
"""A kernel of one row of so many pixels takes as long by either of the engine's kernels."""


@dataclass(frozen=True)
class Problem:
    """The elements from `start` on, `size` of them on each axis, of the full convolution of x with the smaller array w."""

    x: np.ndarray
    w: np.ndarray
    start: Ints
    size: Ints

    @cached_property
    def result(self) -> np.dtype:
        """The result's type, NumPy's promotion of both, in native byte order."""
        return np.result_type(self.x, self.w).newbyteorder("=")

    @cached_property
    def largest(self) -> int:
        """An upper bound of the magnitude of every sum of integers, whatever its order."""
        return _magnitude(self.x) * _magnitude(self.w) * self.w.size

    @cached_property
    def engine_type(self) -> np.dtype | None:
        """The float type in which the engine computes the result, integers exactly; None if it can't."""
        if self.x.ndim > ENGINE_DIMS or not all_finite(self.w):
            return None
        if self.result.kind not in "fc":
            return FLOAT32 if self.largest <= 2**24 else FLOAT64 if self.largest <= 2**53 else None
        real = self.result.itemsize // (2 if self.result.kind == "c" else 1)
        return FLOAT32 if real <= 4 else FLOAT64 if real == 8 else None

    @property
    def by_rows(self) -> bool:
        """Whether the engine takes its kernel for one channel and one filter: not for long single rows, which it is slower for."""
        rows_shared = self.x.ndim > 1 and min(self.w.shape[-2], self.size[-2]) > 1
        short = self.w.shape[-1] <= LONGEST_ROW
        return self.result.kind != "c" and (rows_shared or short) and self.size[-1] >= FLOAT32_LANES

    def lanes(self, bytes_each: int) -> int:
        """Return how many neighbouring results the engine computes at once: as many as fill a vector."""
        return max(1, min(self.size[-1], VECTOR_BYTES // bytes_each // (2 if self.result.kind == "c" else 1)))

    def as_result(self, y: np.ndarray) -> np.ndarray:
        """Return y in the result's type, contiguous; floats wrap around as integers."""
        if self.result.kind in "biu" and y.dtype.kind == "f":
            y = y.astype(np.uint64 if self.result == np.uint64 else np.int64)
        with np.errstate(over="ignore"):  # half precision
            return np.ascontiguousarray(y, self.result)


def _magnitude(array: np.ndarray) -> int:
    return max(abs(int(array.max())), abs(int(array.min())))


def as_operands(operation: str, in1: Any, in2: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both arguments as arrays of numbers; TypeError for objects, strings and masked arrays."""
    return as_array(operation, "in1", in1, complex_too=True), as_array(operation, "in2", in2, complex_too=True)


def check_option(operation: str, name: str, value: object, options: tuple[str, ...]) -> None:
    """Refuse an option that is not one of those there are."""
    if value not in options:
        raise ValueError(f"{operation}: {name} must be one of {options}, but is {value!r}")


def second_is_larger(operation: str, shape1: Ints, shape2: Ints) -> bool:
    """Return whether "valid" slides the first array over the second; ValueError if neither fits into the other."""
    if all(n >= k for n, k in zip(shape1, shape2, strict=True)):
        return False
    if all(n <= k for n, k in zip(shape1, shape2, strict=True)):
        return True
    raise ValueError(
        f"{operation}: for mode 'valid' one array must be at least as large as the other on every axis, "
        f"but the shapes are {shape1} and {shape2}"
    )


def output_window(operation: str, mode: str, shape1: Ints, shape2: Ints, middle: Ints) -> tuple[Ints, Ints]:
    """Return which part of the full convolution a mode wants: its start and size; `middle` is where "same" starts."""
    pairs = list(zip(shape1, shape2, strict=True))
    if mode == "full":
        start, size = (0,) * len(pairs), tuple(n + k - 1 for n, k in pairs)
    elif mode == "same":
        start, size = middle, shape1
    else:
        start, size = tuple(min(pair) - 1 for pair in pairs), tuple(abs(n - k) + 1 for n, k in pairs)
    if size and min(size) < 0:
        raise ValueError(f"{operation}: two empty arrays have no full convolution: shapes {shape1} and {shape2}")
    check_elements(operation, *size)
    return start, size


def problem(x: np.ndarray, w: np.ndarray, start: Ints, size: Ints) -> Problem:
    """Return the Problem; convolution commutes, so the smaller array is the one to slide."""
    return Problem(x, w, start, size) if w.size <= x.size else Problem(w, x, start, size)
