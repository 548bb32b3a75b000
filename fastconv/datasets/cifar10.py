"""CIFAR-10 from its binary version (its Python version is pickled, which this package never reads)."""

from __future__ import annotations

import os
import tarfile

import numpy as np

from ..files.content import reading
from .sources import find_files

ARCHIVE = "cifar-10-binary.tar.gz"
SHA256 = {ARCHIVE: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}
URL = "https://www.cs.toronto.edu/~kriz/"
PLACES = ("/usr/share/datasets/cifar-10", "/usr/local/share/datasets/cifar-10")
FOLDER = "cifar-10-batches-bin"
TRAIN, TEST = tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",)
RECORD = 1 + 3 * 32 * 32


def load_cifar10(
    path: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return CIFAR-10's colour pictures of ten kinds of things.

    Parameters
    ----------
    path : folder, optional
        Where cifar-10-binary.tar.gz is. If not given: FASTCONV_DATA, the user's cache, system places, and last a download
        (170 MB, checked by SHA-256, with pooch installed).

    Returns
    -------
    x_train (50000, 32, 32, 3), y_train (50000,), x_test (10000, 32, 32, 3), y_test (10000,) : uint8

    Raises
    ------
    FileNotFoundError
        If the file is nowhere; it names every place looked at.
    ValueError
        If the archive isn't what it should be.
    """
    archive = find_files("load_cifar10", "cifar-10", SHA256, path, PLACES, URL)[ARCHIVE]
    with (
        open(archive, "rb") as file,
        reading("load_cifar10", archive, "tar.gz file of CIFAR-10"),
        tarfile.open(fileobj=file, mode="r:gz") as tar,
    ):
        train, test = (np.concatenate([_records(tar, name) for name in names]) for names in (TRAIN, TEST))
    return (*_images_and_labels(train), *_images_and_labels(test))


def _records(tar: tarfile.TarFile, name: str) -> np.ndarray:
    if f"{FOLDER}/{name}" not in tar.getnames():
        raise ValueError(f"it must hold {FOLDER}/{name}, but doesn't")
    member = tar.getmember(f"{FOLDER}/{name}")
    file = tar.extractfile(member)
    if file is None or not member.isfile() or member.size % RECORD or member.size > 10000 * RECORD:
        raise ValueError(f"{name} must be up to 10000 records of {RECORD} bytes, but has {member.size}")
    records = np.frombuffer(file.read(), np.uint8).reshape(-1, RECORD)
    if records.size and records[:, 0].max() > 9:
        raise ValueError(f"labels in {name} must be from 0 to 9, but one is {records[:, 0].max()}")
    return records


def _images_and_labels(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].copy()
