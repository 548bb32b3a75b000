"""Activations as layers of their own."""

from __future__ import annotations

from ...engine.operations import Operation, Relu
from ..options import as_number
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
        self.slope = as_number("LeakyReLU", "slope", slope, 0, 1)

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the activation."""
        return [Relu(plan.dtype, self.slope)]
