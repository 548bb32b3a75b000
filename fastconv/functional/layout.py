"""The two memory layouts: channels last (NHWC, weights HWIO), which the kernels take, and channels first (NCHW, OIHW)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import check_rank, operands, result_array
from ..runtime.memory import aligned_empty
from ..shapes import Ints

CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def is_first(operation: str, layout: object, dims: int) -> bool:
    """Return whether the layout is channels first; ValueError for a name that isn't one of this dimension's two."""
    names = (CHANNELS_LAST[dims], CHANNELS_FIRST[dims])
    if layout not in names:
        raise ValueError(f"{operation}: layout must be one of {names}, but is {layout!r}")
    return layout == names[1]


def dims_of(operation: str, layout: object) -> int:
    """Return how many spatial axes a layout's name has, for functions of any dimension."""
    for dims in CHANNELS_LAST:
        if layout in (CHANNELS_LAST[dims], CHANNELS_FIRST[dims]):
            return dims
    names = (*CHANNELS_LAST.values(), *CHANNELS_FIRST.values())
    raise ValueError(f"{operation}: layout must be one of {names}, but is {layout!r}")


def images(operation: str, dims: int, layout: str, **arrays: Any) -> tuple[bool, list[np.ndarray]]:
    """Return whether the layout is channels first, and the named image batches, checked, kernel-ready and channels last."""
    first = is_first(operation, layout, dims)
    ready = operands(operation, **arrays)
    for name, array in zip(arrays, ready, strict=True):
        check_rank(operation, name, array, dims + 2, layout)
    return first, [to_last(array, first) for array in ready]


def last_shape(shape: Ints, first: bool) -> Ints:
    """Return an image batch's shape as channels last."""
    return (shape[0], *shape[2:], shape[1]) if first else tuple(shape)


def last_weight_shape(shape: Ints, first: bool) -> Ints:
    """Return a weight array's shape as (*kernel, channels, filters)."""
    return (*shape[2:], shape[1], shape[0]) if first else tuple(shape)


def to_last(array: np.ndarray, first: bool) -> np.ndarray:
    """Return an image batch as channels last, contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if first else array


def from_last(array: np.ndarray, first: bool) -> np.ndarray:
    """Return a channels-last image batch in the user's layout, contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1)) if first else array


def first_shape(shape: Ints, first: bool) -> Ints:
    """Return a channels-last shape in the user's layout."""
    return (shape[0], shape[-1], *shape[1:-1]) if first else shape


def result_for(operation: str, out: Any, shape: Ints, first: bool, dtype: np.dtype, *inputs: Any) -> np.ndarray:
    """Return a channels-last contiguous array to write a result into: the caller's `out`, checked, where it is so."""
    if out is None:
        return aligned_empty(shape, dtype)
    checked = result_array(operation, out, first_shape(shape, first), dtype, *inputs)
    return checked if not first and checked.flags.carray else aligned_empty(shape, dtype)


def deliver(y: np.ndarray, first: bool, out: np.ndarray | None) -> np.ndarray:
    """Return the result in the user's layout, in `out` where there is one."""
    if out is None or y is out:
        return from_last(y, first) if out is None else out
    out[...] = np.moveaxis(y, -1, 1) if first else y
    return out


def weights_to_last(array: np.ndarray, first: bool) -> np.ndarray:
    """Return weights as (*kernel, channels, filters), contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, (0, 1), (-1, -2))) if first else array


def weights_from_last(array: np.ndarray, first: bool) -> np.ndarray:
    """Return (*kernel, channels, filters) in the user's layout, contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1))) if first else array
