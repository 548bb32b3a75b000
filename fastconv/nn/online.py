"""The notebook's network, one image an update, in the compiled function of `engine.online`, behind a model's methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.online import OnlineNetwork
from ..progress import Progress
from .fit import History
from .model import Sequential

WINDOW = 100
"""The notebook's running figures are over this many images."""


class Online:
    """Trains a `models.seed` model of square grey images by plain gradient descent; the order of the images is the notebook's."""

    def __init__(self, model: Sequential):
        (width, _, _), classes = model.shapes[0], model.shapes[-1][0]
        self.model, self._network = model, OnlineNetwork(classes=classes, width=width, seed=model.seed)

    def fit(self, x: np.ndarray, y: np.ndarray, *, epochs: int, optimizer: Any, progress: bool = True, **_: Any) -> History:
        """Train; the model has the weights afterwards, interrupted or not."""
        history = History()
        try:
            for number in range(epochs):
                order = self._network.random.permutation(len(x)).astype(np.int64)
                bar = Progress(len(x), f"Epoch {number + 1} of {epochs}") if progress else None
                done, losses, correct = 0, np.empty(0), np.empty(0, np.bool_)
                try:
                    for done, losses, correct in self._network.run(x, y, order, optimizer.lr):
                        if bar is not None:
                            bar.update(done, float(losses[-WINDOW:].mean()), float(correct[-WINDOW:].mean()))
                except KeyboardInterrupt:
                    if bar is not None:
                        bar.close(f"interrupted after {done} images")
                    raise
                history.epochs.append({"loss": float(losses.mean()), "accuracy": float(correct.mean())})
                if bar is not None:
                    bar.close(f"loss {losses.mean():.4f}, accuracy {correct.mean():.2%}")
        finally:
            found = self._network.get_weights()
            kernel = found["kernels"].transpose(1, 2, 0)[:, :, None]
            self.model.set_weights({"0.kernel": kernel, "3.kernel": found["weight"], "3.bias": found["bias"]})
        return history

    def evaluate(self, x: np.ndarray, y: np.ndarray, **_: Any) -> dict[str, float]:
        """Return {"loss", "accuracy"} on images and their labels."""
        losses, correct = np.empty(0), np.empty(0)
        for _, losses, correct in self._network.run(x, y, np.arange(len(x), dtype=np.int64), 0.0):
            pass
        return {"loss": float(losses.mean()), "accuracy": float(correct.mean())}

    def weights_hash(self) -> str:
        """Return the hash of the weights as the notebook has them."""
        return self._network.weights_hash()
