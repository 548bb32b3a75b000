"""Sums over an array's rows, column by column: a bias's gradient, whose columns are channels and whose rows are pixels."""

import numpy as np

from ...runtime.jit import jit
from ...runtime.memory import buffer
from ...runtime.task import Run, Task
from ..simd.vector import lanes, vadd, vload, vload_part, vstore_part, vzero
from .blocks import add_parts, blocks_of
from .long_sums import BLOCK_TERMS, vnarrow, vwide_add, vwide_splat

MOST_PARTS, LEAST_ROWS = 16, 64
"""Rows are added up in up to so many parts, whatever the number of threads, of at least so many rows."""


@jit
def column_sums(x, columns, parts, part_count, start, stop):
    """parts[p] = the sums over part p of x's rows of each column; units are parts.

    Whole vectors have four sums each, of every fourth row. Blocks of up to BLOCK_TERMS terms of a sum are added up in float64.
    """
    rows = len(x) // columns
    for part in range(start, stop):
        first, last = rows * part // part_count, rows * (part + 1) // part_count
        for c in range(0, columns, lanes(x)):
            left, row, total = columns - c, first, vwide_splat(x, 0)
            whole, terms = left >= lanes(x), BLOCK_TERMS if last - first <= 4 * BLOCK_TERMS else BLOCK_TERMS // 2
            block = 4 * terms if whole else terms
            while row < last:
                a = b = d = e = vzero(x)
                end = min(row + block, last)
                if whole:
                    while row + 4 <= end:
                        at = row * columns + c
                        a, b = vadd(a, vload(x, at)), vadd(b, vload(x, at + columns))
                        d, e = vadd(d, vload(x, at + 2 * columns)), vadd(e, vload(x, at + 3 * columns))
                        row += 4
                while row < end:
                    a = vadd(a, vload_part(x, row * columns + c, left))
                    row += 1
                total = vwide_add(total, vadd(vadd(a, b), vadd(d, e)))
            vstore_part(parts, part * columns + c, vnarrow(x, total), left)


def sum_columns(run: Run, x: np.ndarray, total: np.ndarray) -> None:
    """total = the sums over the rows of x, flat, whose rows have total's length."""
    rows = len(x) // max(1, len(total))
    count = max(1, min(MOST_PARTS, rows // LEAST_ROWS))
    parts = total if count == 1 else buffer(count * len(total), x.dtype)
    run(Task(column_sums, (x, len(total), parts, count), count, len(x)))
    if count > 1:
        run(Task(add_parts, (parts, total), blocks_of(total), len(parts)))
