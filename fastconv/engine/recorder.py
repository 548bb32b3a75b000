"""Recording what plans would run, instead of running it: a plan called with a Recorder adds its calls to a program."""

from __future__ import annotations

from .._team import PIECES_A_THREAD, Program, Step
from ..kernels.call import Work

PIECE_FLOPS = 50_000
"""A piece of work below this isn't worth another thread's attention, which costs about a microsecond."""


class Recorder:
    """Takes the place of `split` in a call of a plan, and keeps the steps."""

    def __init__(self, threads: int):
        self.threads = threads
        self.steps: list[Step] = []

    def __call__(self, units: int, work: Work, flops: int) -> None:
        if units:
            most = max(1, min(PIECES_A_THREAD * self.threads, flops // PIECE_FLOPS)) if self.threads > 1 else 1
            self.steps.append(Step(work, units, work.pieces(units, most)))

    def program(self) -> Program:
        """Return the steps as a program; where none of them is worth a second thread, for one."""
        alone = all(step.pieces == 1 for step in self.steps)
        return Program(self.steps, 1 if alone else self.threads)
