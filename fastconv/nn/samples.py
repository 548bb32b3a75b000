"""Images and what is to be said of them, together: checked, on a scale that a network can learn from or has learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..engine.data import Data
from .inputs import checked_images
from .labels import Names
from .ranges import InputRange, look
from .targets import checked_targets

if TYPE_CHECKING:
    from .network import Network


class Samples(NamedTuple):
    """Images, and with their targets as the engine reads them; the classes' names, and the images' range, where there is one."""

    images: np.ndarray
    data: Data
    classes: Names | None
    range: InputRange | None


def checked_samples(operation: str, model: Network, x: Any, y: Any, loss: str, learn: bool = False) -> Samples:
    """Return x and y, checked; names in y may become the model's if `learn` says so. The model isn't changed."""
    return _samples(operation, model, x, y, loss, model.classes, learn, model.input_range, "x")


def checked_validation(model: Network, pair: Any, loss: str, training: Samples) -> Data | None:
    """Return what a training is validated on, which must go with what it is trained on."""
    if pair is None:
        return None
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"fit: validation_data must be a pair (x, y), but is a {type(pair).__name__}")
    try:
        x, y = pair
        return _samples("fit", model, x, y, loss, training.classes, False, training.range, "x in validation_data").data
    except (ValueError, TypeError) as error:
        raise type(error)(f"{error} (in validation_data)") from None


def _samples(
    operation: str, model: Network, x: Any, y: Any, loss: str, classes: Names | None, learn: bool,
    known: InputRange | None, where: str,
) -> Samples:  # fmt: skip
    images, given = checked_images(operation, model, x)
    targets = checked_targets(operation, model, y, len(images), loss, classes, learn)
    data = Data(images, targets.values, model.dtype, model.seed, targets.classified)
    return Samples(images, data, targets.classes, look(operation, model, images, given, known, where))
