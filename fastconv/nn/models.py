"""Networks with names, each with the recipe by which it is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D
from .model import Sequential
from .training.augmentation import Shift
from .training.optimizers import SGD, Adam, Optimizer
from .training.schedules import Constant, OneCycle, Schedule


class Recipe(NamedTuple):
    """How a network is trained: `model.fit(x, y, **recipe._asdict())`.

    Parameters
    ----------
    optimizer : Optimizer
    batch_size, epochs : int
    schedule : Schedule
    augment : Shift, optional

    Examples
    --------
    >>> from fastconv.nn.models import MODELS
    >>> recipe = MODELS["small"].recipe._replace(epochs=3).with_rate(0.02)
    >>> recipe.epochs, recipe.optimizer.lr
    (3, 0.02)
    """

    optimizer: Optimizer
    batch_size: int
    epochs: int
    schedule: Schedule = Constant()
    augment: Shift | None = None

    def with_rate(self, lr: float) -> Recipe:
        """Return the recipe with another learning rate."""
        return self._replace(optimizer=type(self.optimizer)(**{**self.optimizer.options(), "lr": lr}))


def seed(input_shape: Sequence[int], classes: int = 10, seed: int = 0) -> Sequential:
    """Return the notebook's network: 16 filters of 3 x 3, 2 x 2 max pooling, a dense layer with softmax.

    Its weights are those that the notebook draws after numpy.random.seed(seed); the global state isn't touched.

    Examples
    --------
    >>> from fastconv.nn import models
    >>> models.seed((28, 28)).shapes
    [(28, 28, 1), (26, 26, 16), (13, 13, 16), (2704,), (10,)]
    """
    layers: list[Layer] = [
        Conv2D(16, 3, use_bias=False, kernel_initializer="notebook_xavier"),
        MaxPool2D(2, ties="all"),
        Flatten(),
        Dense(classes, kernel_initializer="notebook_xavier"),
    ]
    model = Sequential(layers, input_shape, seed=seed)
    kernels, weight = _notebook_draws(model, np.random.RandomState(seed))
    model.set_weights({"0.kernel": kernels.transpose(1, 2, 3, 0), "3.kernel": weight, "3.bias": np.zeros(classes)})
    return model


def _notebook_draws(model: Sequential, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Draw the kernels (filters, kh, kw, channels) and the dense weights of a seed model as the notebook does."""
    kh, kw, channels, filters = model.weight_shapes(0)["kernel"]
    units, classes = model.weight_shapes(3)["kernel"]
    kernels = random.normal(0, np.sqrt(2 / (kh * kw * channels + filters)), (filters, kh, kw, channels))
    return kernels, random.normal(0, np.sqrt(2 / (units + classes)), (units, classes))


class NotebookOrder:
    """The notebook's order of the images, for `fit`: from one generator come a seed model's weights, then each epoch's permutation.

    Parameters
    ----------
    model : Sequential
        As `seed` returns it; its seed and its sizes count, not its weights.
    count : int
        How many images there are.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import models
    >>> model = models.seed((4, 4), classes=2, seed=5)
    >>> order = models.NotebookOrder(model, count=6)
    >>> order(0), order(1)
    (array([1, 2, 4, 3, 5, 0]), array([4, 1, 0, 3, 2, 5]))
    >>> x, y = np.zeros((6, 4, 4), np.uint8), [0, 1, 0, 1, 0, 1]
    >>> history = model.fit(x, y, shuffle=order, progress=False)
    """

    def __init__(self, model: Sequential, count: int):
        self._model, self._count = model, count
        self._begin()

    def _begin(self) -> None:
        self._random, self._next = np.random.RandomState(self._model.seed), 0
        _notebook_draws(self._model, self._random)

    def __call__(self, epoch: int) -> np.ndarray:
        """Return an epoch's order; epochs in turn cost least."""
        if epoch < self._next:
            self._begin()
        while self._next < epoch:
            self._random.permutation(self._count)
            self._next += 1
        self._next += 1
        return self._random.permutation(self._count)


def lenet(input_shape: Sequence[int], classes: int = 10, seed: int = 0) -> Sequential:
    """Return LeNet-5 (LeCun and others, 1998) with ReLUs and max pooling: 61,706 weights for 28 x 28 grey pixels.

    Examples
    --------
    >>> from fastconv.nn import models
    >>> models.lenet((28, 28)).parameters.size
    61706
    """
    layers: list[Layer] = [
        Conv2D(6, 5, padding=2, activation="relu"),
        MaxPool2D(2),
        Conv2D(16, 5, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(120, activation="relu"),
        Dense(84, activation="relu"),
        Dense(classes),
    ]
    return Sequential(layers, input_shape, seed=seed)


def small(input_shape: Sequence[int], classes: int = 10, seed: int = 0) -> Sequential:
    """Return a network of two convolutions and a dense layer, small enough to be at 99 % of MNIST in seconds.

    Examples
    --------
    >>> from fastconv.nn import models
    >>> models.small((28, 28)).shapes[-2:]
    [(1152,), (10,)]
    """
    layers: list[Layer] = [
        Conv2D(16, 5, activation="relu", kernel_initializer="he_normal"),
        MaxPool2D(2),
        Conv2D(32, 3, padding=1, activation="relu", kernel_initializer="he_normal"),
        MaxPool2D(2),
        Flatten(),
        Dense(classes),
    ]
    return Sequential(layers, input_shape, seed=seed)


def accurate(input_shape: Sequence[int], classes: int = 10, seed: int = 0) -> Sequential:
    """Return a network of two wider convolutions and dropout, which with shifted images comes to 99.4 % of MNIST.

    Examples
    --------
    >>> from fastconv.nn import models
    >>> models.accurate((28, 28)).parameters.size
    37162
    """
    layers: list[Layer] = [
        Conv2D(24, 5, activation="relu", kernel_initializer="he_normal"),
        MaxPool2D(2),
        Conv2D(48, 5, activation="relu", kernel_initializer="he_normal"),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.3),
        Dense(classes),
    ]
    return Sequential(layers, input_shape, seed=seed)


def pytorch_example(input_shape: Sequence[int], classes: int = 10, seed: int = 0) -> Sequential:
    """Return the network of PyTorch's MNIST example, with weights drawn as PyTorch draws them: 1,199,882 for 28 x 28 grey pixels.

    Notes
    -----
    https://github.com/pytorch/examples/blob/main/mnist/main.py. Its optimizer there is Adadelta, for 14 epochs.

    Examples
    --------
    >>> from fastconv.nn import models
    >>> models.pytorch_example((28, 28)).parameters.size
    1199882
    """
    draws: dict[str, Any] = {"kernel_initializer": "torch_uniform", "bias_initializer": "torch_uniform"}
    layers: list[Layer] = [
        Conv2D(32, 3, activation="relu", **draws),
        Conv2D(64, 3, activation="relu", **draws),
        MaxPool2D(2),
        Dropout(0.25),
        Flatten(),
        Dense(128, activation="relu", **draws),
        Dropout(0.5),
        Dense(classes, **draws),
    ]
    return Sequential(layers, input_shape, seed=seed)


class NamedModel(NamedTuple):
    """A network's function, (input_shape, classes, seed) -> Sequential, and its recipe."""

    build: Callable[[Sequence[int], int, int], Sequential]
    recipe: Recipe


MODELS = {
    "seed": NamedModel(seed, Recipe(SGD(0.005), batch_size=1, epochs=1)),
    "lenet": NamedModel(lenet, Recipe(Adam(0.003), batch_size=64, epochs=5, schedule=OneCycle())),
    "small": NamedModel(small, Recipe(Adam(0.01), batch_size=64, epochs=2, schedule=OneCycle(0.2))),
    "accurate": NamedModel(accurate, Recipe(Adam(0.005), batch_size=128, epochs=10, schedule=OneCycle(), augment=Shift(2))),
    "pytorch-example": NamedModel(pytorch_example, Recipe(Adam(0.002), batch_size=64, epochs=3, schedule=OneCycle())),
}
"""All networks by the names that `fastconv train --model` takes."""
