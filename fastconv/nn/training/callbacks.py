"""What may be done between epochs: a base for callbacks of one's own, and stopping early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...shapes import as_int
from ..options import Told, as_bool

if TYPE_CHECKING:
    from ..network import Network


class Callback:
    """Called by `fit` before and after each epoch, while no update runs; make a subclass with what you want to happen.

    There are no other hooks than these, and `fit` refuses methods on_... of other names. Between epochs, in any of them, a callback
    may set the learning rate, ``model.optimizer.lr = 0.01``, which the schedule multiplies, and freeze layers and train them again,
    ``model.layers[0].trainable = False``: that holds from the next epoch on, and a checkpoint keeps it.

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

    def on_train_begin(self, model: Any) -> None:
        """Do something before the first epoch, or the one that is resumed."""

    def on_train_end(self, model: Any) -> None:
        """Do something after the last epoch; not after an interrupt."""

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Do something before an epoch; the first of the model's life is 0."""

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> bool | None:
        """Do something after an epoch, given its "loss" and "accuracy", perhaps "val_loss" and so on.

        Return True to end the training, else False or None.
        """

    def state(self) -> dict[str, np.ndarray]:
        """Return what a resumed training must know, as arrays of numbers that nobody changes afterwards."""
        return {}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned, after on_train_begin of a resumed training."""

    def check_state(self, model: Any, state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError for what can't be set, as it is in a file that may be broken; nothing is changed yet."""


def check_numbers(callback: Callback, state: Mapping[str, np.ndarray], **wanted: tuple[str, tuple[int, ...]]) -> None:
    """Refuse a state without such arrays: the letter of the type, and the shape, by the name of each."""
    for name, (kind, shape) in wanted.items():
        if name not in state or state[name].shape != shape or state[name].dtype.kind != kind:
            raise ValueError(f"the state of {type(callback).__name__} must have numbers {name!r} of shape {shape}")


class Best:
    """The best value so far of a figure, of which less is better unless it is an accuracy; what is no number is never better."""

    def __init__(self, monitor: str, min_delta: float = 0.0):
        self.sign = -1.0 if monitor.endswith("accuracy") else 1.0
        self._min_delta, self.value = min_delta, np.inf

    def is_better(self, value: float) -> bool:
        """Return whether a value is better than all before it, by min_delta."""
        return self.sign * value < self.value - self._min_delta

    def improves(self, value: float) -> bool:
        """Take a value, and return whether it is better."""
        better = self.is_better(value)
        if better:
            self.value = self.sign * value
        return better


class EarlyStopping(Told, Callback):
    """Ends the training when a figure doesn't get better any more; each fit begins to look for the best anew.

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
        self.min_delta, self.restore_best = float(min_delta), as_bool("EarlyStopping", "restore_best", restore_best)
        if not 0 <= self.min_delta < np.inf:
            raise ValueError(f"EarlyStopping: min_delta must be at least 0, but is {min_delta!r}")
        self._begin()

    def _begin(self) -> None:
        self._best, self._waited = Best(self.monitor, self.min_delta), 0
        self._weights: dict[str, np.ndarray] = {}

    def on_train_begin(self, model: Network) -> None:
        """Forget what was before."""
        self._begin()

    def on_epoch_end(self, model: Network, epoch: int, logs: dict[str, float]) -> bool:
        """Return whether it has waited long enough."""
        if self._best.improves(logs[self.monitor]):
            self._waited = 0
            self._weights = model.get_weights() if self.restore_best else {}
        else:
            self._waited += 1
        return self._waited >= self.patience

    def on_train_end(self, model: Network) -> None:
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

    def check_state(self, model: Network, state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError for what can't be set."""
        check_numbers(self, state, best=("f", ()), waited=("i", ()))
        found = {name: (array.shape, array.dtype) for name, array in state.items() if name not in ("best", "waited")}
        wanted = {name: (array.shape, array.dtype) for name, array in model.get_weights().items()}
        if found and found != wanted:
            raise ValueError(f"the weights that EarlyStopping kept must be {[*wanted]} of the model's shapes, but are {[*found]}")
