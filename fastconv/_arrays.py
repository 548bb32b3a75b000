"""From whatever a user passes to what a kernel takes: real, native, aligned, C-contiguous, writable, float32 or float64."""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any

import numpy as np

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
ALIGNED = 1024
"""Below this many elements, finding an aligned place costs more than it brings."""


def as_array(operation: str, name: str, value: Any, *, complex_too: bool = False) -> np.ndarray:
    """Return `value` as an ndarray of numbers; TypeError for objects, strings, dates and (unless complex_too) complex numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{operation}: {name} is not a rectangular array: {error}") from None
    if array.dtype.kind not in ("biufc" if complex_too else "biuf"):
        raise TypeError(f"{operation}: {name} must be an array of real numbers, but has dtype {array.dtype}")
    return array


def float_type(*arrays: np.ndarray) -> np.dtype:
    """Return float32 where NumPy promotes the arrays to float32 (or float16), else float64."""
    common = np.result_type(*arrays) if len({array.dtype for array in arrays}) > 1 else arrays[0].dtype
    return FLOAT32 if common in (FLOAT32, np.dtype(np.float16)) else FLOAT64


def kernel_ready(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the array as a kernel takes it, without a copy where its memory already is so; kernels never write to inputs."""
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned) or array.dtype != dtype or not array.dtype.isnative:
        return np.array(array, dtype=dtype, order="C", copy=True)
    if not flags.writeable:
        return np.asarray(_WritableAlias(array))
    return array


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array, not set to anything, that starts at a multiple of 64 bytes, so that no vector of it crosses a cache line.

    Below ALIGNED elements it may start anywhere.
    """
    size = prod(shape)
    if size < ALIGNED:
        return np.empty(shape, dtype)
    room = np.empty(size + 64 // dtype.itemsize, dtype)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(room.data)) % 64 // dtype.itemsize  # NumPy's ways take four times as long
    return room[start : start + size].reshape(shape)


def aligned_copy(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a C-contiguous copy in aligned memory."""
    copy = aligned_empty(array.shape, dtype)
    copy[...] = array
    return copy


class _WritableAlias:
    """The same memory without the read-only mark, which numba would compile every kernel once more for."""

    def __init__(self, array: np.ndarray):
        self.owner = array
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def operands(operation: str, optional: tuple[str, Any] | None = None, **arrays: Any) -> list[np.ndarray]:
    """Return the named arrays kernel-ready in their common float type; `optional` is a name and a value or None."""
    if optional is not None and optional[1] is not None:
        arrays[optional[0]] = optional[1]
    checked = [as_array(operation, name, value) for name, value in arrays.items()]
    dtype = float_type(*checked)
    ready = [kernel_ready(array, dtype) for array in checked]
    return ready if optional is None or optional[1] is not None else [*ready, None]  # type: ignore[list-item]  # None stays


def result_array(operation: str, out: Any, shape: tuple[int, ...], dtype: np.dtype, *inputs: Any) -> np.ndarray:
    """Return the caller's `out`, checked, or a new array where it is None."""
    if out is None:
        return aligned_empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        kind = f"{out.dtype} {out.shape}, writable: {out.flags.writeable}" if isinstance(out, np.ndarray) else type(out).__name__
        raise (ValueError if isinstance(out, np.ndarray) else TypeError)(
            f"{operation}: out must be a writable {np.dtype(dtype)} array of shape {shape}, but is {kind}"
        )
    for array in inputs:
        if isinstance(array, np.ndarray) and _overlap(out, array):
            raise ValueError(f"{operation}: out must not overlap an input in memory")
    return out


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]  # NumPy takes any number
    except np.exceptions.TooHardError:
        return True


def check_rank(operation: str, name: str, array: np.ndarray, rank: int, meaning: str, hint: str = "") -> None:
    """Refuse an array with another number of axes; the error ends in the hint."""
    if array.ndim != rank:
        raise ValueError(f"{operation}: {name} must have {rank} axes {meaning}, but has {array.ndim}: shape {array.shape}{hint}")
