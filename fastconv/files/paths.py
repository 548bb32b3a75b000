"""What users name files by, and whether a file can be written there, asked before there is anything to lose."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def as_path(operation: str, path: str | os.PathLike[str]) -> Path:
    """Return a path with the home directory for a leading ~ (or as it is, where there is no such home)."""
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise TypeError(f"{operation}: a file must be named by a string or a path, but is named by {path!r}")
    if not text:
        raise ValueError(f"{operation}: a file's name must not be empty")
    if "\0" in text:
        raise ValueError(f"{operation}: a file's name must have no zero characters, but is {text!r}")
    return Path(os.path.expanduser(text))


def real_path(path: Path) -> Path:
    """Return where a path leads, through all links; its file need not exist."""
    return Path(os.path.realpath(path))


def check_folder(operation: str, path: Path) -> None:
    """Refuse a file that can't be written: ValueError if its place is none, else the system's OSError, with this path.

    A file that is made and deleted at once shows whether its folder can be written.
    """
    check_target(operation, path)
    folder = real_path(path).parent
    if not folder.is_dir():
        raise ValueError(f"{operation}: the file must be in a folder that exists, but is {_leading(path)}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise not_written(operation, path, error) from None


def check_target(operation: str, path: Path) -> None:
    """Refuse to replace what is no file, or one that is marked as not to be written."""
    target = real_path(path)
    if target.is_dir():
        raise ValueError(f"{operation}: the file must be in a folder that exists, but is {_leading(path)}, which is a folder")
    if target.is_symlink():
        raise ValueError(f"{operation}: the file must not be a link to itself, but is {path}")
    if target.exists():
        if not target.is_file():
            raise ValueError(f"{operation}: only a file can be replaced by another, but {_leading(path)} is none")
        if not os.access(target, os.W_OK):
            raise not_written(operation, path, PermissionError(errno.EACCES, "it is read-only"))


def _leading(path: Path) -> str:
    """Return a path, and where it leads if it is a link."""
    return f"{path}, a link to {real_path(path)}" if path.is_symlink() else str(path)


def not_written(operation: str, path: Path, error: OSError) -> OSError:
    """Return the error that says that a file couldn't be written: of the same kind, and with the name that the user knows."""
    reason = error.strerror or str(error) or type(error).__name__
    return OSError(error.errno or errno.EIO, f"{operation}: the file can't be written: {reason}", str(path))
