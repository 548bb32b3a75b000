"""What all layers have in common."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np

from ...engine.operations import Operation, Relu
from ...shapes import Ints
from ...shapes.common import AMPLE, AMPLIFIED
from ..options import Options, as_bool, methods_beside

LEAK = 0.01
ACTIVATIONS: dict[str | None, Callable[[np.dtype], list[Operation]]] = {
    None: lambda dtype: [],
    "relu": lambda dtype: [Relu(dtype)],
    "leaky_relu": lambda dtype: [Relu(dtype, LEAK)],
}
"""What layers have after their own work: the names for `activation=`, and the operations."""


class Weight(NamedTuple):
    """One of a layer's arrays: its name, shape, initialiser, and how many inputs and outputs each number of it has."""

    name: str
    shape: Ints
    initializer: str
    inputs: int
    outputs: int
    trained: bool = True

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


class Plan(NamedTuple):
    """What a layer's work is planned for: the batch's shape, the type, its weights and gradients, and the epoch's data.

    `number` tells the layer from the model's others.
    """

    shape: Ints
    dtype: np.dtype
    weights: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    order: np.ndarray
    state: np.ndarray
    number: int
    training: bool


class Layer(Options):
    """A layer; shapes are of one image, (h, w, c), or of one row, (units,).

    A layer has options, which stay as they are once it is made, and no weights: these belong to the model, so that the same layer
    has others in another model.

    Attributes
    ----------
    trainable : bool
        Whether training changes the layer's weights. Set it to False and they stay as they are, bit for bit, and a frozen
        `BatchNorm` normalises by its running statistics and leaves these alone, as in Keras; True, and they are trained again. That
        can be done before a fit, between two, and by a callback, for the epochs to come.
    """

    _trainable = True

    @property
    def trainable(self) -> bool:
        """Whether training changes the layer's weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = as_bool(self.name, "trainable", value)

    def output_shape(self, shape: Ints) -> Ints:
        """Return the shape of the result for an input of this shape; ValueError if it can't be."""
        return shape

    def weights(self, shape: Ints) -> list[Weight]:
        """Return the layer's weights for an input of this shape."""
        return []

    def check_batch(self, shape: Ints) -> None:
        """Raise a ValueError if the layer, trainable as it is, can't be trained with a batch of this shape."""

    def flops(self, shape: Ints) -> int:
        """Return the multiplications and additions for one image, forward."""
        return 0

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the layer's work for a batch: operations of the engine, which knows no other way to run a layer."""
        raise TypeError(f"{self.name} must have a method operations(plan), but has none of its own")

    @property
    def name(self) -> str:
        """The layer's class, for errors and tables."""
        return type(self).__name__


FOREIGN = ("__call__", "call", "forward", "backward", "forward_prop", "back_prop", "backprop")
"""Methods by which other libraries run a layer. Ours would never be called, and the layer would do something else in silence."""


def check_runnable(layer: Layer) -> None:
    """Refuse a layer that the engine can't run, or not as its class says."""
    own = methods_beside(Layer, layer, FOREIGN)
    rule = "the engine runs a layer by the operations that its method `operations` returns"
    if own:
        raise TypeError(f"{layer.name} can't be run: {rule}, and never calls its {', '.join(own)}")
    if type(layer).operations is Layer.operations:
        raise TypeError(f"{layer.name} can't be run: {rule}, which it doesn't define")


def checked_activation(layer: str, value: object) -> str | None:
    """Return an activation's name, or None, checked."""
    if value is None or (isinstance(value, str) and value in ACTIVATIONS):
        return value
    raise ValueError(f"{layer}: activation must be one of {(*ACTIVATIONS,)}, but is {value!r}")


def activate(activation: str | None, dtype: np.dtype) -> list[Operation]:
    """Return the activation's work."""
    return ACTIVATIONS[activation](dtype)


def check_result(shape: Ints, given: int) -> None:
    """Refuse a layer's result that is far larger than the model's input and all weights so far, of `given` numbers in all."""
    if prod(shape) > AMPLE and prod(shape) > AMPLIFIED * given:
        raise ValueError(
            f"a result of {shape} is over {AMPLIFIED} times as large as the input and all weights before it, {given} numbers, "
            f"which is taken for a mistake"
        )


def image_shape(layer: str, shape: Ints) -> Ints:
    """Return the shape, which must be an image's."""
    if len(shape) != 3:
        raise ValueError(f"{layer}: the input must be images (h, w, c), but is {shape}")
    return shape
