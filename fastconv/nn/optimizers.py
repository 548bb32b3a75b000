"""Optimizers: how an update follows from a gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..kernels.call import Call
from ..kernels.optim import adam, sgd
from ..kernels.pack import blocks_of
from .options import as_number


class Optimizer(ABC):
    """What all optimizers have in common: a learning rate, and vectors of the parameters' size that go from update to update."""

    lr: float
    slots: int
    """How many such vectors there are."""

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments, as they can be written to a file."""
        return dict(vars(self))

    @abstractmethod
    def call(self, w: np.ndarray, g: np.ndarray, slots: list[np.ndarray], rates: np.ndarray, state: np.ndarray) -> Call:
        """Return the call that updates w by its gradient g, the units being its blocks."""

    def record(self, split: Any, w: np.ndarray, *rest: Any) -> None:
        """Add the update to a program; arguments as for `call`."""
        split(blocks_of(w), self.call(w, *rest), 10 * w.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.options().items())})"


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
        self.lr, self.momentum = as_number("SGD", "lr", lr, 0), as_number("SGD", "momentum", momentum, 0, 1)
        self.nesterov, self.weight_decay = bool(nesterov), as_number("SGD", "weight_decay", weight_decay, 0)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov must come with a momentum above 0, but momentum is 0")

    @property
    def slots(self) -> int:  # type: ignore[override]  # by the options
        """One with momentum."""
        return 1 if self.momentum else 0

    def call(self, w: np.ndarray, g: np.ndarray, slots: list[np.ndarray], rates: np.ndarray, state: np.ndarray) -> Call:
        """Return the update."""
        settings = np.array([self.momentum, self.weight_decay, self.nesterov])
        return Call(sgd, w, g, slots[0] if slots else w[:0], settings, rates, state)


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
        name = type(self).__name__
        self.lr = as_number(name, "lr", lr, 0)
        first, second = betas
        self.betas = as_number(name, "betas", first, 0, 1), as_number(name, "betas", second, 0, 1)
        self.epsilon, self.weight_decay = as_number(name, "epsilon", epsilon, 0), as_number(name, "weight_decay", weight_decay, 0)

    def call(self, w: np.ndarray, g: np.ndarray, slots: list[np.ndarray], rates: np.ndarray, state: np.ndarray) -> Call:
        """Return the update."""
        settings = np.array([*self.betas, self.epsilon, self.weight_decay, self._apart])
        return Call(adam, w, g, *slots, settings, rates, state)


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
