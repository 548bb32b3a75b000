"""How far a training is, on standard error: one line that is redrawn where someone watches, otherwise a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TextIO

SECONDS_BETWEEN_LINES = 5.0
"""Without anyone who watches; but at least a twentieth of the time so far, so that a long training's log stays short."""
FIRST_EPOCHS = 10
"""So many epochs have a line of their own in any case, as does the last one."""


def _for_who_looks(show: Callable[..., None]) -> Callable[..., None]:
    """Return a method of Progress that shows something; once that fails, as where the terminal has been closed, nothing more."""

    @wraps(show)
    def shown(self: Progress, *arguments: Any) -> None:
        if self._seen:
            try:
                show(self, *arguments)
            except (OSError, ValueError):  # what a closed stream raises
                self._give_up()

    return shown


class Progress:
    """Shows an epoch's number, how many of its images are done, their rate, the time left, and figures such as the running loss.

    tqdm's bar, if it is installed, is redrawn on a terminal or in a notebook, and taken away in the end. What stays is a line on
    the last epoch. A stream that can't be written any more is no reason to end what is shown there.

    Parameters
    ----------
    epochs, images : int
        How many epochs there are, and images in each.
    first : int
        How many epochs were before these; they count for the epochs' numbers.
    done : int
        How many images of all these epochs are done already; they don't count for the rate.
    stream : text stream
        Standard error if not given.

    Examples
    --------
    >>> import sys
    >>> from fastconv.messages.progress import Progress
    >>> shown = Progress(epochs=2, images=100, stream=sys.stdout)
    >>> shown.update(0, 100)
    >>> shown.finish(0, "loss 0.5000")  # doctest: +ELLIPSIS
    Epoch 1 of 2: 100 of 100 images, ... images/s, loss 0.5000
    """

    def __init__(self, epochs: int, images: int, first: int = 0, done: int = 0, stream: TextIO | None = None):
        self._epochs, self._images, self._first = epochs, images, first
        self._stream = stream or sys.stderr
        self._start = self._last = time.perf_counter()
        self._before = self._done = done
        self._unsaid, self._seen, self._bar = "", self._stream is not None, None
        try:
            self._bar = _make_bar(epochs * images, done, self._stream)
        except (OSError, ValueError):
            self._give_up()

    @_for_who_looks
    def update(self, epoch: int, done: int, figures: str = "") -> None:
        """Show that of this epoch, the first being 0, so many images are done, and the figures so far."""
        everything, self._done = self._epochs * self._images, epoch * self._images + done
        if self._bar is not None:
            self._bar.set_description(self._title(epoch), refresh=False)
            self._bar.set_postfix_str(figures, refresh=False)
            self._bar.update(self._done - self._bar.n)
        elif self._is_time():
            left = (everything - self._done) * (self._last - self._start) / max(self._done - self._before, 1)
            print(self._line(epoch, done, f"{left:.0f} s left", figures), file=self._stream, flush=True)

    @_for_who_looks
    def finish(self, epoch: int, figures: str) -> None:
        """Show that an epoch is done."""
        self._done = (epoch + 1) * self._images
        self._unsaid = self._line(epoch, self._images, figures)
        if self._bar is None and (epoch < FIRST_EPOCHS or self._is_time()):
            self._say()

    @_for_who_looks
    def close(self) -> None:
        """End it, with the last epoch's line."""
        if self._bar is not None:
            self._bar.close()
        self._say()

    def stop(self, epoch: int, done: int, reason: str) -> None:
        """End it in the middle of an epoch, and tell why."""
        self._unsaid = f"{self._title(epoch)}: {reason} after {done} of {self._images} images"
        self.close()

    @_for_who_looks
    def make_way(self) -> None:
        """Leave the line to something else; the next update takes another one."""
        if self._bar is not None:
            self._bar.clear()

    def _give_up(self) -> None:
        self._seen = False
        if self._bar is not None:
            self._bar.disable = True

    def _title(self, epoch: int) -> str:
        return f"Epoch {self._first + epoch + 1} of {self._first + self._epochs}"

    def _line(self, epoch: int, done: int, *figures: str) -> str:
        rate = (self._done - self._before) / max(time.perf_counter() - self._start, 1e-9)
        parts = [f"{self._title(epoch)}: {done} of {self._images} images", f"{rate:,.0f} images/s", *figures]
        return ", ".join(part for part in parts if part)

    def _is_time(self) -> bool:
        now = time.perf_counter()
        if now - self._last < max(SECONDS_BETWEEN_LINES, (now - self._start) / 20):
            return False
        self._last = now
        return True

    def _say(self) -> None:
        line, self._unsaid = self._unsaid, ""
        if line:
            self._last = time.perf_counter()
            print(line, file=self._stream, flush=True)


def _make_bar(total: int, done: int, stream: Any) -> Any:
    """Return tqdm's bar, or None where it isn't installed, or nobody watches on a terminal or in a notebook, which keeps it all."""
    interval = None
    with suppress(OSError, ValueError, AttributeError):
        notebook = type(stream).__module__.partition(".")[0] == "ipykernel"
        interval = 0.1 if stream.isatty() else 0.5 if notebook else None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    options = {"unit": " images", "mininterval": interval, "miniters": 1, "dynamic_ncols": True, "leave": False}
    return None if interval is None else tqdm(total=total, initial=done, file=stream, **options)
