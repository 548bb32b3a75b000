"""NumPy's format of one array. Its own reader runs the header through Python's parser, and takes memory before it has data."""

from __future__ import annotations

import os
import re
from math import prod
from typing import IO, NamedTuple

import numpy as np

from .content import read_bytes, reading
from .paths import as_path

MAGIC = b"\x93NUMPY"
MOST_HEADER = 10_000
MOST_BYTES = 2**33
KINDS = "biufcSU"
"""Numbers and texts."""
ENTRY = (
    r"'descr'\s*:\s*(?P<descr>'[<>|=]?[a-zA-Z][0-9]*'|\[.*\])",
    r"'fortran_order'\s*:\s*(?P<order>True|False)",
    r"'shape'\s*:\s*\(\s*(?P<shape>(?:(?:[0-9]+L?\s*,\s*)+(?:[0-9]+L?\s*)?)?)\)",
)


class Header(NamedTuple):
    """What a .npy file says of its array, whose data begin at byte `start`."""

    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool
    start: int

    @property
    def size(self) -> int:
        """How many bytes the array takes."""
        return prod(self.shape) * self.dtype.itemsize

    def first(self, rows: int | None) -> Header:
        """Return what must be read for so many rows: they come first, or if the array lies by columns, they are all over it."""
        if rows is None or not self.shape or self.shape[0] <= rows or (self.by_columns and len(self.shape) > 1):
            return self
        return self._replace(shape=(rows, *self.shape[1:]))

    def __str__(self) -> str:
        return f"an array of {self.shape} {self.dtype}"


def load_npy(operation: str, path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array of numbers or texts in a .npy file.

    Raises
    ------
    ValueError
        If the file is broken, or has objects, or more than 8 GiB; its name is in the text.
    OSError
        If it can't be read.
    """
    name = as_path(operation, path)
    with open(name, "rb") as file, reading(operation, name, ".npy file"):
        return read_array(file)


def read_array(stream: IO[bytes], rows: int | None = None) -> np.ndarray:
    """Return an array that the stream has from here to its end, or its first rows; what is raised lacks the file's name."""
    header = read_header(stream)
    return read_data(stream, header, rows)


def read_header(stream: IO[bytes]) -> Header:
    """Return what stands before the data, which are to be read next."""
    start = bytes(read_bytes(stream, 8, "its magic number", more=True))
    if not start.startswith(MAGIC) or start[6] not in (1, 2, 3):
        raise ValueError(f"it must start with {MAGIC!r} and the version 1, 2 or 3, but starts with {start!r}")
    digits = 2 if start[6] == 1 else 4
    length = int.from_bytes(read_bytes(stream, digits, "its header's length", more=True), "little")
    if length > MOST_HEADER:
        raise ValueError(f"its header must have at most {MOST_HEADER} bytes, but has {length}")
    text = read_bytes(stream, length, "its header", more=True).decode("utf-8" if start[6] == 3 else "latin-1")
    return _parsed(text, 8 + digits + length)


def read_data(stream: IO[bytes], header: Header, rows: int | None = None) -> np.ndarray:
    """Return the array that follows its header, or its first rows."""
    wanted = header.first(rows)
    array = _filled(read_bytes(stream, wanted.size, f"{wanted}", more=wanted.shape != header.shape), wanted)
    return array if rows is None or not array.shape or len(array) <= rows else array[:rows].copy()  # not all of it is kept


def _filled(data: bytearray, header: Header) -> np.ndarray:
    shape = header.shape[::-1] if header.by_columns else header.shape
    array = np.frombuffer(data, header.dtype).reshape(shape) if data else np.zeros(shape, header.dtype)
    return array.T if header.by_columns else array


def _parsed(text: str, start: int) -> Header:
    """Return what a header says: a Python dictionary of just three entries, in any order, as NumPy and others write it."""
    plain = text.strip().replace('"', "'")
    found: dict[str, str] = {}
    for entry in ENTRY:
        matches = [*re.finditer(entry, plain)]
        if len(matches) == 1:
            found |= matches[0].groupdict()
            plain = plain.replace(matches[0][0], "", 1)
    if len(found) != 3 or not re.fullmatch(r"\{\s*,?\s*,?\s*,?\s*\}", plain):
        raise ValueError(f"its header must have 'descr', 'fortran_order' and 'shape' of an array, but is {text.strip()[:200]!r}")
    descr = found["descr"].strip("'")
    if descr.lstrip("<>|=")[:1] not in KINDS or not np.dtype(descr).itemsize:
        kind = "records" if descr.startswith("[") else "objects" if descr.endswith("O") else descr
        raise ValueError(f"arrays must be of numbers or texts, but one is of {kind}")
    shape = tuple(int(size) for size in re.findall("[0-9]+", found["shape"]))
    header = Header(shape, np.dtype(descr), found["order"] == "True", start)
    if prod(size or 1 for size in shape) * header.dtype.itemsize > MOST_BYTES:  # a zero doesn't save NumPy from overflow
        raise ValueError(f"it must have at most {MOST_BYTES} bytes, but is to be {header}")
    return header
