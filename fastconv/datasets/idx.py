"""The IDX format of the MNIST family: a magic number, the sizes, then the elements, often in a gzip file."""

from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 32
MOST_BYTES = 2**33
CHUNK = 2**20


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an IDX file, compressed with gzip or not.

    Parameters
    ----------
    path : path to the file
        Whether it is compressed is told from its first bytes, not from its name.

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
    name = Path(path)
    with open(name, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            if compressed:
                with gzip.open(raw) as unzipped:
                    return _parse(unzipped, name)
            return _parse(raw, name)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"read_idx: {name} is a broken gzip file: {error}") from None


def _parse(stream: IO[bytes] | gzip.GzipFile, name: Path) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= MOST_AXES:
        raise ValueError(
            f"read_idx: {name} must start with the magic number 0, 0, a type ({', '.join(f'0x{t:02x}' for t in TYPES)}) and the "
            f"number of axes (1 to {MOST_AXES}), but starts with 0x{magic.hex()}"
        )
    dtype, axes = np.dtype(TYPES[magic[2]]), magic[3]
    header = stream.read(4 * axes)
    if len(header) < 4 * axes:
        raise ValueError(f"read_idx: {name} must have {axes} sizes in its header, but ends after {len(header)} bytes of them")
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    promised = prod(shape) * dtype.itemsize
    if prod(size or 1 for size in shape) * dtype.itemsize > MOST_BYTES:  # a zero doesn't save NumPy from overflow
        raise ValueError(f"read_idx: {name} must have at most {MOST_BYTES} bytes, but its header's sizes are {shape}")
    data = bytearray()
    while len(data) <= promised:
        chunk = stream.read(min(CHUNK, promised + 1 - len(data)))
        if not chunk:
            break
        data += chunk
    if len(data) != promised:
        has = f"only {len(data)}" if len(data) < promised else "more"
        raise ValueError(f"read_idx: {name} must have {promised} bytes of data for its sizes {shape}, but has {has}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
