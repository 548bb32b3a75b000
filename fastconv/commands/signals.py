"""Ctrl-C, SIGTERM and SIGHUP in a process of its own: it ends at once where there is nothing to save, else when that is saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

STATUS = 128
"""A process that a signal ends has this and the signal's number for its exit status."""
INTERRUPTED = STATUS + signal.SIGINT
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}


class Ended(KeyboardInterrupt):
    """A signal that came while there was something to save."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Answers:
    """How a process answers signals: by ending at once; within `interruptible` by raising Ended, once; then not until `settle`.

    Only those signals are answered that would have had their default effect: where one is ignored, as under nohup, it stays
    ignored. An exception wouldn't do for ending at once: raised while numba compiles, it can get lost, or crash LLVM.
    """

    def __init__(self, own: bool) -> None:
        self._own = own and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Any] = {}
        self._saving, self._raising, self._held = False, False, 0

    def answer(self, *names: str) -> None:
        """Answer these signals from now on, if the process is the command's own, in the main thread, which alone can."""
        for name in names if self._own else ():
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                self._before[number] = signal.signal(number, self._answer)

    def restore(self) -> None:
        """Give the signals back to who had them before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _answer(self, number: int, _: FrameType | None) -> None:
        if not self._saving:
            end(number)
        if self._raising:
            self._raising = False
            raise Ended(number)
        self._held = self._held or number

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within it there is something to save, and the first signal raises; after it, while that is saved, signals wait."""
        self._raising = True
        self._saving = True
        try:
            yield
        finally:
            self._raising = False

    def settle(self) -> None:
        """Say that everything is saved: end if a signal has waited for it."""
        self._saving = False
        if self._held:
            end(self._held)


def end(number: int) -> NoReturn:
    """End the process as after this signal."""
    with suppress(OSError):
        os.write(2, f"\nfastconv: {WORDS[signal.Signals(number).name]}\n".encode())
    os._exit(STATUS + number)
