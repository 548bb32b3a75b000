"""What the layers check of their arguments before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .._arrays import FLOAT32, FLOAT64, as_array, kernel_ready

INITS = ("xavier", "scaled")


def check_init(name: str, init: str) -> None:
    """Refuse an unknown way to draw the first weights."""
    if init not in INITS:
        raise ValueError(f"{name}: init must be one of {INITS}, but is {init!r}")


def check_dtype(name: str, dtype: Any) -> np.dtype:
    """Return the dtype that a layer was made with, float64 for None."""
    if dtype is None:
        return FLOAT64
    checked = np.dtype(dtype)
    if checked not in (FLOAT32, FLOAT64):
        raise ValueError(f"{name}: dtype must be float32 or float64, but is {checked}")
    return FLOAT32 if checked == FLOAT32 else FLOAT64


def check_rate(name: str, rate: Any) -> float:
    """Return the learning rate as a float."""
    if type(rate) is float:
        return rate
    number = as_array(name, "the learning rate", rate)
    if number.size != 1:
        raise ValueError(f"{name}: the learning rate must be one number, but has shape {number.shape}")
    return float(number.reshape(()))


def is_plain(value: Any) -> bool:
    """Return whether a value is just a NumPy array of this machine's float32 or float64, which needs no more checks of its kind."""
    return type(value) is ndarray and (value.dtype is FLOAT64 or value.dtype is FLOAT32)


def ready(name: str, argument: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """Return an argument as the kernels take it; quick where it already is so."""
    if type(value) is ndarray and value.dtype is dtype and value.flags.carray:
        return value
    return kernel_ready(as_array(name, argument, value), dtype)


def is_ready(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Return whether a value is an array as the kernels take it, of this shape: then no other check is needed."""
    return type(value) is ndarray and value.shape == shape and value.dtype is dtype and value.flags.carray


def compute_type(asked: np.dtype, image: np.ndarray) -> np.dtype:
    """Return float32 where the layer asked for it and the image is of it, else float64."""
    return FLOAT32 if asked is FLOAT32 and image.dtype == FLOAT32 else FLOAT64


def check_forward_done(name: str, image: Any) -> None:
    """Refuse a backward pass before the first forward pass."""
    if image is None:
        raise ValueError(f"{name}: the backward pass must come after a forward pass, but there has been none")


def check_updatable(name: str, attribute: str, value: Any) -> None:
    """Refuse weights that can't be updated in place."""
    if type(value) is not np.ndarray or value.dtype.kind != "f" or not value.flags.writeable:
        kind = f"of dtype {value.dtype}, writable: {value.flags.writeable}" if isinstance(value, np.ndarray) else type(value)
        raise TypeError(f"{name}: {attribute} must be a writable float array to be updated, but is {kind}")
