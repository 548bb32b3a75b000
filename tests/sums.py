"""Sums of many float32 numbers: how far each operation's are from the right ones, for one number of terms after the other.

Run as a program (`python -m tests.sums [exponents ...]`, of two; 10 16 20 25 if none), this goes through all operations and prints
each one's largest error; it fails where one is above LIMIT. The tests run the same on fewer numbers.

An error is relative to the sum of the terms' absolute values. What is right is computed in float64.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

LIMIT = 1e-6
DATA = ("ones", "tenths", "positive", "signed")


class Sum(NamedTuple):
    """An operation whose results are sums of n terms: `compute(n, numbers)` returns them, what is right, and the absolute sums.

    `numbers(shape)` makes an array. More than 2**most terms would take too long. The tests run those that are `quick`.
    """

    name: str
    most: int
    quick: bool
    compute: Callable


SUMS: list[Sum] = []


def sums(name: str, most: int = 25, quick: bool = False) -> Callable:
    """Add a function to SUMS."""
    return lambda compute: SUMS.append(Sum(name, most, quick, compute)) or compute


def numbers_of(data: str, seed: int = 0) -> Callable:
    """Return what makes float32 arrays: ones, 0.1, or random numbers from 0 to 1 or around 0."""
    random = np.random.default_rng(seed)
    return {
        "ones": lambda shape: np.ones(shape, np.float32),
        "tenths": lambda shape: np.full(shape, 0.1, np.float32),
        "positive": lambda shape: random.random(shape, np.float32),
        "signed": lambda shape: random.random(shape, np.float32) * 2 - 1,
    }[data]


def error_of(case: Sum, exponent: int, data: str) -> float:
    """Return the largest error of an operation on sums of 2**exponent terms."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of numbers that are far from 1
        found, right, size = (np.asarray(a, np.float64) for a in case.compute(2**exponent, numbers_of(data)))
    return float((np.abs(found - right) / size).max())


def split(n: int, parts: int) -> list[int]:
    """Return powers of two, as equal as can be, whose product is n."""
    bits = n.bit_length() - 1
    return [2 ** ((bits + i) // parts) for i in range(parts)]


def total(array: np.ndarray, axis: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over axes in float64, and those of the absolute values."""
    return array.sum(axis, dtype=np.float64), np.abs(array).sum(axis, dtype=np.float64)


def dot(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x . w in float64, and the sums of the absolute products."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    return x @ w, np.abs(x) @ np.abs(w)


def measured(exponents: list[int], name: str = "") -> Iterator[tuple[str, int, str, float]]:
    """Yield (operation, exponent, data, error) for all operations whose name contains `name`."""
    from . import sums_convolutions, sums_layers, sums_networks  # noqa: F401  # they add to SUMS

    for case in SUMS:
        for exponent in exponents:
            if exponent <= case.most and name in case.name:
                for data in DATA:
                    yield case.name, exponent, data, error_of(case, exponent, data)


def main(exponents: list[int], name: str = "") -> None:
    """Print all errors, those above LIMIT with a mark."""
    from itertools import groupby

    worst = 0.0
    for (name_, exponent), rows in groupby(measured(exponents, name), lambda row: row[:2]):
        errors = {row[2]: row[3] for row in rows}
        worst = max(worst, *errors.values())
        mark = "" if max(errors.values()) <= LIMIT else " <--"
        print(f"{name_:60} 2^{exponent:<3}", *(f"{data} {error:8.1e}" for data, error in errors.items()), mark, flush=True)
    assert worst <= LIMIT, worst


if __name__ == "__main__":
    from tests.sums import main  # not this module's: the operations are added to that one

    main([int(a) for a in sys.argv[1:] if a.isdigit()] or [10, 16, 20, 25], "".join(a for a in sys.argv[1:] if not a.isdigit()))
