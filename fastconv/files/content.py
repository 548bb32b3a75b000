"""How to read what may be broken or lie: whatever is raised about a file's content is one ValueError that names file and cause."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from typing import IO

CHUNK = 2**20
MOST_CAUSE = 2000


@contextmanager
def reading(operation: str, path: str | os.PathLike[str], kind: str, verdict: str = "is no readable") -> Iterator[None]:
    """Within it, a file's content is parsed: raise ValueError with the file's name for whatever is raised about that.

    The file must be open, and the caller's arguments checked, before. What the system says of the disk stays an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: the content led to a place before the file's start
            raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from None
        raise ValueError(f"{operation}: {path} {verdict} {kind}: {_cause(error)}") from None
    except Exception as error:  # readers raise more than they tell: LZMAError, OverflowError, MemoryError, SyntaxError, ...
        raise ValueError(f"{operation}: {path} {verdict} {kind}: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    """Return what an error says, in one line that isn't too long; its name if it says nothing."""
    said = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(str(said).split())[:MOST_CAUSE] or type(error).__name__


def read_bytes(stream: IO[bytes] | GzipFile, count: int, what: str, more: bool = False) -> bytearray:
    """Return the next `count` bytes, the last ones unless there may be more; no more memory is taken than there are bytes."""
    data, wanted = bytearray(), count if more else count + 1
    while len(data) < wanted:
        chunk = stream.read(min(CHUNK, wanted - len(data)))
        if not chunk:
            break
        data += chunk
    if len(data) != count:
        has = f"only {len(data)}" if len(data) < count else "more"
        raise ValueError(f"it must have {count} bytes of data for {what}, but has {has}")
    return data
