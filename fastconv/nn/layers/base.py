"""What all layers have in common."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...engine.operations import Operation, Relu
from ...shapes import Ints

ACTIVATIONS = (None, "relu", "leaky_relu")
LEAK = 0.01


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


class Layer:
    """A layer; shapes are of one image, (h, w, c), or of one row, (units,)."""

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments, as they can be written to a file."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def output_shape(self, shape: Ints) -> Ints:
        """Return the shape of the result for an input of this shape; ValueError if it can't be."""
        return shape

    def weights(self, shape: Ints) -> list[Weight]:
        """Return the layer's weights for an input of this shape."""
        return []

    def flops(self, shape: Ints) -> int:
        """Return the multiplications and additions for one image, forward."""
        return 0

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the layer's work for a batch."""
        return []

    @property
    def name(self) -> str:
        """The layer's class, for errors and tables."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.options().items())})"


def checked_activation(layer: str, value: object) -> str | None:
    """Return an activation's name, or None, checked."""
    if value not in ACTIVATIONS:
        raise ValueError(f"{layer}: activation must be one of {ACTIVATIONS}, but is {value!r}")
    return value if isinstance(value, str) else None


def activate(activation: str | None, dtype: np.dtype) -> list[Operation]:
    """Return the activation's work."""
    return [] if activation is None else [Relu(dtype, LEAK if activation == "leaky_relu" else 0.0)]


def image_shape(layer: str, shape: Ints) -> Ints:
    """Return the shape, which must be an image's."""
    if len(shape) != 3:
        raise ValueError(f"{layer}: the input must be images (h, w, c), but is {shape}")
    return shape
