"""Sequential: layers one after the other, their weights in one flat vector."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..engine.data import Data
from ..engine.graph import Graph, Node
from ..shapes import Ints, as_int, as_shape, check_shape
from .fit import History, fit
from .inference import evaluate, predict
from .initializers import INITIALIZERS
from .layers import Layer, Plan, Weight
from .model_file import save


class Sequential:
    """A network of layers, one after the other.

    Parameters
    ----------
    layers : sequence of Layer
    input_shape : (h, w, c), (h, w) or (units,)
        The shape of one image, or row; (h, w) is (h, w, 1).
    dtype : "float32" or "float64"
    seed : int
        Of the weights, the order of the images, dropout and augmentation.

    Attributes
    ----------
    layers : tuple of Layer
    shapes : list of tuple of int
        The input's, and each layer's result's.
    parameters : ndarray
        All trained weights in one flat vector; the layers' arrays are views of it.
    buffers : ndarray
        What layers keep besides, as batch normalisation its running means, likewise.
    loss : str
        What the model was trained with; at first "cross_entropy".

    Raises
    ------
    ValueError, TypeError
        If a layer can't take what the layer before it gives.

    Examples
    --------
    >>> from fastconv import nn
    >>> model = nn.Sequential(
    ...     [nn.Conv2D(16, 3), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)], input_shape=(28, 28, 1), dtype="float32", seed=0
    ... )
    >>> model.shapes[-1], model.parameters.size
    ((10,), 27210)
    """

    def __init__(self, layers: Iterable[Layer], input_shape: Sequence[int], dtype: Any = "float32", seed: int = 0):
        self.layers, self.seed = tuple(layers), as_int("Sequential", "seed", seed, 0, 2**63 - 1)
        self.dtype, self.loss = np.dtype(dtype), "cross_entropy"
        if self.dtype not in (np.float32, np.float64):
            raise TypeError(f"Sequential: dtype must be float32 or float64, but is {self.dtype}")
        shape = as_shape("Sequential", "input_shape", tuple(input_shape), len(tuple(input_shape)))
        if not 1 <= len(shape) <= 3 or min(shape) < 1:
            raise ValueError(f"Sequential: input_shape must be (h, w, c), (h, w) or (units,) of at least 1 each, but is {shape}")
        self.shapes: list[Ints] = [(*shape, 1) if len(shape) == 2 else shape]
        self._weights: list[list[Weight]] = []
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: layers must be layers of fastconv.nn, but layer {number} is a {type(layer).__name__}")
            try:
                self.shapes.append(layer.output_shape(self.shapes[-1]))
            except (ValueError, TypeError) as error:
                raise type(error)(f"Sequential: layer {number}: {error}") from None
            self._weights.append(layer.weights(self.shapes[-2]))
        self.parameters, self.buffers = (
            np.zeros(sum(w.size for weights in self._weights for w in weights if w.trained == trained), self.dtype)
            for trained in (True, False)
        )
        random = np.random.default_rng(self.seed)
        for weights, arrays in zip(self._weights, self._views(self.parameters), strict=True):
            for w in weights:
                arrays[w.name][...] = INITIALIZERS[w.initializer](random, w.shape, w.inputs, w.outputs)

    def _views(self, parameters: np.ndarray) -> list[dict[str, np.ndarray]]:
        """Return each layer's arrays by name, as views of a vector like `parameters`, and of the buffers."""
        places, views = {True: 0, False: 0}, []
        for weights in self._weights:
            arrays = {}
            for w in weights:
                start = places[w.trained]
                places[w.trained] = start + w.size
                arrays[w.name] = (parameters if w.trained else self.buffers)[start : start + w.size].reshape(w.shape)
            views.append(arrays)
        return views

    def graph(self, batch: int, data: Data, gradient: np.ndarray | None = None) -> Graph:
        """Return the model planned for a batch of some data; for training if there is a vector for the parameters' gradient."""
        nodes, training = [], gradient is not None
        weights, gradients = self._views(self.parameters), self._views(self.parameters if gradient is None else gradient)
        for number, layer in enumerate(self.layers):
            flat, flat_gradients = ({k: v.reshape(-1) for k, v in arrays[number].items()} for arrays in (weights, gradients))
            shape = (batch, *self.shapes[number])
            plan = Plan(shape, self.dtype, flat, flat_gradients, data.order, data.state, number, training)
            for operation in layer.operations(plan):
                nodes.append(Node(operation, (batch, *self.shapes[number + 1]), bool(flat) and not operation.in_place))
        return Graph((batch, *self.shapes[0]), nodes, self.dtype, training)

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return copies of all layers' arrays, by names like "0.kernel": the layer's number and the array's name."""
        views = self._views(self.parameters)
        return {f"{number}.{name}": array.copy() for number, arrays in enumerate(views) for name, array in arrays.items()}

    def set_weights(self, weights: Mapping[str, ArrayLike]) -> None:
        """Set all layers' arrays.

        Parameters
        ----------
        weights : mapping
            As `get_weights` returns it: all names, arrays of their shapes.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a shape isn't right; nothing is set then.
        """
        views = self._views(self.parameters)
        targets = {f"{number}.{name}": array for number, arrays in enumerate(views) for name, array in arrays.items()}
        if set(weights) != set(targets):
            raise ValueError(f"set_weights: the names must be {[*targets]}, but are {[*weights]}")
        given = {name: np.asarray(array, self.dtype) for name, array in weights.items()}
        for name, array in given.items():
            check_shape("set_weights", name, array.shape, targets[name].shape)
        for name, array in given.items():
            targets[name][...] = array

    def weights_hash(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of all parameters and buffers, as little-endian bytes."""
        digest = hashlib.sha256()
        for vector in (self.parameters, self.buffers):
            digest.update(vector.astype(self.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()[:16]

    def summary(self) -> None:
        """Print the layers and their shapes (a stand-in)."""
        print(*zip(self.layers, self.shapes[1:], strict=True), sep="\n")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, which `fastconv.nn.load` reads."""
        save(self, path)

    def fit(self, x: ArrayLike, y: ArrayLike, **options: Any) -> History:
        """Train the model; see `fastconv.nn.fit.fit` for the options."""
        return fit(self, x, y, **options)

    def evaluate(self, x: ArrayLike, y: ArrayLike, *, batch_size: int = 256, threads: int | None = None) -> dict[str, float]:
        """Return {"loss", "accuracy"} on images and their labels; NaN for none. Options as for `fit`."""
        return evaluate(self, x, y, batch_size=batch_size, threads=threads)

    def predict(self, x: ArrayLike, *, batch_size: int = 256, threads: int | None = None) -> np.ndarray:
        """Return the probabilities (n, classes) for images; after training with another loss, the results as they are."""
        return predict(self, x, batch_size=batch_size, threads=threads)
