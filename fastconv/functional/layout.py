"""The two memory layouts: channels last (NHWC, weights HWIO), which the kernels take, and channels first (NCHW, OIHW)."""

from __future__ import annotations

import numpy as np

from ..shapes import Ints

CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def is_first(operation: str, layout: object, dims: int) -> bool:
    """Return whether the layout is channels first; ValueError for a name that isn't one of this dimension's two."""
    names = (CHANNELS_LAST[dims], CHANNELS_FIRST[dims])
    if layout not in names:
        raise ValueError(f"{operation}: layout must be one of {names}, but is {layout!r}")
    return layout == names[1]


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


def weights_to_last(array: np.ndarray, first: bool) -> np.ndarray:
    """Return weights as (*kernel, channels, filters), contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, (0, 1), (-1, -2))) if first else array


def weights_from_last(array: np.ndarray, first: bool) -> np.ndarray:
    """Return (*kernel, channels, filters) in the user's layout, contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1))) if first else array
