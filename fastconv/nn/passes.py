"""What is computed of a batch: its results, its losses, its gradient; layer by layer, or in one pass over each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..engine.data import Data
from ..engine.fused import ONLINE_IMAGES, ConvPoolDense
from ..engine.graph import Graph
from ..kernels.training.batch import advance, store
from ..runtime.task import Run, Task
from .frozen import is_frozen
from .fusion import conv_pool_dense

if TYPE_CHECKING:
    from .network import Network


class Updates(Protocol):
    """Updates by plain gradient descent that a pass makes itself, of weights in an order of its own."""

    batch: int
    """Samples that are recorded at a time."""

    def record(self, run: Run, size: int) -> None:
        """Make an update by a batch of so many samples, or one after each sample, and go on to the next batch."""

    def before(self, run: Run) -> None:
        """Fetch the model's weights."""

    def after(self, run: Run) -> None:
        """Put them back."""


class Pass(Protocol):
    """What gives `run` the tasks for batches of so many samples of some data."""

    def losses(self, run: Run, data: Data, size: int) -> None:
        """Compute each sample's loss, and whether it is classified rightly."""

    def gradient(self, run: Run, data: Data, size: int) -> None:
        """Compute these, and the gradient of the mean loss by the parameters."""

    def own_updates(self, data: Data, rates: np.ndarray, batch: int) -> Updates | None:
        """Return this pass's own plain updates, if it has such, for batches of so many samples."""


def forward(run: Run, data: Data, size: int, graph: Graph, shift: int = 0) -> None:
    """Gather a batch, its images moved by up to `shift` pixels, and send it through a graph."""
    data.gather(run, size, graph.x, shift)
    graph.forward(run)


class LayerByLayer:
    """A network's layers one after the other; of the loss `loss`, with the gradient in a vector, on images moved up to `shift`."""

    def __init__(self, model: Network, loss: str, vector: np.ndarray | None = None, shift: int = 0):
        self._model, self._loss, self._vector, self._shift = model, loss, vector, shift

    def results(self, run: Run, data: Data, size: int, results: np.ndarray, last: int | None) -> None:
        """Compute what the layers up to the last one give, or all, to the samples' places in `results`."""
        graph = self._model.graph(size, data, last=last)
        forward(run, data, size, graph)
        run(Task(store, (graph.y, graph.y.size // size, data.state, results), size, graph.y.size))

    def losses(self, run: Run, data: Data, size: int) -> None:
        """See `Pass`."""
        self._losses(run, data, size, self._model.graph(size, data))

    def gradient(self, run: Run, data: Data, size: int) -> None:
        """See `Pass`."""
        graph = self._model.graph(size, data, self._vector)
        self._losses(run, data, size, graph)
        graph.backward(run)

    def own_updates(self, data: Data, rates: np.ndarray, batch: int) -> None:
        """Return None: the gradient is in a vector, for any optimizer."""

    def _losses(self, run: Run, data: Data, size: int, graph: Graph) -> None:
        forward(run, data, size, graph, self._shift)
        data.loss(run, self._loss, size, graph.y, graph.dy)


class OnePass:
    """A network of the notebook's kind, in one pass over each image; its gradient in another one's weights."""

    def __init__(self, whole: ConvPoolDense, gradients: ConvPoolDense):
        self._whole, self._gradients = whole, gradients

    def losses(self, run: Run, data: Data, size: int) -> None:
        """See `Pass`."""
        self._whole.forward(run, data, size)

    def gradient(self, run: Run, data: Data, size: int) -> None:
        """See `Pass`."""
        self._whole.gradient(run, data, size, self._gradients)

    def own_updates(self, data: Data, rates: np.ndarray, batch: int) -> PackedUpdates:
        """See `Pass`."""
        return PackedUpdates(self._whole, data, rates, batch)


class PackedUpdates:
    """Plain updates of packed weights; those of one sample each (online) are recorded many at a time."""

    def __init__(self, whole: ConvPoolDense, data: Data, rates: np.ndarray, batch: int):
        self._whole, self._data, self._rates, self._online = whole, data, rates, batch == 1
        self._packed = whole.new_packed()
        self.batch = ONLINE_IMAGES if self._online else batch

    def record(self, run: Run, size: int) -> None:
        """See `Updates`."""
        take = self._whole.online if self._online else self._whole.descend
        take(run, self._data, size, self._packed, self._rates)
        run(Task(advance, (self._data.state, size, size if self._online else 1), 1))

    def before(self, run: Run) -> None:
        """See `Updates`."""
        self._whole.pack(run, self._packed)

    def after(self, run: Run) -> None:
        """See `Updates`."""
        self._whole.unpack(run, self._packed)


def fastest_pass(model: Network, vector: np.ndarray | None = None, shift: int = 0) -> LayerByLayer | OnePass:
    """Return the pass by which a network is trained, with a vector for its gradient, or tested: one pass if it can be one.

    In one pass nothing can be frozen, and no image moved.
    """
    if model.loss == "cross_entropy" and not shift and (vector is None or not is_frozen(model)):
        whole, gradients = (conv_pool_dense(model, v) for v in (model.parameters, model.parameters if vector is None else vector))
        if whole is not None and gradients is not None:
            return OnePass(whole, gradients)
    return LayerByLayer(model, model.loss, vector, shift)
