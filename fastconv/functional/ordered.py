"""Integers for kernels that take floats and pick one of several numbers: whatever is picked is given back exactly."""

from __future__ import annotations

import numpy as np

EXACT = 2**53
"""Up to here float64 holds every integer."""


def ordered(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return numbers that float64 holds, in the array's order, equal where it is, and what they stand for if not themselves.

    Integers beyond EXACT are counted off: the numbers are their places in the second array, which has each of them once.
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return array, None
    numbers = array.astype(np.float64)
    if numbers.max() < EXACT and numbers.min() > -EXACT:  # what is rounded to EXACT may have been more
        return numbers, None
    values, places = np.unique(array, return_inverse=True)
    return places.reshape(array.shape), values


def own_type(array: np.ndarray, computed: np.dtype) -> np.dtype:
    """Return the type of what is picked of an array: integers' own, else that in which floats, and bools, are computed."""
    return array.dtype.newbyteorder("=") if array.dtype.kind in "iu" else computed
