"""Training: epochs of updates, with a progress bar, validation, callbacks and checkpoints around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..engine.conv_pool_dense import ONLINE_IMAGES
from ..engine.data import Data
from ..engine.epoch import Epoch
from ..engine.recorder import Recorder
from ..engine.team import team_of
from ..kernels.batch import advance
from ..kernels.call import Call
from ..progress import Progress
from ..shapes import as_int
from .augmentation import Shift
from .callbacks import Callback
from .fusion import conv_pool_dense
from .inputs import checked_images, checked_loss, checked_targets, checked_threads
from .optimizers import SGD, Optimizer
from .schedules import Constant, Schedule

if TYPE_CHECKING:
    from .model import Sequential


class History:
    """What became of each epoch: `history["loss"]` is a list with a number for each, as are "accuracy", "val_loss", ..."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def __getitem__(self, name: str) -> list[float]:
        return [epoch[name] for epoch in self.epochs]

    def __repr__(self) -> str:
        return f"History({self.epochs!r})"


def fit(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 1,
    batch_size: int = 64,
    optimizer: Optimizer | None = None,
    loss: str = "cross_entropy",
    schedule: Schedule | None = None,
    augment: Shift | None = None,
    validation_data: tuple[ArrayLike, ArrayLike] | None = None,
    callbacks: Sequence[Callback] = (),
    threads: int | None = None,
    progress: bool = True,
) -> History:
    """Train a model; each epoch goes through all images once, in an order of its own."""
    batch = as_int("fit", "batch_size", batch_size, 1)
    total = as_int("fit", "epochs", epochs, 0)
    model.loss = checked_loss("fit", loss)
    images = checked_images("fit", model, x)
    targets = checked_targets("fit", model, y, len(images), model.loss)
    optimizer = SGD(0.1) if optimizer is None else optimizer
    data = Data(images, targets, model.dtype, model.seed)
    per_epoch = -(-data.count // batch)
    rates = optimizer.lr * (schedule or Constant()).factors(total * per_epoch, per_epoch)
    gradient = np.zeros_like(model.parameters)
    slots = [np.zeros_like(model.parameters) for _ in range(optimizer.slots)]
    shift = augment.pixels if augment else 0
    history = History()

    fused = conv_pool_dense(model, model.parameters) if model.loss == "cross_entropy" and not shift else None
    online = fused is not None and batch == 1 and isinstance(optimizer, SGD) and not (optimizer.momentum or optimizer.weight_decay)

    def record(recorder: Recorder, size: int) -> None:
        if fused is not None and online:
            fused.online(recorder, data, size, rates)
            recorder(1, Call(advance, data.state, size, size), 0)
            return
        if fused is not None:
            targets = conv_pool_dense(model, gradient)
            assert targets is not None
            fused.gradient(recorder, data, size, targets.weights)
            optimizer.record(recorder, model.parameters, gradient, slots, rates, data.state)
            recorder(1, Call(advance, data.state, size, 1), 0)
            return
        graph = model.graph(size, data, gradient)
        data.gather(recorder, size, graph.x, shift)
        graph.forward(recorder)
        data.loss(recorder, model.loss, size, graph.y, graph.dy)
        graph.backward(recorder)
        optimizer.record(recorder, model.parameters, gradient, slots, rates, data.state)
        recorder(1, Call(advance, data.state, size, 1), 0)

    count = checked_threads("fit", threads)
    with team_of(1 if online else count) as team:
        runner = Epoch(team, record, data.count, ONLINE_IMAGES if online else batch, data.state)
        for number in range(total):
            random = np.random.default_rng([model.seed, number])
            data.begin(number, random.permutation(data.count))
            bar = Progress(data.count, f"Epoch {number + 1} of {total}") if progress else None
            for done in runner.run():
                if bar is not None:
                    bar.update(done, float(data.losses[:done].mean()), float(data.correct[:done].mean()))
            result = {"loss": float(data.losses.mean()), "accuracy": float(data.correct.mean())}
            history.epochs.append(result)
            if validation_data is not None:
                found = model.evaluate(*validation_data, threads=threads)
                result |= {f"val_{name}": value for name, value in found.items()}
            if bar is not None:
                bar.close(", ".join(f"{name} {value:.4f}" for name, value in result.items()))
    return history
