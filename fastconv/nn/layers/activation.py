"""Activations as layers of their own."""

from __future__ import annotations

from ...engine.operations import Operation, Relu
from .base import LEAK, Layer, Plan


class ReLU(Layer):
    """max(x, 0).

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.ReLU()
    ReLU()
    """

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the activation."""
        return [Relu(plan.dtype)]


class LeakyReLU(Layer):
    """x where it is positive, else slope * x.

    Parameters
    ----------
    slope : float

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.LeakyReLU(0.1)
    LeakyReLU(slope=0.1)
    """

    def __init__(self, slope: float = LEAK):
        self.slope = float(slope)
        if not 0 <= self.slope < 1:
            raise ValueError(f"LeakyReLU: slope must be at least 0 and less than 1, but is {slope!r}")

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the activation."""
        return [Relu(plan.dtype, self.slope)]
