"""What keeps a network from learning its images by heart."""

from __future__ import annotations

from ...engine import operations
from ...engine.operations import Operation
from ..options import as_number
from .base import Layer, Plan


class Dropout(Layer):
    """In training, sets elements to zero at random and multiplies the others by 1 / (1 - rate); otherwise does nothing.

    What is dropped depends on the model's seed, the epoch, the image and the element only, not on threads or the batch.

    Parameters
    ----------
    rate : float
        At least 0 and less than 1: which part is dropped.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Dropout(0.25)
    Dropout(rate=0.25)
    """

    def __init__(self, rate: float):
        self.rate = as_number("Dropout", "rate", rate, 0, 1)

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the dropping, in training."""
        if not plan.training or self.rate == 0:
            return []
        return [operations.Dropout(plan.shape, self.rate, plan.number, plan.order, plan.state, plan.dtype)]
