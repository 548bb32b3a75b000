"""Dense layers, and what leads to them."""

from __future__ import annotations

from math import prod

from ...engine import operations
from ...engine.operations import Operation
from ...shapes import Ints, as_int
from ..initializers import initializer_name
from ..options import as_bool
from .base import Layer, Plan, Weight, activate, checked_activation


class Dense(Layer):
    """A layer that connects all inputs of a row with all outputs: x . kernel + bias, and an activation.

    Parameters
    ----------
    units : int
        How many outputs.
    use_bias : bool
    activation : None, "relu" or "leaky_relu"
    kernel_initializer, bias_initializer : str
        A name of `fastconv.nn.initializers`.

    Notes
    -----
    The weights are kernel (inputs, units) and bias (units,).

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Dense(10).output_shape((128,))
    (10,)
    """

    def __init__(
        self,
        units: int,
        *,
        use_bias: bool = True,
        activation: str | None = None,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ):
        self.units = as_int(self.name, "units", units, 1)
        self.use_bias = as_bool(self.name, "use_bias", use_bias)
        self.activation = checked_activation(self.name, activation)
        self.kernel_initializer = initializer_name(self.name, "kernel_initializer", kernel_initializer)
        self.bias_initializer = initializer_name(self.name, "bias_initializer", bias_initializer)

    def output_shape(self, shape: Ints) -> Ints:
        """Return (units,)."""
        if len(shape) != 1:
            raise ValueError(f"{self.name}: the input must be rows (units,), but is {shape}: put a Flatten before it")
        return (self.units,)

    def weights(self, shape: Ints) -> list[Weight]:
        """Return kernel and bias."""
        bias = [Weight("bias", (self.units,), self.bias_initializer, shape[0], self.units)] if self.use_bias else []
        return [Weight("kernel", (shape[0], self.units), self.kernel_initializer, shape[0], self.units), *bias]

    def flops(self, shape: Ints) -> int:
        """Return the product's multiplications and additions."""
        return 2 * shape[0] * self.units

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the product and its activation."""
        dense = operations.Dense(plan.shape[0], (plan.shape[1], self.units), plan.weights, plan.gradients)
        return [dense, *activate(self.activation, plan.dtype)]


class Flatten(Layer):
    """Images as rows: (h, w, c) becomes (h * w * c,).

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Flatten().output_shape((13, 13, 16))
    (2704,)
    """

    def output_shape(self, shape: Ints) -> Ints:
        """Return (h * w * c,)."""
        return (prod(shape),)

    def operations(self, plan: Plan) -> list[Operation]:
        """Return nothing: pixels are in this order already."""
        return []
