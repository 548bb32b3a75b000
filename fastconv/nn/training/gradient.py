"""A model's gradient for one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...runtime.program import Program
from ...runtime.task import Work
from ...runtime.threads import team_of
from ..frozen import check_batches
from ..inputs import checked_loss, checked_threads
from ..passes import LayerByLayer
from ..samples import checked_samples

if TYPE_CHECKING:
    from ..network import Network


def gradient(
    model: Network, x: ArrayLike, y: ArrayLike, *, loss: str = "cross_entropy", threads: int | None = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss of a batch of images, and its gradient by `parameters`.

    All of x is one batch, of training: batch normalisation takes its statistics, and dropout drops what it drops in epoch 0,
    however long the model has been trained: the same weights and images always have the same gradient. That of layers that aren't
    trainable is zero. Nothing in the model changes.

    Parameters
    ----------
    x, y : array_like
        Images and labels, as for `fit`.
    loss : "cross_entropy" or "mean_squared_error"
    threads : int, optional

    Returns
    -------
    loss : float
    gradient : ndarray
        Of the shape and type of `parameters`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential([nn.Dense(2, kernel_initializer="zeros")], input_shape=(3,), dtype="float64")
    >>> loss, gradient = model.gradient(np.eye(3), [0, 0, 1])
    >>> round(loss, 4), gradient[-2:].round(3).tolist()
    (0.6931, [-0.167, 0.167])
    """
    name = checked_loss("gradient", loss)
    data = checked_samples("gradient", model, x, y, name).data
    if not data.count:
        raise ValueError("gradient: x must have at least one image, but has none")
    check_batches("gradient", model, [data.count])
    vector, buffers = np.zeros_like(model.parameters), model.buffers.copy()
    try:
        with team_of(checked_threads("gradient", threads)) as team:
            tasks: list[Work] = []
            LayerByLayer(model, name, vector).gradient(tasks.append, data, data.count)
            team.run(Program(tasks, team.threads))
    finally:
        model.buffers[:] = buffers
    return float(data.losses.mean()), vector
