"""Running a program over all batches of an epoch, in slices short enough for a progress bar and for Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from ..kernels.training.batch import POSITION
from ..runtime.program import Program
from ..runtime.task import Run, Work
from ..runtime.team import Team

SLICE_SECONDS = 0.1


class Epoch:
    """An epoch of `count` samples in batches, the last of which may be smaller.

    `record(run, batch)` gives `run` the tasks for a batch of so many samples, which go on to the next one in `state`. Those that
    `around` gives are run before and after each slice.
    """

    def __init__(
        self, team: Team, record: Callable[[Run, int], None], count: int, batch: int, state: np.ndarray,
        around: tuple[Callable[[Run], None], Callable[[Run], None]] | None = None,
    ):  # fmt: skip
        self._team, self._state, self._count, self._batch = team, state, count, batch
        sizes = {min(batch, count), count % batch} - {0}
        self._programs = {size: self._program(record, size) for size in sizes}
        self._before = self._program(around[0]) if around else None
        self._after = self._program(around[1]) if around else None

    def _program(self, record: Callable[..., None], *arguments: int) -> Program:
        tasks: list[Work] = []
        record(tasks.append, *arguments)
        return Program(tasks, self._team.threads)

    def run(self, limit: int | None = None) -> Iterator[int]:
        """Run from the position in `state` to the epoch's end, or for so many batches; yield the position after every slice."""
        rounds, left = 1, limit if limit is not None else self._count
        while self._state[POSITION] < self._count and left > 0:
            whole = (self._count - int(self._state[POSITION])) // self._batch
            size, now = (self._batch, min(rounds, whole, left)) if whole else (self._count % self._batch, 1)
            start = time.perf_counter()
            self._team.run(self._programs[size], now, before=self._before, after=self._after, flush=True)
            seconds = max(time.perf_counter() - start, 1e-6)
            left -= now
            rounds = max(1, min(2 * rounds, int(now * SLICE_SECONDS / seconds)))
            yield int(self._state[POSITION])
