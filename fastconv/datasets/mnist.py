"""MNIST, which comes with the package, and Fashion-MNIST, which has the same form."""

from __future__ import annotations

import os
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from .idx import read_idx
from .sources import find_files

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

FASHION_SHA256 = {
    TRAIN_IMAGES: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    TRAIN_LABELS: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    TEST_IMAGES: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    TEST_LABELS: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
FASHION_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
FASHION_PLACES = (
    "~/.keras/datasets/fashion-mnist",
    "/usr/share/datasets/fashion-mnist",
    "/usr/share/dataset-fashion-mnist",
    "/usr/local/share/datasets/fashion-mnist",
)


def load_mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return MNIST's handwritten digits, from files in the package.

    Returns
    -------
    x_train : (60000, 28, 28) uint8
    y_train : (60000,) uint8, from 0 to 9
    x_test : (10000, 28, 28) uint8
    y_test : (10000,) uint8

    Notes
    -----
    By LeCun, Cortes and Burges; CC BY-SA 3.0. See mnist/README.md beside this file.

    Examples
    --------
    >>> from fastconv.datasets import load_mnist
    >>> x_train, y_train, x_test, y_test = load_mnist()
    >>> x_train.shape, y_train[:5]
    ((60000, 28, 28), array([5, 0, 4, 1, 9], dtype=uint8))
    """
    names, folder = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS), files(__package__) / "mnist"
    with ExitStack() as stack:  # where the package is in a zip file, these are copies
        return read_pairs("load_mnist", {name: stack.enter_context(as_file(folder / name)) for name in names})


def load_fashion_mnist(
    path: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return Fashion-MNIST's pictures of clothes, in MNIST's form.

    Parameters
    ----------
    path : folder, optional
        Where the four files are, compressed or not, with a dash in their names (train-images-idx3-ubyte) or a dot
        (train-images.idx3-ubyte). If not given: FASTCONV_DATA, the user's cache, places where other packages keep them, and
        last a download (31 MB, checked by SHA-256, with pooch installed).

    Returns
    -------
    x_train (60000, 28, 28), y_train (60000,), x_test (10000, 28, 28), y_test (10000,) : uint8

    Raises
    ------
    FileNotFoundError
        If the files are nowhere; it names every place looked at.
    ValueError
        If a file isn't what it should be.
    """
    paths = find_files("load_fashion_mnist", "fashion-mnist", FASHION_SHA256, path, FASHION_PLACES, FASHION_URL, find_idx)
    return read_pairs("load_fashion_mnist", paths)


def read_folder(operation: str, folder: Path, limit: int | None = None) -> Arrays:
    """Read the four IDX files in a folder, of the training images and labels only so many; FileNotFoundError if one is missing."""
    found = {name: find_idx(folder, name) for name in NAMES}
    missing = [name.removesuffix(".gz") for name, path in found.items() if path is None]
    if missing:
        raise FileNotFoundError(
            f"{operation}: {folder} must have {', '.join(missing)} (with .gz or without, and with a dash before idx or a dot), "
            f"but hasn't"
        )
    return read_pairs(operation, {name: path for name, path in found.items() if path is not None}, limit)


def find_idx(folder: Path, name: str) -> Path | None:
    """Return where in a folder one of MNIST's files is, None if nowhere.

    Its name is with or without .gz, with a dot before "idx" (as on Kaggle) or a dash, and it may be in a folder of that name.
    """
    dashed = name.removesuffix(".gz")
    for stem in (dashed, dashed.replace("-idx", ".idx")):
        for place in (f"{stem}.gz", stem, f"{stem}/{stem}", f"{stem}.gz/{stem}"):
            if (folder / place).is_file():
                return folder / place
    return None


def read_pairs(operation: str, paths: dict[str, Path], limit: int | None = None) -> Arrays:
    """Read the four IDX files of an MNIST-like dataset, of the first two only so much, and check that images and labels match."""
    x_train, y_train = (read_idx(paths[name], limit) for name in (TRAIN_IMAGES, TRAIN_LABELS))
    x_test, y_test = (read_idx(paths[name]) for name in (TEST_IMAGES, TEST_LABELS))
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        if images.ndim != 3 or labels.shape != images.shape[:1] or (labels.size and labels.max() > 9):
            raise ValueError(
                f"{operation}: each of (n, h, w) images must have a label from 0 to 9, but the shapes are {images.shape} and "
                f"{labels.shape}, and the largest label is {labels.max(initial=0)}"
            )
    return x_train, y_train, x_test, y_test
