"""Datasets in one .npz file, as Keras keeps MNIST."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

NAMES = ("x_train", "y_train", "x_test", "y_test")
MOST_BYTES = 2**33


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
    try:
        with zipfile.ZipFile(name) as archive:
            total = sum(member.file_size for member in archive.infolist())
            present = set(archive.namelist())
        missing = [item for item in NAMES if f"{item}.npy" not in present]
        if missing:
            raise ValueError(f"load_npz: {name} must hold {NAMES}, but has no {missing}")
        if total > MOST_BYTES:
            raise ValueError(f"load_npz: {name} must have at most {MOST_BYTES} bytes, but promises {total}")
        with np.load(name, allow_pickle=False) as archive_arrays:
            x_train, y_train, x_test, y_test = (archive_arrays[item] for item in NAMES)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"load_npz: {name} is no readable .npz file: {error}") from None
    for images, labels, part in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        if images.ndim < 2 or labels.ndim < 1 or len(images) != len(labels):
            raise ValueError(f"load_npz: {part} images and labels must be as many, but are {images.shape} and {labels.shape}")
    return x_train, y_train, x_test, y_test
