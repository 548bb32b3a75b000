"""The notebook's network in a file: a .npz of three arrays and its sizes, written atomically, read without pickle."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..shapes import as_int
from .online import OnlineNetwork

FORMAT = "fastconv notebook network 1"
SIZES = ("filters", "kernel_size", "classes", "width")
MOST_BYTES = 2**30
BROKEN = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, MemoryError)
"""What zipfile and NumPy raise for a broken, encrypted or lying file."""


def save_network(network: OnlineNetwork, path: str | os.PathLike[str]) -> None:
    """Write the network to a .npz file; a process that dies meanwhile leaves the old file or none, never half of one."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            sizes = {name: np.int64(getattr(network, name)) for name in SIZES}
            np.savez(file, format=np.array(FORMAT), **sizes, **network.get_weights())  # type: ignore[arg-type]  # all arrays
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_network(path: str | os.PathLike[str]) -> OnlineNetwork:
    """Read a network that save_network wrote.

    Raises
    ------
    ValueError
        If the file is no such network, or its arrays don't fit its sizes.
    OSError
        If it can't be read.
    """
    name = Path(path)
    with open(name, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                total = sum(member.file_size for member in archive.infolist())
                members = archive.namelist() if total <= MOST_BYTES else []
                arrays = {member.removesuffix(".npy"): _read_array(archive, member) for member in members}
        except BROKEN as error:
            raise ValueError(f"load_network: {name} is no readable .npz file: {error}") from None
    if total > MOST_BYTES:
        raise ValueError(f"load_network: {name} must have at most {MOST_BYTES} bytes, but promises {total}")
    wanted = ("format", *SIZES, "kernels", "weight", "bias")
    if set(arrays) != set(wanted) or str(arrays["format"]) != FORMAT:
        raise ValueError(f"load_network: {name} must hold {wanted} of the format {FORMAT!r}, but holds {sorted(arrays)}")
    if any(arrays[key].shape != () or arrays[key].dtype.kind not in "iu" for key in SIZES):
        raise ValueError(f"load_network: the sizes in {name} must be single integers")
    sizes = {key: as_int("load_network", key, arrays[key][()], 1) for key in SIZES}
    if max(sizes.values()) > 4096:
        raise ValueError(f"load_network: the sizes in {name} must be at most 4096, but are {sizes}")
    filters, k, classes, width = (sizes[key] for key in SIZES)
    units = ((width - k + 1) // 2) ** 2 * filters
    expected = {"kernels": (filters, k, k), "weight": (units, classes), "bias": (classes,)}
    for key, shape in expected.items():
        if arrays[key].shape != shape or arrays[key].dtype != np.float32:
            raise ValueError(
                f"load_network: {key} in {name} must be float32 of {shape}, but is {arrays[key].dtype} of {arrays[key].shape}"
            )
    network = OnlineNetwork(**sizes)
    network.set_weights(arrays["kernels"], arrays["weight"], arrays["bias"])
    return network


def _read_array(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
