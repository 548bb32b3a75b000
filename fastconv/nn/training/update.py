"""An update of a model, and an epoch's programs of them: which kernels compute the gradient, and what the optimizer changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...engine.data import Data
from ...engine.epoch import Epoch
from ...kernels.training.batch import advance
from ...messages.warn import warn
from ...runtime.task import Run, Task
from ...runtime.team import Team
from ..frozen import batch_sizes, check_batches, trained_parts
from ..passes import OnePass, Pass, fastest_pass
from .optimizers import Optimizer, is_plain
from .order import Order

if TYPE_CHECKING:
    from ..network import Network


class Updates(NamedTuple):
    """What an epoch's updates are: so many of the images, so many at a time, in this order, moved by up to `shift` pixels.

    `factors` are what the optimizer's rate is multiplied by at each update of the training; the last one goes on for ever.
    """

    images: int
    batch: int
    order: Order
    optimizer: Optimizer
    factors: np.ndarray
    shift: int

    @property
    def per_epoch(self) -> int:
        """How many there are in an epoch."""
        return -(-self.images // self.batch)


def runs_online(model: Network, updates: Updates) -> bool:
    """Return whether each image is an update, for which there is work for one thread only."""
    plain = updates.batch == 1 and is_plain(updates.optimizer)
    return plain and isinstance(fastest_pass(model, model.parameters, updates.shift), OnePass)


class Recording:
    """Records a model's updates as programs, by the layers that are trainable now; `rates` are those of all updates."""

    def __init__(self, model: Network, data: Data, updates: Updates, slots: list[np.ndarray]):
        self._model, self._data, self._updates, self._slots = model, data, updates, slots
        self._gradient, self._rates = np.zeros_like(model.parameters), np.zeros_like(updates.factors)

    def set_rate(self, rate: float) -> None:
        """Let programs go on with another learning rate."""
        self._rates[:] = rate * self._updates.factors

    def epoch(self, team: Team) -> Epoch:
        """Return the programs of an epoch.

        Raises
        ------
        ValueError
            If a layer can't be trained with batches of these sizes.
        """
        model, updates, data = self._model, self._updates, self._data
        check_batches("fit", model, batch_sizes(updates.images, updates.batch))
        if model.parameters.size and not trained_parts(model):
            warn("fit: no layer with weights is trainable, so nothing will be learned")
        way = fastest_pass(model, self._gradient, updates.shift)
        own = way.own_updates(data, self._rates, updates.batch) if is_plain(updates.optimizer) else None
        if own is None:
            return Epoch(team, partial(self._record, way), updates.images, updates.batch, data.state)
        return Epoch(team, own.record, updates.images, own.batch, data.state, (own.before, own.after))

    def _record(self, way: Pass, run: Run, size: int) -> None:
        """Give `run` the tasks of an update: the gradient, what the optimizer makes of it, and going on to the next batch."""
        way.gradient(run, self._data, size)
        model, state = self._model, self._data.state
        for part in trained_parts(model):  # what is frozen is left alone
            slots = [slot[part] for slot in self._slots]
            run(self._updates.optimizer.task(model.parameters[part], self._gradient[part], slots, self._rates, state))
        run(Task(advance, (state, size, 1), 1))
