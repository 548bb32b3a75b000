"""Zip files of arrays, as NumPy writes them: what their directory and their arrays promise is checked against what there is."""

from __future__ import annotations

import bz2
import copy
import lzma
import os
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from .content import read_bytes
from .npy import Header, read_data, read_header

MOST_DIRECTORY = 2**22
MOST_DICTIONARY = 2**27
AMPLE, AMPLIFIED = 2**28, 250
"""An array of more than AMPLE bytes may be at most AMPLIFIED times as large as its compressed form: else it's a bomb."""


class Npz:
    """An open .npz file's arrays by name; what is raised about it lacks the file's name."""

    def __init__(self, file: IO[bytes]):
        self.size = os.fstat(file.fileno()).st_size
        bounded = _Bounded(file)
        self._archive = zipfile.ZipFile(bounded)
        bounded.most = None
        self.members = {member.filename.removesuffix(".npy"): member for member in self._archive.infolist()}
        if len(self.members) < len(self._archive.infolist()):
            raise ValueError("its parts must have different names")
        packed = sum(member.compress_size for member in self.members.values())
        if packed > self.size:
            raise ValueError(f"its parts must be in the file's {self.size} bytes, but are said to have {packed}")

    def header(self, name: str) -> Header:
        """Return what an array is said to be, the same in the directory and in its own header."""
        member = self.members[name]
        with _opened(self._archive, member) as stream:
            header = read_header(stream)
        if header.start + header.size != member.file_size:
            raise ValueError(
                f"{name} must have {header.size} bytes for {header}, but is said to have {member.file_size - header.start}"
            )
        return header

    def array(self, name: str, rows: int | None = None) -> np.ndarray:
        """Return an array, or its first rows; no more memory is taken than is needed for that."""
        member, header = self.members[name], self.header(name)
        size = header.first(rows).size
        if size > AMPLE and size > AMPLIFIED * member.compress_size:
            raise ValueError(
                f"{name} must be at most {AMPLIFIED} times as large as its {member.compress_size} packed bytes, but is {header}"
            )
        with _opened(self._archive, member) as stream:
            read_bytes(stream, header.start, "its header", more=True)
            return read_data(stream, header, rows)


class _Bounded:
    """A file of which no more than `most` bytes are read at once: so many may the directory have."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.most: int | None = MOST_DIRECTORY
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if self.most is not None and count > self.most:
            raise ValueError(f"its directory must have at most {self.most} bytes, but has {count}")
        return self._file.read(count)


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Any:
    """Return a stream of a part's bytes. What zipfile unpacks of bzip2 and LZMA at once has no bound, so this is done here."""
    if member.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        return archive.open(member)
    packed = copy.copy(member)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, member.compress_size
    del packed.CRC  # it is that of the content
    stream = archive.open(packed)
    if member.compress_type == zipfile.ZIP_BZIP2:
        return _Checked(bz2.BZ2File(stream), member)
    return _Checked(lzma.LZMAFile(stream, format=lzma.FORMAT_RAW, filters=[_lzma_filter(stream)]), member)


def _lzma_filter(stream: IO[bytes]) -> dict[str, int]:
    """Return the options that stand before LZMA's data: the coder's version, the options' length, and they themselves."""
    found = read_bytes(stream, 9, "LZMA's options", more=True)
    length, numbers, dictionary = int.from_bytes(found[2:4], "little"), found[4], int.from_bytes(found[5:9], "little")
    if length != 5 or dictionary > MOST_DICTIONARY:
        raise ValueError(
            f"LZMA must have 5 bytes of options, a dictionary of at most {MOST_DICTIONARY}, but has {length}, {dictionary}"
        )
    bits = {"lc": numbers % 9, "lp": numbers // 9 % 5, "pb": numbers // 45}
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), **bits}


class _Checked:
    """A part's unpacked bytes, whose checksum must be right once all have been read."""

    def __init__(self, stream: Any, member: zipfile.ZipInfo):
        self._stream, self._left, self._expected, self._sum = stream, member.file_size, member.CRC, 0

    def read(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._left)) if self._left else b""
        self._left, self._sum = self._left - len(data), zlib.crc32(data, self._sum)
        if count and not data and self._sum != self._expected:
            raise ValueError("a part's checksum is wrong")
        return data

    def __enter__(self) -> _Checked:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
