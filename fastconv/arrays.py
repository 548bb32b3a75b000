"""From whatever a user passes to what a kernel takes: real, native, aligned, C-contiguous, writable, float32 or float64."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from .runtime.memory import aligned_empty

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def as_array(operation: str, name: str, value: Any, *, complex_too: bool = False) -> np.ndarray:
    """Return `value` as an ndarray of numbers.

    Raises
    ------
    TypeError
        For objects, strings, dates, (unless complex_too) complex numbers, and what has a mask, which would be lost.
    ValueError
        For lists that aren't rectangular.
    """
    array = value
    if type(value) is not np.ndarray:
        check_no_mask(operation, name, value)
        try:
            array = np.asarray(value)
        except ValueError as error:  # ragged lists
            raise ValueError(f"{operation}: {name} is not a rectangular array: {error}") from None
    if array.dtype.kind not in ("biufc" if complex_too else "biuf"):
        raise TypeError(f"{operation}: {name} must be an array of real numbers, but has dtype {array.dtype}")
    return array


def check_no_mask(operation: str, name: str, value: Any) -> None:
    """Refuse a masked array, and what holds one: NumPy would take the numbers behind the mask."""
    if has_mask(value):
        verb = "is" if isinstance(value, np.ndarray) else "holds"
        raise TypeError(
            f"{operation}: {name} must be an array without a mask, but {verb} a MaskedArray; its method filled makes one"
        )


def has_mask(value: Any, depth: int = 64) -> bool:
    """Return whether a value is a masked array, or a list or tuple that holds one, of as many levels as NumPy takes."""
    if isinstance(value, (list, tuple)):
        nested = any(issubclass(kind, (list, tuple)) or hasattr(kind, "__array__") for kind in set(map(type, value)))
        return nested and depth > 0 and any(has_mask(item, depth - 1) for item in value)
    if not isinstance(value, (np.ndarray, np.generic)) and hasattr(value, "__array__"):
        value = np.asanyarray(value)
    return isinstance(value, np.ma.MaskedArray)


def all_finite(array: np.ndarray) -> bool:
    """Return whether every element of an array of numbers is finite: by the sum of their squares where that is, which is quick."""
    if array.dtype.kind not in "fc":
        return True
    flat = array.reshape(-1)
    return isfinite(np.vdot(flat, flat).real) or bool(np.isfinite(flat).all())  # unlike dot, vdot doesn't warn


def float_type(*arrays: np.ndarray) -> np.dtype:
    """Return float32 where NumPy promotes the arrays to float32 (or float16), else float64."""
    common = np.result_type(*arrays) if len({array.dtype for array in arrays}) > 1 else arrays[0].dtype
    if not common.isnative:
        common = common.newbyteorder("=")
    return FLOAT32 if common in (FLOAT32, np.dtype(np.float16)) else FLOAT64


def kernel_ready(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the array as a kernel takes it, without a copy where its memory already is so; kernels never write to inputs."""
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned) or array.dtype != dtype or not array.dtype.isnative:
        return np.array(array, dtype=dtype, order="C", copy=True)
    if not flags.writeable:
        return np.asarray(_WritableAlias(array))
    return array


class _WritableAlias:
    """The same memory without the read-only mark, which numba would compile every kernel once more for."""

    def __init__(self, array: np.ndarray):
        self.owner = array
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def operands(operation: str, optional: dict[str, Any] | None = None, **arrays: Any) -> list[np.ndarray]:
    """Return the named arrays, and behind them the optional ones, or None, kernel-ready in their common float type."""
    values = arrays | (optional or {})
    given = {name: as_array(operation, name, value) for name, value in values.items() if value is not None or name in arrays}
    dtype = float_type(*given.values())
    return [kernel_ready(given[name], dtype) if name in given else None for name in values]  # type: ignore[misc]  # None stays


def result_array(operation: str, out: Any, shape: tuple[int, ...], dtype: np.dtype, *inputs: Any) -> np.ndarray:
    """Return the caller's `out`, checked, or a new array where it is None."""
    if out is None:
        return aligned_empty(shape, dtype)
    if not _is_array(out) or out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        kind = f"{out.dtype} {out.shape}, writable: {out.flags.writeable}" if _is_array(out) else type(out).__name__
        raise (ValueError if _is_array(out) else TypeError)(
            f"{operation}: out must be a writable {np.dtype(dtype)} array of shape {shape}, but is {kind}"
        )
    span = out.itemsize + sum(abs(step) * (n - 1) for step, n in zip(out.strides, out.shape, strict=True))
    if out.size and span < out.nbytes:
        raise ValueError(f"{operation}: out must have a place in memory for each element, but has {span} bytes for {out.nbytes}")
    for given in inputs:  # a memoryview, say, may share its memory too
        if given is not None and _overlap(out, np.asarray(given)):
            raise ValueError(f"{operation}: out must not overlap an input in memory")
    return out


def _is_array(out: Any) -> bool:
    return isinstance(out, np.ndarray) and not isinstance(out, np.ma.MaskedArray)


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]  # NumPy takes any number
    except np.exceptions.TooHardError:
        return True


def check_rank(operation: str, name: str, array: np.ndarray, rank: int, meaning: str, hint: str = "") -> None:
    """Refuse an array with another number of axes; the error ends in the hint."""
    if array.ndim != rank:
        raise ValueError(f"{operation}: {name} must have {rank} axes {meaning}, but has {array.ndim}: shape {array.shape}{hint}")
