"""What of a model may be assigned, and is checked then: its vectors, which keep their memory, its loss, its classes' names.

And how many epochs it has been trained for, in which its optimizer has gathered something.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import as_array
from ..shapes import Ints, as_int, check_shape
from .inputs import checked_loss
from .labels import Names, checked_classes
from .options import Fixed
from .ranges import InputRange, checked_range
from .targets import class_count
from .training.history import History
from .training.moments import Moments
from .training.optimizers import Optimizer

MOST_EPOCHS = 2**62


class State(Fixed):
    """The attributes of a model that training and files set."""

    shapes: list[Ints]
    dtype: np.dtype

    def __init__(self, parameters: int, buffers: int):
        self._parameters, self._buffers = np.zeros(parameters, self.dtype), np.zeros(buffers, self.dtype)
        self._loss = "cross_entropy"
        self._classes: Names | None = None
        self._input_range: InputRange | None = None
        self._epochs = 0
        self._optimizer: Optimizer | None = None
        self._moments: Moments | None = None
        self._history = History()
        self.warned: set[tuple] = set()

    @property
    def parameters(self) -> np.ndarray:
        """All trained weights in one flat vector; the layers' arrays are views of it. What is assigned is copied into it."""
        return self._parameters

    @parameters.setter
    def parameters(self, value: Any) -> None:
        _put("parameters", value, self._parameters)

    @property
    def buffers(self) -> np.ndarray:
        """What layers keep besides, as batch normalisation its running means, likewise."""
        return self._buffers

    @buffers.setter
    def buffers(self, value: Any) -> None:
        _put("buffers", value, self._buffers)

    @property
    def loss(self) -> str:
        """What the model was trained with; at first "cross_entropy"."""
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        self._loss = checked_loss("Sequential", value)

    @property
    def classes(self) -> Names | None:
        """The names of the classes, in the order of the outputs: those that it was trained with, or None."""
        return self._classes

    @classes.setter
    def classes(self, value: Any) -> None:
        self._classes = checked_classes("Sequential", value, class_count(self.shapes[-1]))

    @property
    def input_range(self) -> InputRange | None:
        """What the numbers were that it was trained on, or None; of more than some millions, by part of them."""
        return self._input_range

    @input_range.setter
    def input_range(self, value: Any) -> None:
        self._input_range = checked_range("Sequential", value)

    @property
    def epochs(self) -> int:
        """For how many whole epochs it has been trained in its life, and so the number of the next one."""
        return self._epochs

    @epochs.setter
    def epochs(self, value: Any) -> None:
        self._epochs = as_int("Sequential", "epochs", value, 0, MOST_EPOCHS)

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer of the running fit, or of the last."""
        return self._optimizer

    @property
    def history(self) -> History:
        """The figures of the running fit's epochs, or of the last one's, also if that was interrupted."""
        return self._history


def _put(name: str, value: Any, vector: np.ndarray) -> None:
    """Copy what is assigned to a model's vector into it."""
    vector[...] = as_weights("Sequential", name, value, vector.shape, vector.dtype)


def as_weights(operation: str, name: str, value: Any, shape: Ints, dtype: np.dtype) -> np.ndarray:
    """Return numbers of a shape in a type that must be able to hold them."""
    given = as_array(operation, name, value)
    check_shape(operation, name, given.shape, shape)
    with np.errstate(over="ignore"):
        numbers = given.astype(dtype, copy=False)
    if given.dtype != dtype and not np.array_equal(np.isfinite(given), np.isfinite(numbers)):
        raise ValueError(f"{operation}: {name} must be numbers that {dtype} can hold, but reaches {np.abs(given).max()}")
    return numbers
