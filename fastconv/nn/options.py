"""Options that are real numbers, checked."""

from __future__ import annotations


def as_number(name: str, option: str, value: object, least: float, below: float = float("inf")) -> float:
    """Return an option of the layer, optimizer, ... `name`: a real number from `least` to less than `below`."""
    try:
        number = float("none") if isinstance(value, (str, bytes)) else float(value)  # type: ignore[arg-type]  # the check
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {option} must be a number, but is {value!r}") from None
    if not least <= number < below:
        raise ValueError(f"{name}: {option} must be at least {least} and less than {below}, but is {value!r}")
    return number
