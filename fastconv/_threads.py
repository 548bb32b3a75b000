"""Who runs a kernel's units of work: this thread, or this thread and persistent helpers.

A unit's result never depends on which thread runs it, so the number of threads changes the time and no bit of the result.
Helpers start at the first call that wants them, and anew in a forked child.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .shapes import as_int

MOST_THREADS = 1024
SERIAL_FLOPS = 4_000_000
"""Work below this (some 50 microseconds) isn't worth waking helpers for."""

_lock = threading.Lock()
_count: int | None = None
_helpers: ThreadPoolExecutor | None = None


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
    global _count, _helpers
    number = as_int("set_num_threads", "threads", threads, 1)
    if number > MOST_THREADS:
        raise ValueError(f"set_num_threads: threads must be at most {MOST_THREADS}, but is {number}")
    with _lock:
        _count = number
        helpers, _helpers = _helpers, None
    if helpers is not None:
        helpers.shutdown(wait=False)


def serial(units: int, work: Callable[[int, int], object], flops: int = 0) -> None:
    """Run all units in this thread."""
    if units:
        work(0, units)


def split(units: int, work: Callable[[int, int], object], flops: int) -> None:
    """Run work(start, stop) over all units, in as many threads as there are and the work is worth."""
    threads = 1 if flops < SERIAL_FLOPS else min(get_num_threads(), units)
    if threads < 2:
        return serial(units, work)
    bounds = [units * i // threads for i in range(threads + 1)]
    pieces = list(zip(bounds, bounds[1:], strict=False))
    waiting = []
    with _lock:
        helpers = _start_helpers()
        try:
            for piece in pieces[1:]:
                waiting.append(helpers.submit(work, *piece))
        except RuntimeError as error:
            if "shutdown" not in str(error):
                raise
            # The main thread has ended: helpers take no more work, though this thread or exit handler goes on.
    try:
        for piece in (pieces[0], *pieces[1 + len(waiting) :]):
            work(*piece)
    finally:
        for future in waiting:
            future.exception()  # the arrays stay in use until every helper is done
    for future in waiting:
        future.result()


def _start_helpers() -> ThreadPoolExecutor:
    global _helpers
    if _helpers is None:
        _helpers = ThreadPoolExecutor(max_workers=max(1, get_num_threads() - 1), thread_name_prefix="fastconv")
    return _helpers


def _forget_helpers() -> None:
    """In a forked child the helpers are gone, and the lock may be held by a thread that is gone too."""
    global _helpers, _lock
    _helpers, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
