"""Who runs a kernel's units of work: this thread, or this thread and persistent helpers.

A unit's result never depends on which thread runs it, so the number of threads changes the time and no bit of the result.
Helpers start at the first call that wants them, and anew in a forked child; they work for one caller at a time, and another
caller's units meanwhile run in its own thread.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from .shapes import as_int

if TYPE_CHECKING:
    from ._team import Team
    from .kernels.call import Work

MOST_THREADS = 1024
SERIAL_FLOPS = 6_000_000
"""Work below this (some 50 microseconds) isn't worth sharing with helpers."""

_lock = threading.Lock()
_count: int | None = None
_team: Team | None = None


def default_threads() -> int:
    """Return FASTCONV_NUM_THREADS, else how many CPUs this process may use."""
    chosen = os.environ.get("FASTCONV_NUM_THREADS", "").strip()
    if chosen:
        if not chosen.isdecimal() or not 1 <= int(chosen) <= MOST_THREADS:
            raise ValueError(f"FASTCONV_NUM_THREADS must be an integer from 1 to {MOST_THREADS}, but is {chosen!r}")
        return int(chosen)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def get_num_threads() -> int:
    """Return how many threads one call may use."""
    return default_threads() if _count is None else _count


def set_num_threads(threads: int) -> None:
    """Set how many threads one call may use (1: never any but the caller's).

    Parameters
    ----------
    threads : int
        From 1 to 1024. Results don't depend on it, to the last bit.

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


def split(units: int, work: Work, flops: int) -> None:
    """Run work(start, stop) over all units, in as many threads as there are and the work is worth."""
    team = _start_team() if units > 1 and flops >= SERIAL_FLOPS and get_num_threads() > 1 else None
    if units and (team is None or not team.run_units(work, units)):
        work(0, units)


def _start_team() -> Team | None:
    """Return this process's helpers, started if need be; None where no thread can be started, as when the process ends."""
    global _team
    from ._team import Team

    with _lock:
        if _team is None:
            try:
                _team = Team(get_num_threads() - 1)
            except RuntimeError:
                return None
        return _team


def _forget_team() -> None:
    """In a forked child the helpers are gone, and the lock may be held by a thread that is gone too."""
    global _team, _lock
    _team, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_team)
