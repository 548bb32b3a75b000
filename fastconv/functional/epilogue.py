"""What a convolution's result goes through before it is given: a residual, and an activation by its name."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from ..kernels.epilogue.activations import ACTIVATIONS
from ..kernels.epilogue.finish import Epilogue


def epilogue_of(operation: str, activation: Any, residual: np.ndarray | None, dtype: np.dtype) -> Epilogue | None:
    """Return what is done to a result, or None for nothing; the residual is channels-last and contiguous.

    Raises
    ------
    ValueError, TypeError
        If there is no such activation, or it takes other numbers.
    """
    name, numbers = _activation(operation, activation)
    if name is None and residual is None:
        return None
    flat = np.empty(0, dtype) if residual is None else residual.reshape(-1)
    return Epilogue(name, np.array([*numbers, 0.0, 0.0][:2], np.float64), flat, np.zeros(1, np.int64))


def _activation(operation: str, activation: Any) -> tuple[str | None, tuple[float, ...]]:
    """Return an activation's name and its numbers."""
    name, *given = activation if isinstance(activation, tuple) and activation else (activation,)
    if name is None and not given:
        return None, ()
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise (ValueError if isinstance(name, str) else TypeError)(
            f"{operation}: activation must be None, one of {[*ACTIVATIONS]}, or a tuple of one and its numbers, "
            f"but is {activation!r}"
        )
    _, numbers, names = ACTIVATIONS[name]
    if not given and len(numbers) >= len(names):
        return name, numbers
    if len(given) != len(names):
        wanted = f"({', '.join([repr(name), *names])})" if names else repr(name)
        raise ValueError(f"{operation}: activation {name!r} must be {wanted}, but is {activation!r}")
    for key, value in zip(names, given, strict=True):
        if isinstance(value, bool) or not isinstance(value, Real) or np.isnan(float(value)):
            raise (ValueError if isinstance(value, Real) else TypeError)(
                f"{operation}: activation {name!r} must have a number for {key}, but has {value!r}"
            )
    if name == "clip" and given[0] > given[1]:
        raise ValueError(f"{operation}: activation 'clip' must have least <= most, but has {given[0]} and {given[1]}")
    return name, tuple(map(float, given))
