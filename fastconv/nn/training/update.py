"""An update of a model, and an epoch's programs of them: which kernels compute the gradient, and what the optimizer changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...engine.data import Data
from ...engine.epoch import Epoch
from ...engine.fused import ONLINE_IMAGES, ConvPoolDense
from ...kernels.training.batch import advance
from ...messages.warn import warn
from ...runtime.call import Call
from ...runtime.recorder import Recorder
from ...runtime.team import Team
from ..frozen import batch_sizes, check_batches, trained_parts
from ..passes import LayerByLayer, OnePass, Pass, fastest_pass
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
    return updates.batch == 1 and is_plain(updates.optimizer) and isinstance(_pass(model, updates, model.parameters), OnePass)


def _pass(model: Network, updates: Updates, vector: np.ndarray) -> LayerByLayer | OnePass:
    return fastest_pass(model, vector, updates.shift)


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
        way = _pass(model, updates, self._gradient)
        if not isinstance(way, OnePass) or not is_plain(updates.optimizer):
            return Epoch(team, partial(self._record, way), updates.images, updates.batch, data.state)
        whole, packed = way.whole, way.whole.new_packed()
        around = partial(whole.pack, packed=packed), partial(whole.unpack, packed=packed)
        size = ONLINE_IMAGES if updates.batch == 1 else updates.batch
        return Epoch(team, partial(self._record_packed, whole, packed), updates.images, size, data.state, around)

    def _record(self, way: Pass, recorder: Recorder, size: int) -> None:
        """Add the calls of an update to a program: the gradient, and what the optimizer makes of it."""
        way.gradient(recorder, self._data, size)
        self._descend(recorder, size)

    def _descend(self, recorder: Recorder, size: int) -> None:
        """Add the optimizer's calls, which leave what is frozen alone, and go on to the next batch."""
        model, state = self._model, self._data.state
        for part in trained_parts(model):
            slots = [slot[part] for slot in self._slots]
            self._updates.optimizer.record(recorder, model.parameters[part], self._gradient[part], slots, self._rates, state)
        recorder(1, Call(advance, state, size, 1), 0)

    def _record_packed(self, whole: ConvPoolDense, packed: np.ndarray, recorder: Recorder, size: int) -> None:
        """Add the calls of an update of packed weights to a program, or online those of many."""
        online = self._updates.batch == 1
        take = whole.online if online else whole.descend
        take(recorder, self._data, size, packed, self._rates)
        recorder(1, Call(advance, self._data.state, size, size if online else 1), 0)
