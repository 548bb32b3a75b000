"""What is computed of a batch: its results, its losses, its gradient; layer by layer, or in one pass over each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..engine.data import Data
from ..engine.fused import ConvPoolDense
from ..engine.graph import Graph
from ..kernels.training.batch import store
from ..runtime.call import Call
from ..runtime.recorder import Recorder
from .frozen import is_frozen
from .fusion import conv_pool_dense

if TYPE_CHECKING:
    from .network import Network


class Pass(Protocol):
    """Records the calls for batches of so many samples of some data."""

    def losses(self, recorder: Recorder, data: Data, size: int) -> None:
        """Compute each sample's loss, and whether it is classified rightly."""

    def gradient(self, recorder: Recorder, data: Data, size: int) -> None:
        """Compute these, and the gradient of the mean loss by the parameters."""


class LayerByLayer:
    """A network's layers one after the other; of the loss `loss`, with the gradient in a vector, on images moved up to `shift`."""

    def __init__(self, model: Network, loss: str, vector: np.ndarray | None = None, shift: int = 0):
        self._model, self._loss, self._vector, self._shift = model, loss, vector, shift

    def results(self, recorder: Recorder, data: Data, size: int, results: np.ndarray, last: int | None) -> None:
        """Compute what the layers up to the last one give, or all, to the samples' places in `results`."""
        graph = self._forward(recorder, data, size, self._model.graph(size, data, last=last))
        recorder(size, Call(store, graph.y, graph.y.size // size, data.state, results), graph.y.size)

    def losses(self, recorder: Recorder, data: Data, size: int) -> None:
        """See `Pass`."""
        graph = self._forward(recorder, data, size, self._model.graph(size, data))
        data.loss(recorder, self._loss, size, graph.y, graph.dy)

    def gradient(self, recorder: Recorder, data: Data, size: int) -> None:
        """See `Pass`."""
        graph = self._forward(recorder, data, size, self._model.graph(size, data, self._vector))
        data.loss(recorder, self._loss, size, graph.y, graph.dy)
        graph.backward(recorder)

    def _forward(self, recorder: Recorder, data: Data, size: int, graph: Graph) -> Graph:
        data.gather(recorder, size, graph.x, self._shift)
        graph.forward(recorder)
        return graph


class OnePass:
    """A network of the notebook's kind, in one pass over each image; its gradient in another one's weights."""

    def __init__(self, whole: ConvPoolDense, gradients: ConvPoolDense):
        self.whole, self._gradients = whole, gradients

    def losses(self, recorder: Recorder, data: Data, size: int) -> None:
        """See `Pass`."""
        self.whole.forward(recorder, data, size)

    def gradient(self, recorder: Recorder, data: Data, size: int) -> None:
        """See `Pass`."""
        self.whole.gradient(recorder, data, size, self._gradients)


def fastest_pass(model: Network, vector: np.ndarray | None = None, shift: int = 0) -> LayerByLayer | OnePass:
    """Return the pass by which a network is trained, with a vector for its gradient, or tested: one pass if it can be one.

    In one pass nothing can be frozen, and no image moved.
    """
    if model.loss == "cross_entropy" and not shift and (vector is None or not is_frozen(model)):
        whole, gradients = (conv_pool_dense(model, v) for v in (model.parameters, model.parameters if vector is None else vector))
        if whole is not None and gradients is not None:
            return OnePass(whole, gradients)
    return LayerByLayer(model, model.loss, vector, shift)
