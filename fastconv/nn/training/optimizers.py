"""Optimizers: how an update follows from a gradient."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from ...kernels.arrays.blocks import blocks_of
from ...kernels.training.optimizers import adam, sgd
from ...runtime.task import Task
from ..options import Options, as_bool, as_number, as_plain

UPDATE_FLOPS = 10
"""About what an update takes a weight."""


class Optimizer(Options):
    """What all optimizers have in common: a learning rate, and vectors of the parameters' size that go from update to update.

    Attributes
    ----------
    lr : float
        The learning rate, at least 0 and finite. It can be set, also by a callback while `fit` runs: it holds from the next epoch
        on, times what the schedule says. All other options stay as they are.
    """

    slots: int = 0
    """How many such vectors there are."""

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = as_number(type(self).__name__, "lr", value, 0)

    @abstractmethod
    def task(self, w: np.ndarray, g: np.ndarray, slots: list[np.ndarray], rates: np.ndarray, state: np.ndarray) -> Task:
        """Return the task that updates w by its gradient g, the units being its blocks."""


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    lr : float
        The learning rate.
    momentum : float
        From 0 to below 1; v = momentum * v + gradient, and v takes the gradient's place.
    nesterov : bool
        Whether gradient + momentum * v does.
    weight_decay : float
        Times the weights, this is added to the gradient.

    Notes
    -----
    ``torch.optim.SGD``.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.SGD(0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """

    def __init__(self, lr: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0):
        self.lr, self.momentum = lr, as_number("SGD", "momentum", momentum, 0, 1)
        self.nesterov = as_bool("SGD", "nesterov", nesterov)
        self.weight_decay = as_number("SGD", "weight_decay", weight_decay, 0)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov must come with a momentum above 0, but momentum is 0")

    @property
    def slots(self) -> int:  # type: ignore[override]  # by the options
        """One with momentum."""
        return 1 if self.momentum else 0

    def task(self, w: np.ndarray, g: np.ndarray, slots: list[np.ndarray], rates: np.ndarray, state: np.ndarray) -> Task:
        """Return the update."""
        settings = np.array([self.momentum, self.weight_decay, self.nesterov])
        slot = slots[0] if slots else w[:0]
        return Task(sgd, (w, g, slot, settings, rates, state), blocks_of(w), UPDATE_FLOPS * w.size)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015).

    Parameters
    ----------
    lr : float
    betas : pair of float
        How much of the means of the gradient and of its square is kept at each update.
    epsilon : float
    weight_decay : float
        Times the weights, this is added to the gradient.

    Notes
    -----
    ``torch.optim.Adam``.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Adam(0.001)
    Adam(lr=0.001, betas=(0.9, 0.999), epsilon=1e-08, weight_decay=0.0)
    """

    slots = 2
    _apart = False

    def __init__(
        self, lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8, weight_decay: float = 0.0
    ):
        name, pair = type(self).__name__, as_plain(betas)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"{name}: betas must be a pair of numbers, but is {betas!r}")
        self.lr, (first, second) = lr, pair
        self.betas = as_number(name, "betas", first, 0, 1), as_number(name, "betas", second, 0, 1)
        self.epsilon, self.weight_decay = as_number(name, "epsilon", epsilon, 0), as_number(name, "weight_decay", weight_decay, 0)

    def task(self, w: np.ndarray, g: np.ndarray, slots: list[np.ndarray], rates: np.ndarray, state: np.ndarray) -> Task:
        """Return the update."""
        settings = np.array([*self.betas, self.epsilon, self.weight_decay, self._apart])
        return Task(adam, (w, g, *slots, settings, rates, state), blocks_of(w), UPDATE_FLOPS * w.size)


class AdamW(Adam):
    """Adam whose weight decay is taken off the weights themselves (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    lr, betas, epsilon
        As for `Adam`.
    weight_decay : float
        At each update the weights lose lr * weight_decay of themselves.

    Notes
    -----
    ``torch.optim.AdamW``.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.AdamW(0.001, weight_decay=0.05)
    AdamW(lr=0.001, betas=(0.9, 0.999), epsilon=1e-08, weight_decay=0.05)
    """

    _apart = True

    def __init__(
        self, lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8, weight_decay: float = 0.01
    ):
        super().__init__(lr, betas, epsilon, weight_decay)


OPTIMIZERS: dict[str, type[Optimizer]] = {optimizer.__name__: optimizer for optimizer in (SGD, Adam, AdamW)}
"""All optimizers by the names that stand in files."""


def is_plain(optimizer: Optimizer) -> bool:
    """Return whether an update is the rate times the gradient, and no more."""
    return type(optimizer) is SGD and not optimizer.momentum and not optimizer.weight_decay
