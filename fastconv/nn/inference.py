"""Evaluating and predicting: forward only, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._team import Team
from ..engine.data import Data
from ..engine.epoch import Epoch
from ..engine.recorder import Recorder
from ..engine.team import team_of
from ..functional import softmax
from ..kernels.batch import advance, store
from ..kernels.call import Call
from ..shapes import as_int
from .fusion import conv_pool_dense
from .inputs import checked_images, checked_threads
from .ranges import look
from .samples import checked_samples

if TYPE_CHECKING:
    from .model import Sequential

BATCH = 256
"""Images at a time; more take memory and no less time."""


class Inference:
    """Going through data without training, as often as one likes, with the losses or, if there is room for them, the results."""

    def __init__(self, model: Sequential, data: Data, batch: int, team: Team, results: np.ndarray | None = None):
        self._data = data

        def record(recorder: Recorder, size: int) -> None:
            fused = None if results is not None or model.loss != "cross_entropy" else conv_pool_dense(model, model.parameters)
            if fused is not None:
                fused.forward(recorder, data, size)
                recorder(1, Call(advance, data.state, size, 0), 0)
                return
            graph = model.graph(size, data)
            data.gather(recorder, size, graph.x)
            graph.forward(recorder)
            if results is None:
                data.loss(recorder, model.loss, size, graph.y, graph.dy)
            else:
                recorder(size, Call(store, graph.y, graph.y.size // size, data.state, results), graph.y.size)
            recorder(1, Call(advance, data.state, size, 0), 0)

        self._epoch = Epoch(team, record, data.count, batch, data.state)

    def run(self) -> dict[str, float]:
        """Go through the data with the model's weights as they are now; return the mean loss and, of classes, accuracy."""
        self._data.begin(0, np.arange(self._data.count))
        for _ in self._epoch.run():
            pass
        return figures(self._data)


def figures(data: Data) -> dict[str, float]:
    """Return the mean loss of what has been gone through and, where the targets are classes, the accuracy; NaN for none."""
    return {"loss": mean(data.losses)} | ({"accuracy": mean(data.correct)} if data.classified else {})


def mean(numbers: np.ndarray) -> float:
    """Return the mean; NaN, without a warning, for none."""
    return float(numbers.mean()) if numbers.size else float("nan")


def evaluate(
    model: Sequential, x: ArrayLike, y: ArrayLike, *, batch_size: int = BATCH, threads: int | None = None
) -> dict[str, float]:
    """Return the loss and, of classes, the accuracy on images; see `Sequential.evaluate`."""
    data = checked_samples("evaluate", model, x, y, model.loss).data
    batch, count = as_int("evaluate", "batch_size", batch_size, 1), checked_threads("evaluate", threads)
    with team_of(count) as team:
        return Inference(model, data, batch, team).run()


def predict(model: Sequential, x: ArrayLike, *, batch_size: int = BATCH, threads: int | None = None) -> np.ndarray:
    """Return the probabilities (n, classes) for images; after training with another loss, the results as they are."""
    images, given = checked_images("predict", model, x)
    batch, count = as_int("predict", "batch_size", batch_size, 1), checked_threads("predict", threads)
    look("predict", model, images, given, model.input_range)
    results = np.zeros((len(images), *model.shapes[-1]), model.dtype)
    with team_of(count) as team:
        Inference(model, Data(images, None, model.dtype, model.seed), batch, team, results.reshape(-1)).run()
    return softmax(results) if model.loss == "cross_entropy" else results
