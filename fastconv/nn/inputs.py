"""What a user passes to fit, evaluate and predict, checked and as the engine reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array, kernel_ready
from ..runtime.threads import MOST_THREADS, get_num_threads
from ..shapes import as_int, images_hint
from .interface import Shaped

LOSSES = ("cross_entropy", "mean_squared_error")


def checked_images(operation: str, model: Shaped, x: ArrayLike) -> tuple[np.ndarray, np.dtype]:
    """Return images (n, *input shape), uint8 as they are and everything else in the model's type, and what type they came in."""
    return _ready(operation, model, as_array(operation, "x", x))


def one_or_many(operation: str, model: Shaped, x: ArrayLike) -> tuple[np.ndarray, np.dtype, bool]:
    """Return as `checked_images` images or one image, as a batch, and whether it is one."""
    images, wanted = as_array(operation, "x", x), model.shapes[0]
    grey = wanted[:-1] if len(wanted) == 3 and wanted[-1] == 1 else wanted
    one = images.shape in (wanted, grey) and images.shape[1:] != grey
    return *_ready(operation, model, images[None] if one else images), one


def _ready(operation: str, model: Shaped, images: np.ndarray) -> tuple[np.ndarray, np.dtype]:
    wanted, shape = model.shapes[0], images.shape
    if len(shape) == 3 == len(wanted) and wanted[-1] == 1:
        images = images[..., None]
    if images.ndim != len(wanted) + 1 or images.shape[1:] != wanted:
        sizes = ", ".join(map(str, wanted))
        raise ValueError(f"{operation}: x must be (n, {sizes}), but has shape {shape}{images_hint(shape, wanted)}")
    return kernel_ready(images, images.dtype if images.dtype == np.uint8 else model.dtype), images.dtype


def checked_loss(operation: str, loss: Any) -> str:
    """Return a loss's name; "mse" is short for one."""
    name = "mean_squared_error" if loss == "mse" else loss
    if name not in LOSSES:
        raise ValueError(f"{operation}: loss must be one of {LOSSES}, but is {loss!r}")
    return str(name)


def checked_threads(operation: str, threads: int | None) -> int:
    """Return how many threads to use: what is set for all calls, unless another number is asked for."""
    return get_num_threads() if threads is None else as_int(operation, "threads", threads, 1, MOST_THREADS)
