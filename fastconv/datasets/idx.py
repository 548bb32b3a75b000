"""The IDX format of the MNIST family: a magic number, the sizes, then the elements, often in a gzip file."""

from __future__ import annotations

import gzip
import os
from math import prod
from typing import IO

import numpy as np

from ..files.content import read_bytes, reading
from ..files.paths import as_path
from ..shapes import as_int

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 32
MOST_BYTES = 2**33


def read_idx(path: str | os.PathLike[str], limit: int | None = None) -> np.ndarray:
    """Read an IDX file, compressed with gzip or not.

    Parameters
    ----------
    path : path to the file
        Whether it is compressed is told from its first bytes, not from its name.
    limit : int, optional
        Read the first so many along the first axis only; what comes behind them isn't looked at.

    Returns
    -------
    ndarray
        Of the file's shape, in the machine's byte order: uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    ValueError
        If the magic number is not IDX's, or the data are fewer or more bytes than the header's sizes make, or more than 8 GiB. No
        more is read or allocated than the file really holds.
    OSError
        If the file can't be read.

    Notes
    -----
    The format is described at the end of LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    name = as_path("read_idx", path)
    rows = None if limit is None else as_int("read_idx", "limit", limit, 1)
    with open(name, "rb") as raw, reading("read_idx", name, "IDX file"):
        if raw.peek(2)[:2] != b"\x1f\x8b":
            return _parse(raw, rows)
        with gzip.open(raw) as unzipped:
            return _parse(unzipped, rows)


def begins_as_idx(start: bytes) -> bool:
    """Return whether a file that begins with these four bytes or more may be an IDX file, compressed or not.

    Two zeros alone don't tell: TGA, ICO, JPEG 2000 and AVIF files begin with them, too.
    """
    return start[:2] == b"\x1f\x8b" or (
        len(start) >= 4 and start[:2] == b"\0\0" and start[2] in TYPES and 1 <= start[3] <= MOST_AXES
    )


def _parse(stream: IO[bytes] | gzip.GzipFile, rows: int | None) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= MOST_AXES:
        raise ValueError(
            f"it must start with the magic number 0, 0, a type ({', '.join(f'0x{t:02x}' for t in TYPES)}) and the "
            f"number of axes (1 to {MOST_AXES}), but starts with 0x{magic.hex()}"
        )
    dtype, axes = np.dtype(TYPES[magic[2]]), magic[3]
    header = stream.read(4 * axes)
    if len(header) < 4 * axes:
        raise ValueError(f"it must have {axes} sizes in its header, but ends after {len(header)} bytes of them")
    sizes = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    if prod(size or 1 for size in sizes) * dtype.itemsize > MOST_BYTES:  # a zero doesn't save NumPy from overflow
        raise ValueError(f"it must have at most {MOST_BYTES} bytes, but its header's sizes are {sizes}")
    shape = (sizes[0] if rows is None else min(rows, sizes[0]), *sizes[1:])
    what = f"its sizes {sizes}" if shape == sizes else f"the first {rows} of its sizes {sizes}"
    data = read_bytes(stream, prod(shape) * dtype.itemsize, what, more=shape != sizes)
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
