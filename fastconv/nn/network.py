"""A network's structure: its layers and their shapes, the weights in one flat vector, what the engine runs for a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..engine.data import Data
from ..engine.graph import Graph, Node
from ..messages.warn import warn
from ..shapes import Ints, as_int, as_shape, odd_image
from .initializers import INITIALIZERS
from .layers import Layer, Plan, Weight
from .layers.base import check_result, check_runnable
from .state import State, as_weights


class Network(State):
    """Layers one after the other, and their weights; it can't do anything: see `Sequential`, which trains, tests, predicts."""

    def __init__(self, layers: Iterable[Layer], input_shape: Sequence[int], dtype: Any = "float32", seed: int = 0):
        self.layers, self.seed = tuple(layers), as_int("Sequential", "seed", seed, 0, 2**63 - 1)
        self.dtype = np.dtype(dtype)
        if dtype is None or self.dtype not in (np.float32, np.float64):
            raise TypeError(f"Sequential: dtype must be float32 or float64, but is {dtype}")
        if not isinstance(input_shape, Iterable):
            raise TypeError(f"Sequential: input_shape must be (h, w, c), (h, w) or (units,), but is {input_shape!r}")
        shape = as_shape("Sequential", "input_shape", tuple(input_shape), len(tuple(input_shape)))
        if not 1 <= len(shape) <= 3 or min(shape) < 1:
            raise ValueError(f"Sequential: input_shape must be (h, w, c), (h, w) or (units,) of at least 1 each, but is {shape}")
        if odd_image(shape):
            warn(f"Sequential: input_shape {shape} looks like channels first, but images are (h, w, c): {(*shape[1:], shape[0])}")
        self.shapes: list[Ints] = [(*shape, 1) if len(shape) == 2 else shape]
        self._weights: list[list[Weight]] = []
        given = prod(shape)
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                what = f"the class {layer.__name__} itself" if isinstance(layer, type) else f"a {type(layer).__name__}"
                raise TypeError(f"Sequential: layers must be layers of fastconv.nn, but layer {number} is {what}")
            try:
                check_runnable(layer)
                self.shapes.append(layer.output_shape(self.shapes[-1]))
                self._weights.append(layer.weights(self.shapes[-2]))
                given += sum(weight.size for weight in self._weights[-1])
                check_result(self.shapes[-1], given)
            except (ValueError, TypeError) as error:
                raise type(error)(f"Sequential: layer {number}: {error}") from None
            first = next(at for at, earlier in enumerate(self.layers) if earlier is layer)
            if self._weights[-1] and first < number:
                raise ValueError(
                    f"Sequential: layer {number} must be another {layer.name} than layer {first}, as weights can't be shared"
                )
        every = [w for weights in self._weights for w in weights]
        super().__init__(*(sum(w.size for w in every if w.trained == trained) for trained in (True, False)))
        random = np.random.default_rng(self.seed)
        for weights, arrays in zip(self._weights, self.views(self.parameters), strict=True):
            for w in weights:
                arrays[w.name][...] = INITIALIZERS[w.initializer](random, w.shape, w.inputs, w.outputs)

    def views(self, parameters: np.ndarray) -> list[dict[str, np.ndarray]]:
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

    def parameters_of(self, number: int) -> int:
        """Return how many of `parameters` are a layer's."""
        return sum(w.size for w in self._weights[number] if w.trained)

    def weight_shapes(self, number: int) -> dict[str, Ints]:
        """Return the shapes of a layer's arrays by name."""
        return {w.name: w.shape for w in self._weights[number]}

    def graph(self, batch: int, data: Data, gradient: np.ndarray | None = None, last: int | None = None) -> Graph:
        """Return the model planned for a batch of some data; for training if there is a vector for the parameters' gradient.

        With `last`, only the layers up to that number.
        """
        nodes = [node for number, node in self.nodes(batch, data, gradient) if last is None or number <= last]
        return Graph((batch, *self.shapes[0]), nodes, self.dtype, gradient is not None)

    def nodes(self, batch: int, data: Data, gradient: np.ndarray | None = None) -> list[tuple[int, Node]]:
        """Return the layers' operations in order, each with its layer's number; arguments as for `graph`."""
        nodes, training = [], gradient is not None
        weights, gradients = self.views(self.parameters), self.views(self.parameters if gradient is None else gradient)
        for number, layer in enumerate(self.layers):
            flat, flat_gradients = ({k: v.reshape(-1) for k, v in arrays[number].items()} for arrays in (weights, gradients))
            trained = training and layer.trainable
            shape, result = ((batch, *self.shapes[at]) for at in (number, number + 1))
            plan = Plan(shape, self.dtype, flat, flat_gradients if trained else {}, data.order, data.state, number, training)
            operations = layer.operations(plan)
            if prod(shape) != prod(result) and all(operation.in_place for operation in operations):
                raise TypeError(
                    f"{layer.name} (layer {number}) must have an operation that makes {result} of {shape}, but has none"
                )
            for operation in operations:
                weighted = bool(flat) and trained and not operation.in_place
                nodes.append((number, Node(operation, result, weighted)))
        return nodes

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return copies of all layers' arrays, by names like "0.kernel": the layer's number and the array's name."""
        views = self.views(self.parameters)
        return {f"{number}.{name}": array.copy() for number, arrays in enumerate(views) for name, array in arrays.items()}

    def set_weights(self, weights: Mapping[str, ArrayLike]) -> None:
        """Set all layers' arrays. What the model knows of its past, its epochs and its optimizer's momentum, stays as it is.

        Parameters
        ----------
        weights : mapping
            As `get_weights` returns it: all names, arrays of their shapes.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape isn't right, or a number too large for the model's type; nothing is set then.
        TypeError
            If an array isn't of real numbers, or has a mask.
        """
        if not isinstance(weights, Mapping):
            raise TypeError(f"set_weights: weights must be arrays by name, but are a {type(weights).__name__}")
        views = self.views(self.parameters)
        targets = {f"{number}.{name}": array for number, arrays in enumerate(views) for name, array in arrays.items()}
        if set(weights) != set(targets):
            raise ValueError(f"set_weights: the names must be {[*targets]}, but are {[*weights]}")
        given = {name: as_weights("set_weights", name, a, targets[name].shape, self.dtype) for name, a in weights.items()}
        for name, array in given.items():
            targets[name][...] = array

    def weights_hash(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of all parameters and buffers, as little-endian bytes."""
        digest = hashlib.sha256()
        for vector in (self.parameters, self.buffers):
            digest.update(vector.astype(self.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()[:16]
