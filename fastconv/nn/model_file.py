"""Models in files: a .npz of the arrays and a description in JSON, read without pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .layers import LAYERS

if TYPE_CHECKING:
    from .model import Sequential

FORMAT = "fastconv model 1"
BROKEN = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, MemoryError)


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a model to a .npz file."""
    layers = [[layer.name, layer.options()] for layer in model.layers]
    text = {"format": FORMAT, "layers": layers, "input_shape": model.shapes[0], "dtype": model.dtype.name, "seed": model.seed}
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, model=np.array(json.dumps(text | {"loss": model.loss})), **model.get_weights())  # type: ignore[arg-type]
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `save` wrote."""
    from .model import Sequential

    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                weights = dict(arrays)
            text = json.loads(str(weights.pop("model")))
            if text["format"] != FORMAT:
                raise ValueError(f"the format is {text['format']}")
            layers = [LAYERS[name](**options) for name, options in text["layers"]]
            model = Sequential(layers, text["input_shape"], text["dtype"], text["seed"])
            model.loss = text["loss"]
            model.set_weights(weights)
        except (*BROKEN, KeyError, TypeError) as error:
            raise ValueError(f"load: {path} is no readable model: {error}") from None
    return model
