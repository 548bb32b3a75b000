"""A contraction's numbers and tables of positions as one int64 array, which costs a call far less than twenty arguments."""

from __future__ import annotations

import numpy as np

from ...runtime.jit import jit
from .lowering import Border, Contraction

NUMBERS = 23
"""How many numbers stand before the tables; `pack_geometry` and the readers agree on their order."""


def pack_geometry(contraction: Contraction, block: int, more: tuple[int, ...] | np.ndarray = ()) -> np.ndarray:
    """Return the contraction as one array; `block` is how many lines a kernel takes as one unit.

    `more` is what one kernel alone needs, for read_more.
    """
    c = contraction
    border = c.border or Border(np.empty(0, np.int64), 0, 0, 0)
    tables = (c.taps, c.x_lines, c.y_lines, border.rows, c.tap_ranges().ravel(), np.array(more, np.int64), c.w_taps)
    numbers = (
        *(len(table) for table in (*tables[:4], c.w_taps)), c.run, c.count, c.x_step, c.y_step, c.x_image, c.y_image, c.outputs,
        border.left, border.width, border.right, block, c.w_run, c.w_run_step, c.w_output_step,
        c.groups, c.x_group, c.y_group, c.w_group,
    )  # fmt: skip
    return np.concatenate([np.array(numbers, np.int64), *tables])


@jit
def read_geometry(g):
    """Return what the loops need; see `Contraction` for the names."""
    taps = NUMBERS + g[0]
    x_lines = taps + g[1]
    y_lines = x_lines + g[2]
    border_rows = y_lines + g[3]
    return (
        g[NUMBERS:taps], g[5], g[taps:x_lines], g[x_lines:y_lines], g[6], g[7], g[8], g[9], g[10], g[11],
        g[y_lines:border_rows], g[12], g[13], g[14], g[15],
    )  # fmt: skip


@jit
def read_weight_layout(g):
    """Return where the weights stand: the taps' positions, run, run_step, outputs, output_step."""
    return g[len(g) - g[4] :], g[16], g[17], g[11], g[18]


@jit
def read_groups(g):
    """Return how many groups there are, and how far apart in x, y and w."""
    return g[19], g[20], g[21], g[22]


@jit
def read_tap_ranges(g):
    """Return the lines' pairs, one behind the other, of the first tap not in a row of zeros, and one behind the last."""
    start = NUMBERS + g[0] + g[1] + g[2] + g[3]
    return g[start : start + 2 * g[1]]


@jit
def read_more(g):
    """Return what one kernel alone needs."""
    return g[NUMBERS + g[0] + 3 * g[1] + g[2] + g[3] : len(g) - g[4]]
