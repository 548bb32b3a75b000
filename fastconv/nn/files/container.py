"""Texts and arrays in one file, .npz or .safetensors: written as a whole or not at all, read without trust and without pickle."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ...files.content import reading
from ...files.npz import Npz
from ...files.paths import as_path, check_folder, check_target, not_written, real_path
from ...files.replace import remove_left_over, replacing

SUFFIXES = (".npz", ".safetensors")


class Contents(NamedTuple):
    """A file's texts and arrays by name."""

    texts: dict[str, str]
    arrays: dict[str, np.ndarray]


def checked_path(operation: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that can be written or read, by its suffix."""
    name = as_path(operation, path)
    if name.suffix not in SUFFIXES:
        raise ValueError(f"{operation}: the file's name must end in {' or '.join(SUFFIXES)}, but is {name}")
    if name.suffix == ".safetensors":
        _safetensors(operation)
    return name


def checked_target(operation: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a file to write later, which can be written now; delete what killed processes left of it."""
    name = checked_path(operation, path)
    check_folder(operation, name)
    _clean(name)
    return name


def write_file(
    operation: str, path: str | os.PathLike[str], texts: Mapping[str, str], arrays: Mapping[str, np.ndarray],
    check: Callable[[Contents], object] | None = None,
) -> None:  # fmt: skip
    """Write a file; a process that dies meanwhile leaves the old one, or none, never half of one.

    What was written is read back before it takes the old one's place, and must be the same, and pass the `check`.

    Raises
    ------
    OSError
        If it can't be written, or not read back; it has the file's name, and the file is what it was.
    """
    name = checked_path(operation, path)
    check_target(operation, name)
    _clean(name)
    try:
        with replacing(real_path(name)) as file:
            _write(file, name.suffix, texts, arrays)
            file.flush()
            contents = _read_back(Path(file.name), name.suffix, texts, arrays)
            if check is not None:
                check(contents)
    except OSError as error:
        raise not_written(operation, name, error) from None


def _write(file: IO[bytes], suffix: str, texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> None:
    if suffix == ".npz":
        file.write(_npz(texts, arrays))
    else:
        from safetensors.numpy import save

        file.write(save(dict(arrays), dict(texts)))


def _npz(texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> memoryview:
    """Return an .npz file's content; made in memory, where a zip file that an interrupt left open harms no other."""
    content = BytesIO()
    try:
        np.savez(content, **{name: np.array(text) for name, text in texts.items()}, **arrays)  # type: ignore[arg-type]  # all arrays
    except ValueError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # zipfile, interrupted as a member begins, can't be closed, it says
            raise error.__context__ from None
        raise
    return content.getbuffer()


def _read_back(written: Path, suffix: str, texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> Contents:
    """Return what was written, to the bit; OSError if that can't be read, or is something else."""
    try:
        with open(written, "rb") as file:
            contents = _read_npz(Npz(file)) if suffix == ".npz" else _read_safetensors(written)
    except OSError:
        raise
    except Exception as error:  # whatever a reader raises about what we wrote
        raise OSError(errno.EIO, f"what was written can't be read back: {error}") from error
    if not _alike(contents, Contents(dict(texts), dict(arrays))):
        raise OSError(errno.EIO, "what was written reads back as something else")
    return contents


def _alike(found: Contents, wanted: Contents) -> bool:
    """Return whether two files hold the same, to the bit."""
    if found.texts != wanted.texts or set(found.arrays) != set(wanted.arrays):
        return False
    pairs = [(found.arrays[name], array) for name, array in wanted.arrays.items()]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def _clean(path: Path) -> None:
    target = real_path(path)
    remove_left_over(target.parent, target.name)


def read_file(operation: str, path: str | os.PathLike[str]) -> Contents:
    """Read a file; ValueError if it is broken, OSError if it can't be read. It takes no more memory than the file has bytes."""
    name = checked_path(operation, path)
    with open(name, "rb") as file, reading(operation, name, f"{name.suffix} file"):
        return _read_npz(Npz(file)) if name.suffix == ".npz" else _read_safetensors(name)


def _read_npz(file: Npz) -> Contents:
    texts, arrays = {}, {}
    promised = sum(member.file_size for member in file.members.values())
    if promised > file.size or any(member.compress_type != zipfile.ZIP_STORED for member in file.members.values()):
        raise ValueError(f"its parts must be stored as they are, but promise {promised} bytes of the file's {file.size}")
    for name in file.members:
        array = file.array(name)
        if array.dtype.kind in "SU" and array.shape != ():
            raise ValueError(f"texts must be single ones, but {name} is an array of {array.shape}")
        if array.dtype.kind == "U":
            texts[name] = str(array)
        else:
            arrays[name] = array
    return Contents(texts, arrays)


def _read_safetensors(path: Path) -> Contents:
    with _safetensors("read_file").safe_open(str(path), framework="numpy") as file:
        return Contents(dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  # no dict


def _safetensors(operation: str) -> Any:
    try:
        import safetensors
    except ImportError:
        raise ImportError(f"{operation}: .safetensors files need the package safetensors: pip install safetensors") from None
    return safetensors
