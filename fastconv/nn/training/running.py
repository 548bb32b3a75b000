"""The figures of epochs while they run: what the display shows of them, and whether the training comes apart."""

from __future__ import annotations

import math

import numpy as np

from ...engine.data import Data
from ...messages.divergence import EXPLODED, warn_diverged
from ...messages.progress import Progress
from .update import Updates

WINDOW = 1000
"""The mean loss of so many images in a row, or of an epoch's if they are fewer, tells whether a training comes apart."""


class Running:
    """The running figures of a training: `epochs` of them, after `first` others; shown if that is wanted.

    `guessing` is the loss of guessing. A training has come apart if its loss is far above that and above the first batch's.
    """

    def __init__(self, data: Data, updates: Updates, first: int, epochs: int, guessing: float, wanted: bool):
        self._data, self._updates, self._first, self._epochs, self._wanted = data, updates, first, epochs, wanted
        self._window, self._limit = min(WINDOW, updates.images), EXPLODED * guessing
        self._begun = self._warned = False
        self._progress: Progress | None = None

    def begin(self, epoch: int, done: int) -> None:
        """Begin an epoch, the training's first being 0, of which so many images are done already."""
        self._epoch, self._shown, self._watched, self._loss, self._correct = epoch, 0, 0, 0.0, 0
        if self._wanted and self._progress is None:
            images = self._updates.images
            self._progress = Progress(self._epochs, images, self._first, epoch * images + done)

    def add(self, done: int) -> None:
        """Show and watch the running epoch's first so many images."""
        data = self._data
        self._loss += float(data.losses[self._shown : done].sum())
        self._correct += int(np.count_nonzero(data.correct[self._shown : done]))
        self._shown = done
        if not self._warned and self._updates.optimizer.lr:
            self._watch(done)
        if self._progress is not None:
            accuracy = f", accuracy {self._correct / done:.0%}" if data.classified else ""
            self._progress.update(self._epoch, done, f"loss {self._loss / done:.3f}{accuracy}")

    def _watch(self, done: int) -> None:
        """Warn, once, if the loss is NaN, or if its mean over a window is far above what it was before there were updates."""
        losses, whole = self._data.losses, done - done % self._window
        if not self._begun:
            self._begun, first = True, float(losses[: self._updates.batch].mean())
            self._limit = max(self._limit, EXPLODED * first) if math.isfinite(first) else self._limit
        worst = float(losses[self._watched : whole].reshape(-1, self._window).mean(axis=1).max(initial=0.0))
        self._watched = whole
        if math.isnan(self._loss) or not worst <= self._limit:
            self._warned = True
            self.make_way()
            what = "loss is NaN" if math.isnan(self._loss) else f"mean loss of {self._window} images in a row is {worst:.4g}"
            warn_diverged("fit", f"the {what} in epoch {self._first + self._epoch + 1}", self._updates.optimizer.lr)

    def make_way(self) -> None:
        """Leave the display's line to a warning."""
        if self._progress is not None:
            self._progress.make_way()

    def finish(self, logs: dict[str, float]) -> None:
        """Show an epoch's figures."""
        if self._progress is not None:
            figures = (f"{name} {value:.4f}" if abs(value) < 1e6 else f"{name} {value:.4g}" for name, value in logs.items())
            self._progress.finish(self._epoch, ", ".join(figures))

    def close(self) -> None:
        """End the display."""
        if self._progress is not None:
            self._progress.close()

    def stop(self, epoch: int, done: int, reason: str) -> None:
        """End the display in the middle of an epoch, and tell why."""
        if self._progress is not None:
            self._progress.stop(epoch, done, reason)


def loss_of_guessing(data: Data, loss: str, outputs: int) -> float:
    """Return the mean loss of the same probability for all classes, or of the number 0."""
    if loss == "cross_entropy":
        return math.log(outputs)
    numbers = data.targets.reshape(-1)
    squares = float(np.vdot(numbers, numbers)) / max(numbers.size, 1)
    return squares if math.isfinite(squares) else math.inf
