"""Texts and arrays in one file, .npz or .safetensors: written as a whole or not at all, read without trust and without pickle."""

from __future__ import annotations

import io
import os
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SUFFIXES = (".npz", ".safetensors")
BROKEN = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
"""What zipfile, NumPy and safetensors raise for a broken, encrypted or lying file, their own subclasses included."""
KINDS = "biufU"


class Contents(NamedTuple):
    """A file's texts and arrays by name."""

    texts: dict[str, str]
    arrays: dict[str, np.ndarray]


def checked_path(operation: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that can be written or read, by its suffix."""
    name = Path(path)
    if name.suffix not in SUFFIXES:
        raise ValueError(f"{operation}: the file's name must end in {' or '.join(SUFFIXES)}, but is {name}")
    if name.suffix == ".safetensors":
        _safetensors(operation)
    return name


def checked_target(operation: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a file to write, whose folder must exist."""
    name = checked_path(operation, path)
    if name.is_dir() or not name.absolute().parent.is_dir():
        raise ValueError(f"{operation}: the file must be in a folder that exists, but is {name}")
    return name


def write_file(operation: str, path: str | os.PathLike[str], texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file; a process that dies meanwhile leaves the old one or none, never half of one."""
    target = Path(os.path.realpath(checked_path(operation, path)))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with open(temporary, "xb") as file:
            if target.suffix == ".npz":
                np.savez(file, **{name: np.array(text) for name, text in texts.items()}, **arrays)  # type: ignore[arg-type]  # all arrays
            else:
                from safetensors.numpy import save

                file.write(save(dict(arrays), dict(texts)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:  # raised again: only half a file is taken away
        temporary.unlink(missing_ok=True)
        raise


def read_file(operation: str, path: str | os.PathLike[str]) -> Contents:
    """Read a file; ValueError if it is broken, OSError if it can't be read. It takes no more memory than the file has bytes."""
    name = checked_path(operation, path)
    with open(name, "rb") as file:  # a missing file is no broken one
        try:
            return _read_npz(file) if name.suffix == ".npz" else _read_safetensors(name)
        except BROKEN as error:
            raise ValueError(f"{operation}: {name} is no readable {name.suffix} file: {error}") from None


def _read_npz(file: Any) -> Contents:
    size, texts, arrays = os.fstat(file.fileno()).st_size, {}, {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        promised = sum(member.file_size for member in members)
        if promised > size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError(f"its parts must be stored as they are, but promise {promised} bytes of the file's {size}")
        if len({member.filename for member in members}) < len(members):
            raise ValueError("its parts must have different names")
        for member in members:
            name, array = member.filename.removesuffix(".npy"), _array(archive.read(member))
            if array.dtype.kind != "U":
                arrays[name] = array
            elif array.shape == ():
                texts[name] = str(array)
            else:
                raise ValueError(f"texts must be single ones, but {name} is an array of {array.shape}")
    return Contents(texts, arrays)


def _array(content: bytes) -> np.ndarray:
    """Return the array in the content of a .npy file, which must be of just that length."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"arrays must be of format 1.0 or 2.0, but one is of {version}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read_header(stream)
    start = stream.tell()
    if dtype.kind not in KINDS:
        raise ValueError(f"arrays must be of numbers or texts, but one is of {dtype}")
    if min(shape, default=0) < 0 or start + prod(shape) * dtype.itemsize != len(content):
        raise ValueError(
            f"an array of {shape} {dtype} must have {prod(shape) * dtype.itemsize} bytes, but has {len(content) - start}"
        )
    if not prod(shape):
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype, prod(shape), start).reshape(shape, order="F" if by_columns else "C")


def _read_safetensors(path: Path) -> Contents:
    safetensors = _safetensors("read_file")
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            return Contents(dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  # no dict
    except (safetensors.SafetensorError, AttributeError, KeyError) as error:
        raise ValueError(str(error)) from None


def _safetensors(operation: str) -> Any:
    try:
        import safetensors
    except ImportError:
        raise ImportError(
            f"{operation}: .safetensors files need the package safetensors: pip install 'fastconv[safetensors]'"
        ) from None
    return safetensors
