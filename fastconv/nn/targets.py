"""What a network is to say of each image, labels or numbers, checked and as the engine reads it."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..arrays import kernel_ready
from ..shapes import Ints
from .interface import Shaped
from .labels import Names, is_whole, labels_of, labels_or_numbers, one_hot_fault
from .ranges import warn_once


class Targets(NamedTuple):
    """Labels (n,) as int64, or numbers (n, outputs) in the model's type; and the names of the classes, if they have any.

    `classified` says whether each image has one right class, so that there is an accuracy.
    """

    values: np.ndarray
    classes: Names | None
    classified: bool


def class_count(shape: Ints) -> int | None:
    """Return how many classes results of this shape tell apart; None for images, and for one number."""
    return shape[-1] if prod(shape[:-1]) == 1 and shape[-1] > 1 else None


def checked_targets(operation: str, model: Shaped, y: Any, count: int, loss: str, classes: Names | None, learn: bool) -> Targets:
    """Return what y says of `count` images.

    `classes` are the names that are known; where there are none, names in y become them if `learn` says so.
    """
    array, shape = labels_or_numbers(operation, y), model.shapes[-1]
    if array.ndim == 0 or len(array) != count:
        raise ValueError(f"{operation}: y must have one label for each of the {count} images, but has shape {array.shape}")
    number = class_count(shape)
    if loss == "cross_entropy":
        if number is None:
            raise ValueError(
                f"{operation}: with cross_entropy the model must tell at least two classes apart, (classes,), but gives {shape}: "
                "numbers are learnt with loss='mean_squared_error'"
            )
        labels, classes = labels_of(operation, array, number, classes, learn)
        return Targets(labels, classes, True)
    if number is not None and array.shape[1:] in ((), (1,)) and is_whole(array):
        labels, classes = labels_of(operation, array, number, classes, learn)
        return Targets(np.eye(number, dtype=model.dtype)[labels], classes, True)
    numbers = _numbers(operation, array, shape, model.dtype)
    if array.dtype == np.uint8 and len(shape) == 3 and prod(shape) > 1 and array.max(initial=0) > 1:
        text = f"{operation}: y reaches {array.max()} of uint8, which are taken as they are, while in x they count as 0 to 1"
        warn_once(model, (operation, "y"), f"{text}: if they are pixels, take y / 255")
    return Targets(numbers, classes, number is not None and one_hot_fault(numbers) is None)


def _numbers(operation: str, array: np.ndarray, shape: Ints, dtype: np.dtype) -> np.ndarray:
    """Return numbers (n, outputs), for results of a shape, from (n, *shape) or what can only mean the same."""
    outputs = prod(shape)
    if not len(array):
        return np.zeros((0, outputs), dtype)
    if array.dtype == object:
        raise TypeError(f"{operation}: y must be numbers, as the model gives {shape}, but number 0 is {array.flat[0]!r}")
    meant = {shape, (outputs,)} | ({shape[:-1]} if shape[-1] == 1 else set())
    if array.shape[1:] not in meant and (outputs > 1 or array.size != len(array)):
        whole = f"(n, {', '.join(map(str, shape))})"
        raise ValueError(f"{operation}: y must have {outputs} numbers for each image, {whole}, but has shape {array.shape}")
    with np.errstate(over="ignore"):
        numbers = kernel_ready(array.reshape(len(array), outputs), dtype)
    finite = np.isfinite(numbers)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        found = array.reshape(len(array), outputs)[row, column]
        raise ValueError(f"{operation}: y must be finite numbers of {dtype}, but has {found} for image {row}")
    return numbers
