"""Schedules: the learning rate of each update."""

from __future__ import annotations

import numpy as np

from ...shapes import as_int
from ..options import Options, as_number


class Schedule(Options):
    """What the optimizer's learning rate is multiplied by, update by update; make a subclass with `factors` of your own."""

    def factors(self, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return the factors of all updates of a training."""
        raise TypeError(f"{type(self).__name__} must have a method factors(updates, updates_per_epoch), but has none of its own")

    def factors_from(self, epoch: int, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return the factors of a fit whose first epoch is this one of the model's life: by default those of `factors`, always."""
        return self.factors(updates, updates_per_epoch)


class Constant(Schedule):
    """The same rate throughout.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Constant().factors(3, 3)
    array([1., 1., 1.])
    """

    def factors(self, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return ones."""
        return np.ones(updates)


class Step(Schedule):
    """The rate times `gamma` after every so many epochs, counted over the model's life: one fit goes on where the last one ended.

    Parameters
    ----------
    epochs : int
    gamma : float

    Notes
    -----
    ``torch.optim.lr_scheduler.StepLR``.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Step(1, 0.5).factors(6, 2)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    def __init__(self, epochs: int = 1, gamma: float = 0.1):
        self.epochs, self.gamma = as_int("Step", "epochs", epochs, 1), as_number("Step", "gamma", gamma, 0)

    def factors(self, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return gamma to the number of times that so many epochs have passed."""
        return self.factors_from(0, updates, updates_per_epoch)

    def factors_from(self, epoch: int, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return the same for a fit that begins with this epoch of the model's life: all those before it count."""
        passed = epoch + np.arange(updates) // max(1, updates_per_epoch)
        return self.gamma ** (passed // self.epochs).astype(float)


class Cosine(Schedule):
    """From the rate down to `least` times it, along half a cosine over the epochs of one fit; each fit begins it anew.

    Parameters
    ----------
    least : float

    Notes
    -----
    ``torch.optim.lr_scheduler.CosineAnnealingLR``, update by update.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Cosine().factors(4, 4).round(2)
    array([1.  , 0.85, 0.5 , 0.15])
    """

    def __init__(self, least: float = 0.0):
        self.least = as_number("Cosine", "least", least, 0)

    def factors(self, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return the cosine."""
        return self.least + (1 - self.least) * (1 + np.cos(np.pi * np.arange(updates) / max(1, updates))) / 2


class OneCycle(Schedule):
    """Up from the rate divided by `start` to the rate, then down to it divided by start * end, both along half a cosine.

    The cycle spans the epochs of one fit; each fit begins it anew.

    Parameters
    ----------
    warmup : float
        Which part of the updates goes up.
    start, end : float

    Notes
    -----
    ``torch.optim.lr_scheduler.OneCycleLR`` (Smith and Topin, 2018), without its cycle of momentum.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.OneCycle(0.6).factors(5, 5).round(3)
    array([0.04, 0.52, 1.  , 0.5 , 0.  ])
    """

    def __init__(self, warmup: float = 0.3, start: float = 25.0, end: float = 1e4):
        self.warmup = as_number("OneCycle", "warmup", warmup, 0)
        if self.warmup > 1:
            raise ValueError(f"OneCycle: warmup must be from 0 to 1, but is {warmup}")
        self.start, self.end = as_number("OneCycle", "start", start, 1), as_number("OneCycle", "end", end, 1)

    def factors(self, updates: int, updates_per_epoch: int) -> np.ndarray:
        """Return the cycle."""
        peak = self.warmup * updates - 1
        at = np.arange(updates)
        rising = np.clip(at / peak if peak > 0 else np.ones(updates), 0, 1)
        falling = np.clip((at - peak) / max(updates - 1 - peak, 1e-9), 0, 1)
        low, last = 1 / self.start, 1 / (self.start * self.end)
        up = low + (1 - low) * (1 - np.cos(np.pi * rising)) / 2
        down = last + (1 - last) * (1 + np.cos(np.pi * falling)) / 2
        return np.where(at <= peak, up, down)


SCHEDULES: dict[str, type[Schedule]] = {schedule.__name__: schedule for schedule in (Constant, Step, Cosine, OneCycle)}
"""All schedules by the names that stand in files."""
