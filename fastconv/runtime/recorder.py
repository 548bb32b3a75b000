"""Recording what plans would run, instead of running it: a plan called with a Recorder adds its calls to a program."""

from __future__ import annotations

from .call import Work
from .program import Program, Step

PIECE_FLOPS = 50_000
"""A piece of work below this isn't worth another thread's attention, which costs about a microsecond."""


class Recorder:
    """Takes the place of `split` in a call of a plan, and keeps the steps."""

    def __init__(self, threads: int):
        self.threads = threads
        self.steps: list[Step] = []
        self._alone = True

    def __call__(self, units: int, work: Work, flops: int) -> None:
        if units:
            threads = max(1, min(self.threads, units, flops // PIECE_FLOPS))
            self.steps.append(Step(work, units, work.pieces(units, threads)))
            self._alone &= threads == 1

    def program(self) -> Program:
        """Return the steps as a program; where none of them is worth a second thread, for one."""
        return Program(self.steps, 1 if self._alone else self.threads)
