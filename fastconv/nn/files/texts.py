"""What stands in files as text: JSON of finite numbers, texts, lists and dictionaries, written and read without trust."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import numpy as np

MOST_TEXT, MOST_DIGITS = 2**24, 1000


def plain(value: Any) -> Any:
    """Return an option as JSON has it; TypeError if it can't be."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"files hold numbers, texts and lists of them, but {value!r} is a {type(value).__name__}")


def as_tuples(value: Any) -> Any:
    """Return an option from JSON with tuples for its lists."""
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def to_json(operation: str, value: Any) -> str:
    """Return a text, in which there is neither NaN nor infinity."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{operation}: files hold finite options only: {error}") from None


def from_json(text: str) -> Any:
    """Return what a text says; ValueError if it isn't JSON, in which all numbers are finite and no name is there twice."""
    if len(text) > MOST_TEXT:
        raise ValueError(f"its text must have at most {MOST_TEXT} characters, but has {len(text)}")
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_integer, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("its text must not be nested so deep") from None


def _finite(text: str) -> float:
    if not isfinite(float(text)):
        raise ValueError(f"numbers must be finite, but one is {text[:80]}")
    return float(text)


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"integers must have at most {MOST_DIGITS} digits, but one has {len(text)}")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"names must be there once, but some of these are there twice: {[name for name, _ in pairs][:20]}")
    return found
