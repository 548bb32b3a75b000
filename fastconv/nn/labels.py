"""Labels in the forms that people have them in: integers, whole floats, bools, rows of a one and zeros, or names of classes."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from ..arrays import as_array, check_no_mask

MOST_SHOWN = 12
"""So many class names or numbers at most are in an error."""

Names = tuple[str, ...]


def labels_or_numbers(operation: str, y: Any) -> np.ndarray:
    """Return y as an array of numbers or, as objects, of str."""
    check_no_mask(operation, "y", y)
    try:
        array = np.asarray(y)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{operation}: y is not a rectangular array: {error}") from None
    if array.dtype.kind in "US" and not isinstance(y, np.ndarray):
        array = np.asarray(y, dtype=object)  # in which numbers and None among names are still what they are
    if array.dtype.kind not in "USTO":
        return as_array(operation, "y", y if isinstance(y, np.ndarray) else array)
    items = [item.decode(errors="backslashreplace") if isinstance(item, bytes) else item for item in array.reshape(-1).tolist()]
    names = [isinstance(item, str) for item in items]
    if all(names):
        result = np.empty(len(items), object)
        result[:] = [str(item) for item in items]
        return result.reshape(array.shape)
    strange = [i for i, item in enumerate(items) if not isinstance(item, (bool, int, float, np.bool_, np.number))]
    if strange:
        place = names.index(False) if any(names) else strange[0]
        if array.ndim == 0:
            raise TypeError(f"{operation}: y must be an array or a list, but is a {type(y).__name__}")
        raise TypeError(f"{operation}: y must be all names or all numbers, but number {place} is {repr(items[place])[:80]}")
    return as_array(operation, "y", np.array(items).reshape(array.shape))


def is_whole(array: np.ndarray) -> bool:
    """Return whether all are whole numbers, or names, and so may be labels."""
    return array.dtype.kind != "f" or _broken(array) is None


def labels_of(operation: str, array: np.ndarray, count: int, classes: Names | None, learn: bool) -> tuple[np.ndarray, Names | None]:
    """Return labels (n,) from 0 to count - 1 as int64, and the names of the classes, which names in the array may become."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype == object:
        if array.ndim != 1:
            raise ValueError(f"{operation}: labels must be one name for each image, but have shape {array.shape}")
        return _named(operation, array.tolist(), count, classes, learn)
    if classes is not None and any(_is_another(name, place) for place, name in enumerate(classes)):
        raise ValueError(f"{operation}: labels must be names of classes, as these are called {shown(classes)}")
    if array.ndim != 1:
        return _from_rows(operation, array, count), classes
    place = _broken(array) if array.dtype.kind == "f" else None
    if place is not None:
        raise ValueError(f"{operation}: labels must be whole numbers, but number {place} is {array[place]}")
    array = array.astype(np.int64) if array.dtype.kind == "b" else array
    if len(array) and not 0 <= array.min() <= array.max() < count:
        raise ValueError(
            f"{operation}: labels must be from 0 to {count - 1}, as the model has {count} outputs, "
            f"but go from {array.min()} to {array.max()}"
        )
    return array.astype(np.int64), classes


def one_hot_fault(rows: np.ndarray) -> int | None:
    """Return the number of the first row that is no one with zeros, None if all are."""
    faults = np.flatnonzero(((rows != 0).sum(axis=1) != 1) | ((rows == 1).sum(axis=1) != 1))
    return int(faults[0]) if len(faults) else None


def checked_classes(operation: str, names: Any, count: int | None) -> Names | None:
    """Return names for up to `count` classes, or None, checked."""
    if names is None:
        return None
    if isinstance(names, (str, bytes, Mapping, Set)) or not np.iterable(names):
        raise TypeError(f"{operation}: classes must be a sequence of names, or None, but is {names!r}")
    given = list(names)
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"{operation}: classes must be names, but one is {name!r}")
    if count is None or not 1 <= len(given) <= count or len(set(given)) < len(given):
        raise ValueError(f"{operation}: classes must be 1 to {count or 0} different names, but are {shown(given)}")
    return tuple(map(str, given))


def shown(names: Any) -> str:
    """Return some names as an error shows them."""
    few = ", ".join(repr(str(name)) for name in names[:MOST_SHOWN])
    return few if len(names) <= MOST_SHOWN else f"{few}, ... ({len(names)} in all)"


def _is_another(name: str, place: int) -> bool:
    """Return whether a class's name is a number, other than the one that stands for it."""
    try:
        return float(name) != place
    except ValueError:
        return False


def _broken(numbers: np.ndarray) -> int | None:
    """Return the place of the first that is no whole number."""
    places = np.flatnonzero(~(np.isfinite(numbers) & (numbers == np.rint(numbers))))
    return int(places[0]) if len(places) else None


def _named(operation: str, names: list[str], count: int, classes: Names | None, learn: bool) -> tuple[np.ndarray, Names | None]:
    """Return the labels that names stand for, and the names in the order of these labels."""
    if classes is None and names and not learn:
        raise ValueError(
            f"{operation}: labels are names like {names[0]!r}, but the model knows none: "
            "fit it with names first, or set model.classes to them"
        )
    known: Names = tuple(sorted(set(names))) if classes is None else classes
    if len(known) > count:
        raise ValueError(
            f"{operation}: labels must be at most {count} different names, as the model has {count} outputs, but are {shown(known)}"
        )
    places = {name: place for place, name in enumerate(known)}
    stranger = next((i for i, name in enumerate(names) if name not in places), None)
    if stranger is not None:
        raise ValueError(f"{operation}: labels must be among {shown(known)}, but number {stranger} is {names[stranger]!r}")
    return np.array([places[name] for name in names], np.int64), known or None


def _from_rows(operation: str, rows: np.ndarray, count: int) -> np.ndarray:
    """Return the labels of rows that are a one and zeros each."""
    if rows.shape[1:] != (count,) and len(rows):
        kinds = f"(n,), (n, 1), or rows (n, {count}) of a one and zeros"
        raise ValueError(f"{operation}: labels must be {kinds}, but have shape {rows.shape}")
    fault = one_hot_fault(rows) if len(rows) else None
    if fault is not None:
        raise ValueError(
            f"{operation}: rows of labels must be a one and zeros, but row {fault} is {rows[fault, :MOST_SHOWN].tolist()}: "
            "numbers are learnt with loss='mean_squared_error'"
        )
    return rows.argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
