"""What a user passes to fit, evaluate and predict, checked and as the engine reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import as_array, kernel_ready
from .._threads import MOST_THREADS, get_num_threads
from ..shapes import as_int

if TYPE_CHECKING:
    from .model import Sequential

LOSSES = ("cross_entropy", "mean_squared_error")


def checked_images(operation: str, model: Sequential, x: ArrayLike) -> tuple[np.ndarray, np.dtype]:
    """Return images (n, *input shape), uint8 as they are and everything else in the model's type, and what type they came in."""
    images = as_array(operation, "x", x)
    wanted = model.shapes[0]
    if images.ndim == len(wanted) and len(wanted) == 3 and wanted[-1] == 1:
        images = images[..., None]
    if images.ndim != len(wanted) + 1 or images.shape[1:] != wanted:
        raise ValueError(f"{operation}: x must be (n, {', '.join(map(str, wanted))}), but has shape {np.shape(x)}")
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
