"""Evaluating and predicting: forward only, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..engine.data import Data
from ..engine.epoch import Epoch
from ..engine.recorder import Recorder
from ..engine.team import team_of
from ..functional import softmax
from ..kernels.batch import advance, store
from ..kernels.call import Call
from ..shapes import as_int
from .fusion import conv_pool_dense
from .inputs import checked_images, checked_targets, checked_threads

if TYPE_CHECKING:
    from .model import Sequential


def run_forward(model: Sequential, data: Data, batch: int, threads: int, results: np.ndarray | None) -> None:
    """Run all of the data through the model, noting losses and what is correct, or the results."""

    def record(recorder: Recorder, size: int) -> None:
        fused = conv_pool_dense(model, model.parameters) if results is None and model.loss == "cross_entropy" else None
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

    with team_of(threads) as team:
        for _ in Epoch(team, record, data.count, batch, data.state).run():
            pass


def evaluate(
    model: Sequential, x: ArrayLike, y: ArrayLike, *, batch_size: int = 256, threads: int | None = None
) -> dict[str, float]:
    """Return {"loss", "accuracy"} on images and their labels; NaN for none."""
    images = checked_images("evaluate", model, x)
    targets = checked_targets("evaluate", model, y, len(images), model.loss)
    data = Data(images, targets, model.dtype, model.seed)
    run_forward(model, data, as_int("evaluate", "batch_size", batch_size, 1), checked_threads("evaluate", threads), None)
    if not data.count:
        return {"loss": float("nan"), "accuracy": float("nan")}
    return {"loss": float(data.losses.mean()), "accuracy": float(data.correct.mean())}


def predict(model: Sequential, x: ArrayLike, *, batch_size: int = 256, threads: int | None = None) -> np.ndarray:
    """Return the probabilities (n, classes) for images; after training with another loss, the results as they are."""
    images = checked_images("predict", model, x)
    results = np.zeros((len(images), *model.shapes[-1]), model.dtype)
    data = Data(images, None, model.dtype, model.seed)
    batch, count = as_int("predict", "batch_size", batch_size, 1), checked_threads("predict", threads)
    run_forward(model, data, batch, count, results.reshape(-1))
    return softmax(results) if model.loss == "cross_entropy" else results
