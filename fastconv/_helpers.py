"""Threads that help with a call's units of work: after one they stay awake for a moment, for the next call is often near.

Waking a sleeping thread takes as long as a small layer does, so a helper first waits in compiled code, without the interpreter's
lock, and only then sleeps. What is waited for is a count in shared memory: calls begun, and calls done.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable

import numpy as np

AWAKE = 600_000
"""Cycles of waiting before a thread goes to sleep: a fifth of a millisecond."""
BEHIND = 12_000
"""Cycles that a thread lets pass when what it waits for is there: the other one holds the interpreter's lock for a moment more,

and who meets it there falls asleep.
"""

Work = Callable[[int, int], object]


def _find_current_cpu() -> Callable[[], int]:
    """Return the function that tells which CPU this thread runs on, one that always says -1 where there is none."""
    if hasattr(os, "sched_setaffinity"):
        try:
            return ctypes.CDLL(None).sched_getcpu
        except (OSError, AttributeError):
            pass
    return lambda: -1


current_cpu = _find_current_cpu()


class Helper:
    """One thread that runs what it is given, one piece at a time; `begin` and `finish` are for one caller at a time."""

    def __init__(self, name: str):
        from ._spin import wait_for

        self._wait_for = wait_for
        self._counts = np.zeros(2, np.int64)  # pieces begun, pieces done
        self._changed = threading.Condition(threading.Lock())
        self._asleep = self._stopped = False
        self._piece: tuple[Work, int, int] | None = None
        self._error: BaseException | None = None
        wait_for(self._counts, 0, 0, 1, 0)  # compiled, or loaded, here and not while somebody waits
        self.thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self.thread.start()

    def begin(self, work: Work, start: int, stop: int) -> None:
        """Have the thread run work(start, stop)."""
        self._piece = (work, start, stop)
        with self._changed:
            self._counts[0] += 1
            if self._asleep:
                self._changed.notify_all()

    def finish(self) -> BaseException | None:
        """Wait until the piece is done; return the error that it raised, if any."""
        begun = int(self._counts[0])
        if not self._wait_for(self._counts, 1, begun, AWAKE, BEHIND):
            with self._changed:
                while self._counts[1] < begun:
                    self._changed.notify_all()  # an interrupt may have come between a count and its notice
                    self._changed.wait()
        error, self._error = self._error, None
        return error

    def stop(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _serve(self) -> None:
        served = 0
        while self._next(served):
            served += 1
            piece, self._piece = self._piece, None
            assert piece is not None
            work, start, stop = piece
            try:
                work(start, stop)
            except BaseException as error:  # the caller raises it
                self._error = error
            del piece, work
            with self._changed:
                self._counts[1] = served
                self._changed.notify_all()

    def _next(self, served: int) -> bool:
        """Wait for one more piece than were served; return whether there is one."""
        if self._wait_for(self._counts, 0, served + 1, AWAKE, BEHIND):
            return True
        with self._changed:
            self._asleep = True
            while self._counts[0] <= served and not self._stopped:
                self._changed.wait()
            self._asleep = False
            return bool(self._counts[0] > served)


class Team:
    """Some helpers, for one caller at a time."""

    def __init__(self, size: int):
        self.size = size
        self._helpers = [Helper(f"fastconv_{i}") for i in range(size)]
        self._busy = threading.Lock()
        self._stopped = False
        self._caller_cpu = -1

    def run(self, work: Work, pieces: list[tuple[int, int]]) -> bool:
        """Run work(start, stop) for all pieces, the first in this thread, and raise the first error when all are done.

        Return whether they were run: not if the team works for another caller, or has stopped.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            if not self._stopped:
                self._run(work, pieces)
            return not self._stopped
        finally:
            self._busy.release()

    def _run(self, work: Work, pieces: list[tuple[int, int]]) -> None:
        errors: list[BaseException] = []
        try:
            self._make_way()
            for helper, piece in zip(self._helpers, pieces[1:], strict=False):
                helper.begin(work, *piece)
            work(*pieces[0])
        except BaseException as error:  # raised below, when no helper uses the arrays any more
            errors.append(error)
        for helper in self._helpers:
            raised = _uninterrupted(helper.finish, errors)
            if raised is not None:
                errors.append(raised)
        if errors:
            raise errors[0]

    def _make_way(self) -> None:
        """Keep the helpers off the CPU that the caller runs on, where Linux can tell.

        In a virtual machine Linux takes a CPU that sleeps for one that isn't there, and wakes a helper on the caller's.
        """
        cpu = current_cpu()
        if cpu == self._caller_cpu:
            return
        self._caller_cpu = cpu
        others = os.sched_getaffinity(0) - {cpu}
        with contextlib.suppress(OSError):  # where it isn't allowed, it isn't needed for anything but speed
            for helper in self._helpers if others else ():
                os.sched_setaffinity(helper.thread.native_id or 0, others)

    def stop(self) -> None:
        """Let all threads end, after the call that they may be working for."""
        with self._busy:
            self._stopped = True
            for helper in self._helpers:
                helper.stop()


def _uninterrupted(wait: Callable[[], BaseException | None], errors: list[BaseException]) -> BaseException | None:
    """Return what wait() returns; an interrupt is raised later, since the arrays stay in use until every helper is done."""
    while True:
        try:
            return wait()
        except KeyboardInterrupt as interrupt:
            errors.append(interrupt)
