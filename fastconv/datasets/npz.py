"""Datasets in one .npz file, as Keras keeps MNIST."""

from __future__ import annotations

import os

import numpy as np

from ..files.content import reading
from ..files.npz import Npz
from ..files.paths import as_path
from ..shapes import as_int

NAMES = ("x_train", "y_train", "x_test", "y_test")
MOST_BYTES = 2**33


def load_npz(path: str | os.PathLike[str], limit: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read x_train, y_train, x_test and y_test from a .npz file.

    Parameters
    ----------
    path : path to the file
        Compressed or not.
    limit : int, optional
        Of x_train and y_train, read the first so many only; what comes behind them isn't looked at.

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarrays
        As they are in the file; each x has as many images as its y has labels.

    Raises
    ------
    ValueError
        If the file is no .npz, lacks one of the four, holds objects, or counts don't match; or if what is to be read has more than
        8 GiB, or more than 256 MiB and 250 times as much as compressed. No more memory is taken than what is read has bytes.
    OSError
        If the file can't be read.
    """
    name = as_path("load_npz", path)
    rows = None if limit is None else as_int("load_npz", "limit", limit, 1)
    with open(name, "rb") as file:
        with reading("load_npz", name, ".npz file"):
            parts = Npz(file)
            missing = [item for item in NAMES if item not in parts.members]
            headers = {} if missing else {item: parts.header(item) for item in NAMES}
        if missing:
            raise ValueError(f"load_npz: {name} must hold {NAMES}, but has no {missing}")
        for part in ("train", "test"):
            images, labels = headers[f"x_{part}"].shape, headers[f"y_{part}"].shape
            if len(images) < 2 or len(labels) < 1 or images[0] != labels[0]:
                raise ValueError(f"load_npz: {part} images and labels must be as many, but are {images} and {labels}")
        limits = {item: rows if item.endswith("train") else None for item in NAMES}
        total = sum(headers[item].first(limits[item]).size for item in NAMES)
        if total > MOST_BYTES:
            raise ValueError(f"load_npz: {name} must have at most {MOST_BYTES} bytes to be read, but promises {total}")
        with reading("load_npz", name, ".npz file"):
            x_train, y_train, x_test, y_test = (parts.array(item, limits[item]) for item in NAMES)
    return x_train, y_train, x_test, y_test
