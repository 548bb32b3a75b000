"""What may be done between epochs: a base for callbacks of one's own, stopping early, keeping models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..shapes import as_int
from .files import checked_path, checked_target

if TYPE_CHECKING:
    from .model import Sequential


class Callback:
    """Called by `fit` before and after each epoch, while no update runs; make a subclass with what you want to happen.

    Attributes
    ----------
    monitor : str or None
        The figure that it needs: `fit` refuses one that there won't be.

    Examples
    --------
    >>> from fastconv import nn
    >>> class Enough(nn.Callback):
    ...     monitor = "accuracy"
    ...
    ...     def on_epoch_end(self, model, epoch, logs):
    ...         return logs["accuracy"] > 0.99
    """

    monitor: str | None = None

    def on_train_begin(self, model: Sequential) -> None:
        """Do something before the first epoch, or the one that is resumed."""

    def on_train_end(self, model: Sequential) -> None:
        """Do something after the last epoch; not after an interrupt."""

    def on_epoch_begin(self, model: Sequential, epoch: int) -> None:
        """Do something before an epoch; the first is 0."""

    def on_epoch_end(self, model: Sequential, epoch: int, logs: dict[str, float]) -> bool | None:
        """Do something after an epoch, given its "loss" and "accuracy", perhaps "val_loss" and so on; True ends the training."""

    def state(self) -> dict[str, np.ndarray]:
        """Return what a resumed training must know, as arrays that nobody changes afterwards."""
        return {}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned, after on_train_begin of a resumed training."""


class _Best:
    """The best value so far of a figure, of which less is better unless it is an accuracy."""

    def __init__(self, monitor: str, min_delta: float = 0.0):
        self._sign = -1.0 if monitor.endswith("accuracy") else 1.0
        self._min_delta, self.value = min_delta, np.inf

    def improves(self, value: float) -> bool:
        """Take a value; return whether it is better than all before it, by min_delta."""
        better = self._sign * value < self.value - self._min_delta
        if better:
            self.value = self._sign * value
        return better


class EarlyStopping(Callback):
    """Ends the training when a figure doesn't get better any more.

    Parameters
    ----------
    monitor : str
        "val_loss", "val_accuracy", "loss" or "accuracy"; of accuracies, more is better.
    patience : int
        After so many epochs in a row that bring nothing better, the training ends.
    min_delta : float
        By how much a value must be better to count.
    restore_best : bool
        Whether the model gets the weights of its best epoch at the end, also where the training ends by itself.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.EarlyStopping("val_accuracy", patience=5)
    EarlyStopping(monitor='val_accuracy', patience=5, min_delta=0.0, restore_best=True)
    """

    monitor: str

    def __init__(self, monitor: str = "val_loss", patience: int = 3, min_delta: float = 0.0, restore_best: bool = True):
        self.monitor, self.patience = str(monitor), as_int("EarlyStopping", "patience", patience, 1)
        self.min_delta, self.restore_best = float(min_delta), bool(restore_best)
        if not 0 <= self.min_delta < np.inf:
            raise ValueError(f"EarlyStopping: min_delta must be at least 0, but is {min_delta!r}")
        self._begin()

    def _begin(self) -> None:
        self._best, self._waited = _Best(self.monitor, self.min_delta), 0
        self._weights: dict[str, np.ndarray] = {}

    def on_train_begin(self, model: Sequential) -> None:
        """Forget what was before."""
        self._begin()

    def on_epoch_end(self, model: Sequential, epoch: int, logs: dict[str, float]) -> bool:
        """Return whether it has waited long enough."""
        if self._best.improves(logs[self.monitor]):
            self._waited = 0
            self._weights = model.get_weights() if self.restore_best else {}
        else:
            self._waited += 1
        return self._waited >= self.patience

    def on_train_end(self, model: Sequential) -> None:
        """Restore the best weights, if there are any."""
        if self._weights:
            model.set_weights(self._weights)

    def state(self) -> dict[str, np.ndarray]:
        """Return the best value, since when it is, and its weights."""
        return {"best": np.array(self._best.value), "waited": np.array(self._waited), **self._weights}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned."""
        self._best.value, self._waited = float(state["best"]), int(state["waited"])
        self._weights = {name: array for name, array in state.items() if name not in ("best", "waited")}

    def __repr__(self) -> str:
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return f"EarlyStopping({', '.join(f'{name}={value!r}' for name, value in options.items())})"


class Checkpoint(Callback):
    """Saves the model after each epoch, or after each that is the best so far; `nn.load` reads it.

    To go on with a training that was interrupted, see the `checkpoint` of `fit`.

    Parameters
    ----------
    path : path
        Ending in .npz or .safetensors; written anew each time, as a whole or not at all.
    best_only : bool
    monitor : str
        With best_only, the figure that says which is the best; of accuracies, more is better.

    Examples
    --------
    >>> from fastconv import nn
    >>> keep = nn.Checkpoint("best.npz", best_only=True, monitor="val_accuracy")
    """

    def __init__(self, path: str | os.PathLike[str], best_only: bool = False, monitor: str = "val_loss"):
        self.path, self.best_only = Path(checked_path("Checkpoint", path)), bool(best_only)
        self.monitor = str(monitor) if best_only else None
        self._best = _Best(str(monitor))

    def on_train_begin(self, model: Sequential) -> None:
        """Forget what was before, and see to it that the file can be written."""
        checked_target("Checkpoint", self.path)
        self._best = _Best(str(self.monitor))

    def on_epoch_end(self, model: Sequential, epoch: int, logs: dict[str, float]) -> None:
        """Save the model."""
        if self.monitor is None or self._best.improves(logs[self.monitor]):
            model.save(self.path)

    def state(self) -> dict[str, np.ndarray]:
        """Return the best value."""
        return {"best": np.array(self._best.value)}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned."""
        self._best.value = float(state["best"])
