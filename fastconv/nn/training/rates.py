"""What a schedule makes of a training's learning rate, worked out before it begins."""

from __future__ import annotations

import numpy as np

from ...arrays import as_array
from ..files.checkpoint import Resumed
from .schedules import Constant, Schedule

MOST_UPDATES = 2**27
"""A schedule's factors are 8 bytes for each update."""


def rate_factors(schedule: Schedule, first: int, epochs: int, per_epoch: int) -> np.ndarray:
    """Return what the rate is multiplied by at each update; the last one goes on for ever."""
    updates = epochs * per_epoch
    if type(schedule) is Constant or not updates:
        return np.ones(1)
    if updates > MOST_UPDATES:
        raise ValueError(f"fit: with a schedule there must be at most {MOST_UPDATES} updates, but there are {updates}")
    factors = as_array("fit", f"what {schedule!r} gives", schedule.factors_from(first, updates, per_epoch)).astype(np.float64)
    if factors.shape != (updates,) or not np.isfinite(factors).all():
        raise ValueError(f"fit: {schedule!r} must give {updates} finite factors, but gives {factors}")
    return factors


def check_factors(schedule: Schedule, factors: np.ndarray, resumed: Resumed, epochs: int, per_epoch: int) -> None:
    """Refuse to resume with another number of epochs if the updates that are done would have had other rates with it."""
    if resumed.epochs == epochs:
        return
    before, step = rate_factors(schedule, resumed.first, resumed.epochs, per_epoch), resumed.step
    if not np.array_equal(before[:step], factors[:step]):
        raise ValueError(f"fit: {schedule!r} goes by the number of epochs, which must be {resumed.epochs}, but is {epochs}")
