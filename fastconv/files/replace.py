"""Files that are replaced as a whole or not at all, and what a process that was killed meanwhile left behind.

The new file is written beside the old one, as `.name.` and 12 hexadecimal digits, and renamed. As long as somebody writes it, it is
locked, so what isn't locked is left over from a process that is no more.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where nobody can delete or rename a file that is open
    fcntl = None  # type: ignore[assignment]

LEFT_OVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}", re.DOTALL)
LONG_AGO = 24 * 3600.0
"""Where files can't be locked, one that nobody has touched for so many seconds is taken for left over."""
MOST_NAME = 240
"""File systems take names of 255 bytes."""


@contextmanager
def replacing(target: Path, *, private: bool = False, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a new file that replaces `target` at the end; after an exception there is no trace of it.

    The new file has the mode and, where possible, the owner of the one that it replaces; else those that the process gives to new
    files, or if it is `private`, none for others. If it is `durable`, it is on the disk before it gets its name.
    """
    temporary, file = _new_file(target, 0o600 if private else 0o666)
    try:
        yield file
        file.flush()
        if durable:
            os.fsync(file.fileno())
        if not private:
            _keep_mode(file, target)
        if fcntl is None:
            file.close()
        os.replace(temporary, target)
    except BaseException:  # raised again: only half a file is taken away
        with suppress(OSError):
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    file.close()


def remove_left_over(folder: Path, name: str | None = None) -> None:
    """Delete what killed processes left in a folder of what was to become the file `name`, or any."""
    wanted = None if name is None else _short(name)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = LEFT_OVER.fullmatch(entry.name)
            if found is not None and wanted in (None, found["name"]):
                with suppress(OSError):  # another process was faster, or may do what we may not
                    _remove_unlocked(entry)


def _short(name: str) -> str:
    """Return a file's name, or if it leaves no room for a suffix, another one for it."""
    return name if len(os.fsencode(name)) <= MOST_NAME else hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _new_file(target: Path, mode: int) -> tuple[Path, IO[bytes]]:
    """Return a new file beside the target, locked."""
    while True:
        temporary = target.with_name(f".{_short(target.name)}.{secrets.token_hex(6)}")
        file = open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, mode))  # noqa: SIM115  # the caller closes it
        _lock(file, wait=True)
        if fcntl is None or os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()  # somebody took it for left over before it was locked


def _lock(file: IO[bytes], wait: bool) -> bool | None:
    """Lock a file; False if another process has done so, None where files can't be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_unlocked(entry: os.DirEntry[str]) -> None:
    """Delete a file that nobody writes."""
    if not entry.is_file(follow_symlinks=False):
        return
    with open(entry.path, "r+b") as file:
        locked = _lock(file, wait=False)
        if locked or (locked is None and time.time() - os.fstat(file.fileno()).st_mtime > LONG_AGO):
            if fcntl is None:
                file.close()
            os.unlink(entry.path)


def _keep_mode(file: IO[bytes], target: Path) -> None:
    """Give a new file the owner and the mode of the one that it replaces, as far as this process may."""
    with suppress(OSError, AttributeError):  # there is none yet; or this system knows no owners
        old, new = target.stat(), os.fstat(file.fileno())
        for owner in ((old.st_uid, -1), (-1, old.st_gid)):
            if owner not in ((new.st_uid, -1), (-1, new.st_gid)):
                with suppress(OSError):
                    os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode) & 0o777)
