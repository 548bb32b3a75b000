"""Who runs a task's units of work: this thread, or this thread and persistent helpers.

A unit's result never depends on which thread runs it, so the number of threads changes the time and no bit of the result.
However many threads are asked for, no more run than there are CPUs for: those that wait for one another would wait for a CPU.
Helpers start at the first call that wants them, and anew in a forked child; they work for one caller at a time, and another
caller's units meanwhile run in its own thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING

from ..shapes import as_int
from .cpus import cpu_quota, usable_cpus

if TYPE_CHECKING:
    from .task import Work
    from .team import Team

MOST_THREADS = 1024
SERIAL_FLOPS = 6_000_000
"""Work below this (some 50 microseconds) isn't worth sharing with helpers."""

_lock = threading.Lock()
_count: int | None = None
_team: Team | None = None


def default_threads() -> int:
    """Return FASTCONV_NUM_THREADS, else how many CPUs this process may use, or fewer if its quota of CPU time is worth fewer."""
    chosen = os.environ.get("FASTCONV_NUM_THREADS", "").strip()
    if chosen:
        if not chosen.isdecimal() or not 1 <= int(chosen) <= MOST_THREADS:
            raise ValueError(f"FASTCONV_NUM_THREADS must be an integer from 1 to {MOST_THREADS}, but is {chosen!r}")
        return int(chosen)
    return min(usable_cpus(), ceil(cpu_quota() or MOST_THREADS), MOST_THREADS)


def get_num_threads() -> int:
    """Return how many threads one call may use: what was set, else FASTCONV_NUM_THREADS, else the CPUs that the process may use.

    In a container that is no more than its quota of CPU time is worth. No more threads run than the process has CPUs, though more
    are set: `fastconv.info()` has both numbers.
    """
    return default_threads() if _count is None else _count


def most_at_once() -> int:
    """Return how many threads may run at once, however many are asked for: one for each CPU that the process may use."""
    return usable_cpus()


def used_threads(asked: int | None = None) -> int:
    """Return how many threads run where so many are asked for; if no number is given, where those that are set are."""
    return min(get_num_threads() if asked is None else asked, most_at_once())


def set_num_threads(threads: int) -> None:
    """Set how many threads one call may use (1: never any but the caller's).

    Parameters
    ----------
    threads : int
        From 1 to 1024. Results don't depend on it, to the last bit. No more run than the process has CPUs.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.set_num_threads(1)
    >>> fastconv.get_num_threads()
    1
    """
    global _count, _team
    number = as_int("set_num_threads", "threads", threads, 1)
    if number > MOST_THREADS:
        raise ValueError(f"set_num_threads: threads must be at most {MOST_THREADS}, but is {number}")
    with _lock:
        _count = number
        team, _team = _team, None
    if team is not None:
        team.stop()


def parallel_for(task: Work) -> None:
    """Do all units of a task, in as many threads as there are and the work is worth."""
    threads = used_threads() if task.units > 1 and task.flops >= SERIAL_FLOPS else 1
    team = _start_team(threads) if threads > 1 else None
    if task.units and (team is None or not team.run_task(task)):
        task(0, task.units)


def _start_team(threads: int) -> Team | None:
    """Return this process's team of so many, started if need be; None where no thread can be started, as when the process ends."""
    global _team
    from .team import Team

    with _lock:
        if _team is not None and _team.threads != threads:  # the process may use other CPUs than before
            _team.stop()
            _team = None
        if _team is None:
            try:
                _team = Team(threads - 1)
            except RuntimeError:
                return None
        return _team


@contextmanager
def team_of(threads: int) -> Iterator[Team]:
    """Yield a team of so many threads, the caller's among them, or as many as there are CPUs; end its helpers afterwards."""
    from .team import Team

    team = Team(used_threads(threads) - 1)
    try:
        yield team
    finally:
        try:
            _end(team)
        except KeyboardInterrupt:
            _end(team)
            raise


def _end(team: Team) -> None:
    team.stop()
    for helper in team.helpers:
        helper.thread.join()


def _forget_team() -> None:
    """In a forked child the helpers are gone, and the lock may be held by a thread that is gone too."""
    global _team, _lock
    _team, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_team)
