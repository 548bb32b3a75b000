"""Datasets in one .npz file, as Keras keeps MNIST."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

NAMES = ("x_train", "y_train", "x_test", "y_test")
MOST_BYTES = 2**33
BROKEN = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, MemoryError)
"""What zipfile and NumPy raise for a broken, encrypted or lying file."""


def load_npz(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read x_train, y_train, x_test and y_test from a .npz file.

    Parameters
    ----------
    path : path to the file

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarrays
        As they are in the file; each x has as many images as its y has labels.

    Raises
    ------
    ValueError
        If the file is no .npz, lacks one of the four, holds objects, promises more than 8 GiB, or counts don't match.
    OSError
        If the file can't be read.
    """
    name = Path(path)
    with open(name, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                total = sum(member.file_size for member in archive.infolist())
                missing = [item for item in NAMES if f"{item}.npy" not in archive.namelist()]
                if not missing and total <= MOST_BYTES:
                    x_train, y_train, x_test, y_test = (_read_array(archive, f"{item}.npy") for item in NAMES)
        except BROKEN as error:
            raise ValueError(f"load_npz: {name} is no readable .npz file: {error}") from None
    if missing:
        raise ValueError(f"load_npz: {name} must hold {NAMES}, but has no {missing}")
    if total > MOST_BYTES:
        raise ValueError(f"load_npz: {name} must have at most {MOST_BYTES} bytes, but promises {total}")
    for images, labels, part in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        if images.ndim < 2 or labels.ndim < 1 or len(images) != len(labels):
            raise ValueError(f"load_npz: {part} images and labels must be as many, but are {images.shape} and {labels.shape}")
    return x_train, y_train, x_test, y_test


def _read_array(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
