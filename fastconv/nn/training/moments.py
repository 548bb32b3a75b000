"""What a model's optimizer has gathered, which one fit leaves to the next."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...kernels.training.batch import BEFORE, STEP
from ..options import as_plain
from .optimizers import Optimizer


class Moments(NamedTuple):
    """The optimizer's vectors, as momentum, and the state that counts its updates; both go on changing while a fit runs.

    They are of use to an optimizer of the same class and options. The rate, which may change, is none of these.
    """

    kind: type[Optimizer]
    options: dict[str, Any]
    slots: list[np.ndarray]
    state: np.ndarray

    @property
    def updates(self) -> int:
        """How many updates the vectors have seen."""
        return int(self.state[BEFORE] + self.state[STEP])


def gathered_by(optimizer: Optimizer, before: Moments | None, parameters: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Return copies of the vectors that an optimizer goes on with, and how many updates they have seen: zeros if it begins anew."""
    if before is None or before.kind is not type(optimizer) or before.options != fixed_options(optimizer):
        return [np.zeros_like(parameters) for _ in range(optimizer.slots)], 0
    return [slot.copy() for slot in before.slots], before.updates


def fixed_options(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer's options but for its rate."""
    return {name: as_plain(value) for name, value in vars(optimizer).items() if name not in ("_lr", "_constructed")}
