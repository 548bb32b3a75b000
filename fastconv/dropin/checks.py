"""What the layers check of their arguments before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from ..arrays import FLOAT32, FLOAT64, as_array, kernel_ready

INITS = ("xavier", "scaled")
COLOURS = 4
"""An image may have so many channels whatever its size: red, green, blue and alpha."""
LONGISH = 1.5
"""An image whose longer side is at most so many times the shorter one is an image, whatever its channels."""


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
    """Return the learning rate as a float, which is finite."""
    if type(rate) is not float:
        number = as_array(name, "the learning rate", rate)
        if number.size != 1:
            raise ValueError(f"{name}: the learning rate must be one number, but has shape {number.shape}")
        rate = float(number.reshape(()))
    if rate - rate != 0:
        raise ValueError(f"{name}: the learning rate must be finite, but is {rate}")
    return rate


def is_batch(shape: tuple[int, ...]) -> bool:
    """Return whether an array that should be one image looks like several.

    It does if it has four axes, or three of which the last two are more like an image's height and width than the first two are:
    they are equal, or nearly so where the first two aren't. But where the last axis is short, it has a colour image's channels.
    """
    if len(shape) != 3 or 0 in shape:
        return len(shape) > 3
    height, width, channels = shape
    if channels == 1 or (channels <= COLOURS and channels != width):
        return False
    as_image, as_batch = (max(pair) / min(pair) for pair in ((height, width), (width, channels)))
    return as_batch == 1 or as_batch < as_image > LONGISH


def batch_hint(shape: tuple[int, ...], method: str) -> str:
    """Return what an error adds about an array of this shape that should be one image, if it looks like several: how to loop."""
    if not is_batch(shape):
        return ""
    loop = f"; it looks like a batch of {shape[0]} images, which are given one a call: `for image in images: layer.{method}(image)`"
    first = len(shape) == 3 and shape[0] <= COLOURS
    return loop + (" (or like one image with channels first: move the axis with image.transpose(1, 2, 0))" if first else "")


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
    return FLOAT32 if asked is FLOAT32 and image.dtype.newbyteorder("=") == FLOAT32 else FLOAT64


def check_forward_done(name: str, image: Any) -> None:
    """Refuse a backward pass before the first forward pass."""
    if image is None:
        raise ValueError(f"{name}: the backward pass must come after a forward pass, but there has been none")


def check_updatable(name: str, attribute: str, value: Any) -> None:
    """Refuse weights that can't be updated in place."""
    if type(value) is not np.ndarray or value.dtype.kind != "f" or not value.flags.writeable:
        kind = f"of dtype {value.dtype}, writable: {value.flags.writeable}" if isinstance(value, np.ndarray) else type(value)
        raise TypeError(f"{name}: {attribute} must be a writable float array to be updated, but is {kind}")


def image_or_maps(name: str, image: Any, method: str) -> np.ndarray:
    """Return an image, (h, w) or (h, w, channels), as an array of numbers."""
    array = as_array(name, "the image", image)
    if array.ndim not in (2, 3):
        hint = batch_hint(array.shape, method)
        raise ValueError(f"{name}: the image must be (h, w) or (h, w, channels), but has shape {array.shape}{hint}")
    return array


def described(name: str, arguments: tuple, options: dict[str, Any], shapes: tuple[Any, Any] | None) -> str:
    """Return what `repr` says of a layer: how it is made, with the options that were chosen, and what shapes it has seen."""
    chosen = [f"{option}={value!r}" for option, value in options.items() if value is not None]
    made = f"{name}({', '.join([*map(repr, arguments), *chosen])})"
    return made if shapes is None else f"{made}: {shapes[0]} -> {shapes[1]}"


class Before:
    """Several layers, and numpy.random, as they were before a forward pass that one of them may refuse."""

    def __init__(self, layers: list[Any]):
        self._kept, draws = [], False
        for layer in layers:
            state = layer.__dict__
            self._kept.append((state, state.copy()))
            draws = draws or state.get("_undrawn") is not None
        self._random = np.random.get_state() if draws else None

    def restore(self) -> None:
        """Take back what the pass has done; it changes no array of a layer in place."""
        for now, kept in self._kept:
            now.clear()
            now.update(kept)
        if self._random is not None:
            np.random.set_state(self._random)
