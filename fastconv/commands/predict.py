"""`fastconv predict`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .console import FAILURES, complain, flush, say

if TYPE_CHECKING:
    import numpy as np

    from ..nn import Sequential


def predict(options: argparse.Namespace) -> int:
    """Say what a saved network sees in each image of each file; a file that can't be read stops none of the others."""
    from ..nn import load

    model, status = load(options.model), 0
    for name in options.images:
        try:
            rows = _results(model, name, options.background)
        except FAILURES as error:
            complain(error)
            status = 1
            continue
        for number, row in enumerate(rows):
            try:
                text = described(model, row)
            except ValueError as error:
                complain(ValueError(f"predict: {name}[{number}]: {error}"))
                status = 1
            else:
                say(f"{name}[{number}]: {text}")
        flush()
    return status


def described(model: Sequential, row: np.ndarray) -> str:
    """Return one image's result: the class and its probability or, of a network that tells no classes, the numbers.

    Raises
    ------
    ValueError
        If it is NaN, which is no class.
    """
    from ..nn.targets import class_count

    row = row.reshape(-1)
    if model.loss != "cross_entropy" or class_count(model.shapes[-1]) is None:
        return " ".join(f"{number:.6g}" for number in row)
    best = int(row.argmax())
    if not row[best] >= 0:
        raise ValueError("the result is NaN, because of the image or of the network's weights")
    named = model.classes is not None and best < len(model.classes)
    return f"{model.classes[best] if named else best} ({row[best]:.1%})"  # type: ignore[index]  # not None where named


def _results(model: Sequential, name: str, background: int) -> np.ndarray:
    images = read_images(name, model.shapes[0], background)
    try:
        return model.predict(images)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{error} (in {name})") from None


def read_images(name: str, shape: tuple[int, ...], background: int) -> np.ndarray:
    """Return the images in a file as (n, *shape), those of .npy and IDX files with their numbers as they are.

    Parameters
    ----------
    name : str
        A .npy or IDX file, one image or many; or a picture, of which every frame is an image.
    shape : tuple of int
        What the network takes: (h, w, c), or (units,) for rows.
    background : int
        What transparent pictures are laid on, from 0 (black) to 255.
    """
    from ..datasets.idx import begins_as_idx, read_idx
    from ..files.npy import MAGIC, load_npy
    from ..files.paths import as_path

    path = as_path("predict", name)
    with open(path, "rb") as file:
        if not file.seekable():
            raise ValueError(f"predict: images must be in a file, but {name} is a pipe or a device, which can be read only once")
        start = file.read(6)
    if start == MAGIC:
        return _as_many(load_npy("predict", path), shape, name)
    if begins_as_idx(start):
        try:
            return _as_many(read_idx(path), shape, name)
        except ValueError as no_idx:
            try:
                return _read_pictures(name, shape, background)
            except (ValueError, ImportError):
                raise no_idx from None
    return _read_pictures(name, shape, background)


def _read_pictures(name: str, shape: tuple[int, ...], background: int) -> np.ndarray:
    import numpy as np

    from ..datasets.pictures import read_frames

    if len(shape) != 3 or shape[2] not in (1, 3):
        takes = f"1 or 3 channels, not {' x '.join(map(str, shape))}"
        raise ValueError(f"predict: {name} is no .npy or IDX file, and pictures are for networks that take {takes}")
    frames = read_frames("predict", name, "L" if shape[2] == 1 else "RGB", background, (shape[0], shape[1]))
    return np.stack(frames).reshape(-1, *shape)


def _as_many(images: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return one image, or many, of which the axis of a single channel may lack, as (n, *shape)."""
    wanted = shape[:2] if shape[2:] == (1,) else shape
    many = images[None] if images.shape in (wanted, shape) else images
    if many.shape[1:] not in (wanted, shape):
        size, found = (" x ".join(map(str, sizes)) for sizes in (wanted, images.shape))
        turned = len(shape) == 3 and images.shape[-3:] == (shape[2], *shape[:2])
        hint = "; channels come last, as after numpy.moveaxis(images, -3, -1)" if turned else ""
        raise ValueError(f"predict: images must be {size}, or many of them, but {name} has {found or 'a single number'}{hint}")
    return many.reshape(len(many), *shape)
