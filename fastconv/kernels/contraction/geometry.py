"""A contraction's numbers and tables of positions: named for kernels, and packed in one int64 array on the way to them.

A NamedTuple as a kernel's argument would cost a call 1.6 microseconds, and twenty arguments as much; one array costs 0.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from ...runtime.jit import jit
from .lowering import Border, Contraction


class Geometry(NamedTuple):
    """What kernels need of a Contraction, whose docstring says what most of the names mean."""

    run: int
    pixels: int
    """How many a line has."""
    x_step: int
    y_step: int
    x_image: int
    y_image: int
    outputs: int
    left: int
    """Zeros before a row, and `right` after it, of a padded block; `width` elements between them."""
    width: int
    right: int
    block: int
    """How many lines are one unit."""
    w_run: int
    w_run_step: int
    w_output_step: int
    groups: int
    x_group: int
    """From one group to the next in x; so `y_group` and `w_group`."""
    y_group: int
    w_group: int
    taps: np.ndarray
    x_lines: np.ndarray
    y_lines: np.ndarray
    border_rows: np.ndarray
    tap_ranges: np.ndarray
    """The lines' pairs, one after the other, of the first tap not in a row of zeros, and one after the last."""
    w_taps: np.ndarray
    more: np.ndarray
    """What one kernel alone needs."""


NUMBERS = Geometry._fields.index("taps")
TABLES = len(Geometry._fields) - NUMBERS


def pack_geometry(contraction: Contraction, block: int, more: tuple[int, ...] | np.ndarray = ()) -> np.ndarray:
    """Return the Geometry as one array: the numbers, the tables' lengths, the tables."""
    c = contraction
    border = c.border or Border(np.empty(0, np.int64), 0, 0, 0)
    geometry = Geometry(
        c.run, c.count, c.x_step, c.y_step, c.x_image, c.y_image, c.outputs, border.left, border.width, border.right, block,
        c.w_run, c.w_run_step, c.w_output_step, c.groups, c.x_group, c.y_group, c.w_group,
        c.taps, c.x_lines, c.y_lines, border.rows, c.tap_ranges().ravel(), c.w_taps, np.array(more, np.int64),
    )  # fmt: skip
    numbers, tables = geometry[:NUMBERS], [np.asarray(table) for table in geometry[NUMBERS:]]
    return np.concatenate([np.array([*numbers, *map(len, tables)], np.int64), *tables])


@jit
def read_geometry(packed):
    """Return the Geometry that was packed."""
    taps = NUMBERS + TABLES
    x_lines = taps + packed[NUMBERS]
    y_lines = x_lines + packed[NUMBERS + 1]
    border_rows = y_lines + packed[NUMBERS + 2]
    tap_ranges = border_rows + packed[NUMBERS + 3]
    w_taps = tap_ranges + packed[NUMBERS + 4]
    more = w_taps + packed[NUMBERS + 5]
    return Geometry(  # type: ignore[call-arg]  # the numbers are as many as NUMBERS says
        *to_fixed_tuple(packed[:NUMBERS], NUMBERS),
        packed[taps:x_lines],
        packed[x_lines:y_lines],
        packed[y_lines:border_rows],
        packed[border_rows:tap_ranges],
        packed[tap_ranges:w_taps],
        packed[w_taps:more],
        packed[more:],
    )
