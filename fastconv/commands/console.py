"""What commands say: one line at a time, on streams of any encoding, or none, with nothing lost because nobody reads it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO
from unicodedata import category

FAILURES = (ValueError, TypeError, OSError, ImportError, MemoryError, Warning)
"""What a command may raise about its arguments, files and data (a warning, where the user has these raised): one line says it.
Anything else is a fault of ours."""


class OutputLost(Exception):
    """Standard output can't be written."""


def say(text: str, *, flush: bool = False) -> None:
    """Print a line on standard output.

    Raises
    ------
    OutputLost
        If that fails.
    """
    try:
        print(printable(text, sys.stdout), file=sys.stdout, flush=flush)
    except OSError as error:
        raise OutputLost from error


def note(text: str) -> None:
    """Print a line on standard error, after all that has been said; that nobody reads it is no reason to end."""
    with suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()
    with suppress(OSError):
        if sys.stderr is not None:
            print(printable(text, sys.stderr), file=sys.stderr, flush=True)


def complain(error: BaseException) -> None:
    """Say in one line what is wrong."""
    note(f"fastconv: {' '.join(str(error).split()) or type(error).__name__}")


@contextmanager
def short_warnings(own: bool) -> Iterator[None]:
    """Within it warnings are lines as the others are, if the process is the command's own: its user has no code to look at."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        note(f"fastconv: warning: {' '.join(str(message).split())}")

    before = warnings.showwarning
    if own:
        warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def flush() -> None:
    """Write all that has been said; OutputLost if that fails."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise OutputLost from error


def printable(text: str, stream: TextIO | None) -> str:
    """Return a line with escapes for what the stream can't encode (as parts of a file's name) and for control characters."""
    line = "".join(repr(sign)[1:-1] if category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def open_missing_streams() -> None:
    """Open what a process of its own was started without, so that no file gets a standard stream's number, and what is for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which gets the least number that is free
    for name, mode in (("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # for as long as the process lives


def give_up_output() -> None:
    """Have what is still to be written to standard output go nowhere; the process would fail again with that at its end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
