"""A program of kernel calls that is ready to run: a table of them, and their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .call import MOST_WORDS, Work, address_of

APART = 16
"""Numbers that threads change stand so many places apart, so that no two are in one cache line, or in neighbouring ones."""
FIRST, COUNT, UNITS, CALLS, ADDRESS, START, ROW = range(7)
"""Places in a row of the table, one for each call: the step's first ticket, how many (its pieces), the call's units, how many rows
in turn are the step's calls (the others of them have no ticket), the kernel's address, and where among its words start and stop
are."""


class Step(NamedTuple):
    """Work of so many units, cut into so many pieces."""

    work: Work
    units: int
    pieces: int


class Program:
    """Steps that are ready to run, one after the other, in up to so many threads; each thread has its own words and room."""

    def __init__(self, steps: Sequence[Step], threads: int):
        rows = sum(len(step.work.calls(step.units)) for step in steps)
        table, words = np.empty(rows * ROW, np.int64), np.empty(threads * rows * MOST_WORDS, np.int64)
        self._claims = np.zeros(rows * 2 * threads * APART, np.int64)
        kept: list[Any] = [table, words]
        self.tickets, self._kept, row = 0, kept, 0
        for work, units, pieces in steps:
            calls = work.calls(units)
            for number, (call, own) in enumerate(calls):
                address, start, kept = call.put(words, row * MOST_WORDS, rows * MOST_WORDS, threads)
                table[row * ROW : row * ROW + 6] = self.tickets, 0 if number else pieces, own, len(calls), address, start
                self.tickets += 0 if number else pieces
                self._kept.append(kept)
                row += 1
        self._numbers = [address_of(array) for array in (table, words, self._claims)] + [rows, threads, self.tickets]

    def begin(self, rounds: int) -> list[int]:
        """Return the program's row for `lead`, with nothing claimed yet."""
        self._claims[:] = 0
        return [*self._numbers, rounds]
