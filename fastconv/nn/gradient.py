"""A model's gradient for one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..engine.recorder import Recorder
from ..engine.team import team_of
from .inputs import checked_loss, checked_threads
from .samples import checked_samples

if TYPE_CHECKING:
    from .model import Sequential


def gradient(
    model: Sequential, x: ArrayLike, y: ArrayLike, *, loss: str = "cross_entropy", threads: int | None = None
) -> tuple[float, np.ndarray]:
    """Return a batch's mean loss and its gradient by `model.parameters`, as in the first epoch; the model stays as it is."""
    name = checked_loss("gradient", loss)
    data = checked_samples("gradient", model, x, y, name).data
    if not data.count:
        raise ValueError("gradient: x must have at least one image, but has none")
    vector, buffers = np.zeros_like(model.parameters), model.buffers.copy()
    graph = model.graph(data.count, data, vector)
    with team_of(checked_threads("gradient", threads)) as team:
        recorder = Recorder(team.threads)
        data.gather(recorder, data.count, graph.x)
        graph.forward(recorder)
        data.loss(recorder, name, data.count, graph.y, graph.dy)
        graph.backward(recorder)
        team.run(recorder.program())
    model.buffers[:] = buffers
    return float(data.losses.mean()), vector
