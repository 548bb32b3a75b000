"""Results are finished while they are in the first-level cache: a kernel stores some rows of them, and calls what is made here."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ...runtime.jit import inlined, jit
from ...runtime.task import Task
from ..arrays.blocks import BLOCK, blocks_of
from ..simd.vector import lanes, vadd, vload, vload_part, vmul_add, vstore, vstore_part, vsum, vzero
from .activations import ACTIVATIONS, identity


class Epilogue(NamedTuple):
    """What is done to a result y: y = activation(y + residual)."""

    activation: str | None
    numbers: np.ndarray
    """The activation's two, float64."""
    residual: np.ndarray
    """Flat, of y's size and type, or of none."""
    not_finite: np.ndarray
    """One int64, which becomes 1 where a number that is to be finished isn't finite."""

    @property
    def arguments(self) -> tuple[np.ndarray, ...]:
        """What a kernel passes on to what finishes its rows."""
        return self.residual, self.numbers, self.not_finite


@inlined
def finish_nothing(y, at, step, count, rows, epilogue):
    """Leave rows as they are."""


@cache
def finish_rows(activation):
    """Return the function that finishes rows of `count` elements, `step` apart, from y[at] on."""
    function = identity if activation is None else ACTIVATIONS[activation].function

    @jit
    def finish(y, at, step, count, rows, epilogue):
        residual, numbers, not_finite = epilogue
        a, b, zero = y.dtype.type(numbers[0]), y.dtype.type(numbers[1]), vzero(y)
        seen, whole = zero, count - count % lanes(y)
        for row in range(at, at + rows * step, step):
            for i in range(row, row + whole, lanes(y)):
                v = vload(y, i)
                if len(residual):
                    v = vadd(v, vload(residual, i))
                seen = vmul_add(v, zero, seen)
                vstore(y, i, function(v, a, b))
            if whole < count:
                v = vload_part(y, row + whole, count - whole)
                if len(residual):
                    v = vadd(v, vload_part(residual, row + whole, count - whole))
                seen = vmul_add(v, zero, seen)
                vstore_part(y, row + whole, function(v, a, b), count - whole)
        if vsum(seen) != 0:
            not_finite[0] = 1

    return finish


@cache
def finish_kernel(activation):
    """Return the kernel that finishes all of a result, in blocks."""
    finish = finish_rows(activation)

    @jit
    def finish_all(y, epilogue, start, stop):
        for block in range(start, stop):
            finish(y, block * BLOCK, BLOCK, min(BLOCK, len(y) - block * BLOCK), 1, epilogue)

    return finish_all


def finish_task(y: np.ndarray, epilogue: Epilogue) -> Task:
    """Return the task that finishes a result that has been stored as a whole."""
    return Task(finish_kernel(epilogue.activation), (y, epilogue.arguments), blocks_of(y), 8 * y.size)
