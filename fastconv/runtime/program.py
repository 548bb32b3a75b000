"""A program of tasks that is ready to run: a table of them, and their kernels' words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .task import MOST_WORDS, Work, address_of, worthwhile_threads

APART = 16
"""Numbers that threads change stand so many places apart, so that no two are in one cache line, or in neighbouring ones."""
FIRST, COUNT, UNITS, PARTS, ADDRESS, START, ROW = range(7)
"""Places in a row of the table. A task has one row, fused tasks have one for each part. FIRST: the task's first ticket; COUNT: how
many it has, one for each slice (later parts of fused tasks have none); UNITS: the part's units; PARTS: how many rows in turn are
the task's; ADDRESS: the kernel's; START: where among its words start and stop are."""


class Program:
    """Tasks that are ready to run, one after the other, in up to so many threads; each thread has its own words and scratchpads.

    Where no task is worth a second thread, one thread runs it.
    """

    def __init__(self, tasks: Sequence[Work], threads: int):
        tasks = [task for task in tasks if task.units]
        worthwhile = [worthwhile_threads(task, threads) for task in tasks]
        threads = threads if max(worthwhile, default=1) > 1 else 1
        rows = sum(len(task.parts()) for task in tasks)
        table, words = np.empty(rows * ROW, np.int64), np.empty(threads * rows * MOST_WORDS, np.int64)
        self._claims = np.zeros(rows * 2 * threads * APART, np.int64)
        kept: list[Any] = [table, words]
        self.tickets, self._kept, row = 0, kept, 0
        for task, most in zip(tasks, worthwhile, strict=True):
            slices, parts = task.slices(most), task.parts()
            for number, part in enumerate(parts):
                address, start, kept = part.marshal(words, row * MOST_WORDS, rows * MOST_WORDS, threads)
                count = 0 if number else slices
                table[row * ROW : row * ROW + 6] = self.tickets, count, part.units, len(parts), address, start
                self.tickets += count
                self._kept.append(kept)
                row += 1
        self._numbers = [address_of(array) for array in (table, words, self._claims)] + [rows, threads, self.tickets]

    def begin(self, rounds: int) -> list[int]:
        """Return the program's row for `lead`, with nothing claimed yet."""
        self._claims[:] = 0
        return [*self._numbers, rounds]
