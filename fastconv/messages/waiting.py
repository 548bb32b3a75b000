"""One line on standard error when kernels keep somebody waiting for over a second; whoever has said so already keeps it quiet.

Several kernels in a row are one wait. What goes wrong here must never reach who waits: where the line can't be written, it isn't.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from time import perf_counter
from typing import Any

PATIENCE = 1.0
"""Seconds of waiting before the line."""
PAUSE = 5.0
"""After so many seconds without a kernel to be made ready the next one begins another wait."""
TEXT = "fastconv: preparing kernels: the first time they are compiled, which takes some seconds; then they are kept on disk ..."


class _Wait:
    """What is waited for now, and how long, by all threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._kernels = self._quiet = 0
        self._seconds, self._began, self._ended = 0.0, 0.0, float("-inf")
        self._said = False
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Note that a kernel is being made ready."""
        with self._lock:
            self._kernels += 1
            if self._kernels > 1:
                return
            self._began = perf_counter()
            if self._began - self._ended > PAUSE:
                self._seconds, self._said = 0.0, False
            self._said = self._said or self._quiet > 0
            if not self._said:
                self._timer = threading.Timer(max(PATIENCE - self._seconds, 0.0), self._say)
                self._timer.daemon = True
                try:
                    self._timer.start()
                except RuntimeError:  # no thread can be started, as when the process ends
                    self._timer = None

    def end(self) -> None:
        """Note that it is ready, or has failed."""
        with self._lock:
            self._kernels = max(self._kernels - 1, 0)
            if self._kernels == 0:
                self._ended = perf_counter()
                self._seconds += self._ended - self._began
                self.cancel()

    def cancel(self) -> None:
        """Say nothing any more; not in the middle of the line, which is written under the lock."""
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()

    def quiet(self, change: int) -> None:
        """Say nothing for as long as there are more who keep it quiet than not."""
        with self._lock:
            self._quiet += change

    def _say(self) -> None:
        with self._lock:
            if threading.current_thread() is not self._timer or self._quiet:
                return
            self._said = True
            with suppress(Exception):  # whatever stands for standard error here, closed or none, no kernel fails for it
                print(TEXT, file=sys.stderr, flush=True)


_wait = _Wait()


def waited_for(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes a kernel ready as one whose time counts as waiting."""

    @wraps(prepare)
    def prepared(*arguments: Any) -> Any:
        try:
            _wait.begin()
            return prepare(*arguments)
        finally:
            _wait.end()

    return prepared


@contextmanager
def said_already() -> Iterator[None]:
    """Keep the line back within this block, whose caller has told what is waited for."""
    wait = _wait
    wait.quiet(1)
    try:
        yield
    finally:
        wait.quiet(-1)


def _forget() -> None:
    """In a forked child nobody waits, the timer is gone, and the lock may be held by a thread that is gone too."""
    global _wait
    _wait = _Wait()


atexit.register(lambda: _wait.cancel())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
