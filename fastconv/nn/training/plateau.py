"""The callback that lowers the learning rate when a figure doesn't get better any more."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...shapes import as_int
from ..options import Told, as_number
from .callbacks import Best, Callback, check_numbers

if TYPE_CHECKING:
    from ..network import Network


class ReduceLROnPlateau(Told, Callback):
    """Multiplies the optimizer's learning rate by `factor` when a figure doesn't get better any more.

    It sets ``model.optimizer.lr``, which is the rate of the optimizer that `fit` was given; the schedule, if there is one, goes on
    multiplying it. What is the best, and since when, goes on from one fit to the next of the same model with the same callback.

    Parameters
    ----------
    monitor : str
        "val_loss", "val_accuracy", "loss" or "accuracy"; of accuracies, more is better.
    factor : float
        From 0 to below 1.
    patience : int
        The rate is lowered after so many epochs in a row that bring nothing better.
    min_delta : float
        By how much a value must be better to count.
    cooldown : int
        For so many epochs after that, nothing is counted.
    min_lr : float
        The rate is never made lower than this.

    Notes
    -----
    ``keras.callbacks.ReduceLROnPlateau``, but for the cooldown, which is PyTorch's: Keras' is one epoch shorter.
    ``torch.optim.lr_scheduler.ReduceLROnPlateau`` waits for one epoch more.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.ReduceLROnPlateau("val_loss", factor=0.5, patience=3)
    ReduceLROnPlateau(monitor='val_loss', factor=0.5, patience=3, min_delta=0.0001, cooldown=0, min_lr=0.0)
    """

    monitor: str

    def __init__(
        self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, min_delta: float = 1e-4, cooldown: int = 0,
        min_lr: float = 0.0,
    ):  # fmt: skip
        name = "ReduceLROnPlateau"
        self.monitor, self.factor = str(monitor), as_number(name, "factor", factor, 0, 1)
        self.patience, self.cooldown = as_int(name, "patience", patience, 1), as_int(name, "cooldown", cooldown, 0)
        self.min_delta, self.min_lr = as_number(name, "min_delta", min_delta, 0), as_number(name, "min_lr", min_lr, 0)
        self._of: weakref.ref[Network] | None = None
        self._begin()

    def _begin(self) -> None:
        self._best, self._waited, self._resting = Best(self.monitor, self.min_delta), 0, 0

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_of": None}  # a weak reference can't be pickled

    def on_train_begin(self, model: Network) -> None:
        """Forget what another model brought."""
        if self._of is None or self._of() is not model:
            self._of = weakref.ref(model)
            self._begin()

    def on_epoch_end(self, model: Network, epoch: int, logs: dict[str, float]) -> None:
        """Lower the rate if it has waited long enough."""
        better = self._best.improves(logs[self.monitor])
        if self._resting:
            self._resting, self._waited = self._resting - 1, 0
        else:
            self._waited = 0 if better else self._waited + 1
        optimizer = model.optimizer
        if self._waited >= self.patience and optimizer is not None:
            self._waited, self._resting = 0, self.cooldown
            optimizer.lr = min(optimizer.lr, max(self.factor * optimizer.lr, self.min_lr))

    def state(self) -> dict[str, np.ndarray]:
        """Return the best value, and for how many epochs it has waited, and is to rest."""
        return {"best": np.array(self._best.value), "counts": np.array([self._waited, self._resting])}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned."""
        self._best.value = float(state["best"])
        self._waited, self._resting = map(int, state["counts"])

    def check_state(self, model: Network, state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError for what can't be set."""
        check_numbers(self, state, best=("f", ()), counts=("i", (2,)))
