"""A progress bar on standard error: tqdm's where it is installed and someone watches, else a plain line now and then."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TextIO

SECONDS_BETWEEN_LINES = 5.0


def _for_who_looks(show: Callable[..., None]) -> Callable[..., None]:
    """Return a method of Progress that shows something; once that fails, as where the terminal has been closed, nothing more."""

    @wraps(show)
    def shown(self: Progress, *arguments: Any) -> None:
        if self._seen:
            try:
                show(self, *arguments)
            except OSError:
                self._seen = False

    return shown


class Progress:
    """Shows how many of `total` images are done, their rate, and the running loss and accuracy.

    A stream that can't be written any more is no reason to end what is shown there.

    Parameters
    ----------
    total : int
    title : str
    stream : text stream
        Standard error if not given.
    done : int
        How many are done already; they don't count for the rate.
    """

    def __init__(self, total: int, title: str, stream: TextIO | None = None, done: int = 0):
        self._total, self._title, self._stream = total, title, stream or sys.stderr or io.StringIO()
        self._start = self._last = time.perf_counter()
        self._first = self._done = done
        self._seen = True
        try:
            self._bar = _make_bar(total, title, self._stream, done)
        except OSError:
            self._bar, self._seen = None, False

    @_for_who_looks
    def update(self, done: int, loss: float, accuracy: float | None) -> None:
        """Show `done` images, with the loss and the accuracy (0 to 1) so far, if there is one."""
        figures = f"loss {loss:.3f}" + ("" if accuracy is None else f", accuracy {accuracy:.0%}")
        if self._bar is not None:
            self._bar.set_postfix_str(figures, refresh=False)
            self._bar.update(done - self._done)
        elif time.perf_counter() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.perf_counter()
            left = (self._total - done) * (self._last - self._start) / max(done - self._first, 1)
            self._line(done, f"{left:.0f} s left, {figures}")
        self._done = done

    @_for_who_looks
    def close(self, summary: str) -> None:
        """End the bar, or print the last line, with a summary."""
        if self._bar is not None:
            self._bar.set_postfix_str(summary, refresh=False)
            self._bar.close()
        else:
            self._line(self._done, summary)

    def _line(self, done: int, text: str) -> None:
        rate = (done - self._first) / max(time.perf_counter() - self._start, 1e-9)
        print(f"{self._title}: {done} of {self._total} images, {rate:,.0f} images/s, {text}", file=self._stream, flush=True)


def _make_bar(total: int, title: str, stream: TextIO, done: int):
    if not stream.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, initial=done, desc=title, unit=" images", file=stream, mininterval=0.05, dynamic_ncols=True)
