"""What convolution and pooling share: checks of integers, padding dialects, and how many windows fit."""

from __future__ import annotations

import operator
from math import prod

import numpy as np

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

MAX_ELEMENTS = 2**40
"""No array, padding included, may have more elements than this, and no option be larger; sizes are checked as Python integers,
which don't wrap."""
AMPLE, AMPLIFIED = 2**22, 1000
"""An array may have over AMPLE elements only where that's at most AMPLIFIED times as many as the operands': else it's a mistake."""

PADDINGS = ("valid", "same", "same_lower", "full", "causal")


def as_int(operation: str, name: str, value: object, least: int, most: int | None = None) -> int:
    """Return `value` as an int from `least` to `most`; bools, floats and strings are refused."""
    if isinstance(value, bool):
        raise TypeError(f"{operation}: {name} must be an integer, but is {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # that it may fail is the check
    except TypeError:
        raise TypeError(f"{operation}: {name} must be an integer, but is {value!r}") from None
    if number < least:
        raise ValueError(f"{operation}: {name} must be at least {least}, but is {number}")
    if most is not None and number > most:
        raise ValueError(f"{operation}: {name} must be at most {most}, but is {number}")
    return number


def as_bool(operation: str, name: str, value: object) -> bool:
    """Return an option that is True or False as a bool; all else, "no" for one, is refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{operation}: {name} must be True or False, but is {value!r}")
    return bool(value)


def per_axis(operation: str, name: str, value: object, dims: int, least: int = 1) -> Ints:
    """Return `value`, one integer or one per spatial axis, as a tuple of `dims` ints of at least `least`."""
    if isinstance(value, (tuple, list)):
        if len(value) != dims:
            raise ValueError(f"{operation}: {name} must be one integer or {dims}, but has {len(value)}: {value!r}")
        return tuple(as_int(operation, name, item, least, MAX_ELEMENTS) for item in value)
    return (as_int(operation, name, value, least, MAX_ELEMENTS),) * dims


def as_padding(operation: str, padding: object, dims: int) -> str | Pads:
    """Return the padding option as one of PADDINGS or as (before, after) per axis.

    Parameters
    ----------
    operation : str
        For error texts.
    padding : int, str, or sequence
        One int; one int or one (before, after) pair per axis; "valid"; "same" (TensorFlow's and ONNX's SAME_UPPER: the output
        has ceil(size / stride) pixels, an odd pixel of padding goes to the end); "same_lower" (it goes to the beginning);
        "full" (window - 1 on both sides); "causal" (window - 1 before the first pixel, one spatial axis only).
    dims : int
        How many spatial axes there are.
    """
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ValueError(f"{operation}: padding must be an integer, pairs, or one of {PADDINGS}, but is {padding!r}")
        return padding
    if isinstance(padding, (tuple, list)):
        if len(padding) != dims:
            raise ValueError(f"{operation}: padding must have one entry per axis ({dims}), but has {len(padding)}: {padding!r}")
        return tuple(per_axis(operation, "padding", item, 2, 0) for item in padding)  # type: ignore[misc]  # pairs
    return ((as_int(operation, "padding", padding, 0, MAX_ELEMENTS),) * 2,) * dims


def resolve_padding(operation: str, padding: str | Pads, size: Ints, window: Ints, stride: Ints) -> Pads:
    """Return (before, after) for each axis, given the input's size, the dilated window's extent and the stride."""
    if not isinstance(padding, str):
        return padding
    if padding == "valid":
        return ((0, 0),) * len(size)
    if padding == "full":
        return tuple((extent - 1, extent - 1) for extent in window)
    if padding == "causal":
        if len(size) != 1:
            raise ValueError(f"{operation}: padding 'causal' needs one spatial axis, but there are {len(size)}")
        return ((window[0] - 1, 0),)
    pads = []
    for pixels, extent, step in zip(size, window, stride, strict=True):
        total = max(0, (-(-pixels // step) - 1) * step + extent - pixels)
        less, more = total // 2, total - total // 2
        pads.append((less, more) if padding == "same" else (more, less))
    return tuple(pads)


def window_outputs(
    operation: str, size: Ints, window: Ints, stride: Ints, pads: Pads, ceil_mode: bool = False, hint: str = ""
) -> Ints:
    """Return how many windows fit per axis: floor((size + before + after - window) / stride) + 1, at least one.

    With ceil_mode the quotient is rounded up, and a last window that would start behind the image's last pixel is left
    out (PyTorch; ONNX from opset 22). An error ends with the hint.
    """
    outputs = []
    for axis, (pixels, extent, step, (before, after)) in enumerate(zip(size, window, stride, pads, strict=True)):
        room = pixels + before + after
        if room < extent:
            raise ValueError(
                f"{operation}: the window must not be larger than the padded input, but on spatial axis {axis} it covers "
                f"{extent} pixels of {room}{hint}"
            )
        count = (room - extent) // step + 1
        if ceil_mode and (room - extent) % step and count * step < pixels + before:
            count += 1
        outputs.append(count)
    return tuple(outputs)


def as_shape(operation: str, name: str, shape: object, rank: int) -> Ints:
    """Return a shape argument as a tuple of `rank` ints of at least 0."""
    if not isinstance(shape, (tuple, list)) or len(shape) != rank:
        raise ValueError(f"{operation}: {name} must have {rank} entries, but is {shape!r}")
    checked = tuple(as_int(operation, f"{name}[{axis}]", size, 0) for axis, size in enumerate(shape))
    check_elements(operation, *checked)
    return checked


def check_made(operation: str, shape: Ints, *given: Ints) -> None:
    """Refuse to make an array of `shape`, from operands of the given shapes, that can only be a mistake."""
    check_elements(operation, *(max(1, n) for n in shape))
    if _volume(shape) > AMPLE and _volume(shape) > AMPLIFIED * sum(map(_volume, given)):
        raise ValueError(
            f"{operation}: an array of {tuple(shape)} is over {AMPLIFIED} times as large as the operands, {given}, "
            f"which is taken for a mistake"
        )


def _volume(shape: Ints) -> int:
    """Return the number of elements, an axis of none counted as one: its siblings' tables are made all the same."""
    return prod(max(1, n) for n in shape)


def check_elements(operation: str, *sizes: int) -> None:
    """Refuse an array of more than MAX_ELEMENTS elements."""
    if prod(sizes) > MAX_ELEMENTS:
        raise ValueError(f"{operation}: an array of {sizes} is larger than {MAX_ELEMENTS} elements")


def check_shape(operation: str, name: str, shape: Ints, expected: Ints, hint: str = "") -> None:
    """Refuse an array whose shape is not the one that the other arguments imply; the error ends in the hint."""
    if shape != expected and tuple(shape) != tuple(expected):
        raise ValueError(f"{operation}: {name} must have shape {tuple(expected)}, but has {tuple(shape)}{hint}")
