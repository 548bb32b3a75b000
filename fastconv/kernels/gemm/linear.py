"""Dense layers of a batch: three products of matrices."""

import numpy as np

from ...shapes import conv_spec
from .pointwise import PointwiseWeightGradPlan
from .product import ProductPlan


class LinearPlan:
    """y = x . w + bias for a batch, and its gradients: three products of matrices."""

    def __init__(self, rows: int, inputs: int, outputs: int, dtype: np.dtype):
        self._output = ProductPlan(rows, inputs, outputs, dtype)
        self._input_grad = ProductPlan(rows, outputs, inputs, dtype, transposed=True)
        self._weight_grad = PointwiseWeightGradPlan(conv_spec("linear", (1, rows, inputs), (1, inputs, outputs)), dtype)

    def pack(self, run, w):
        """Return the weights as `output` takes them for many calls."""
        return self._output.pack(run, w)

    def output(self, run, x, w, bias, y):
        self._output(run, x, w, bias, y)

    def input_grad(self, run, dy, w, dx):
        self._input_grad(run, dy, w, None, dx)

    def weight_grad(self, run, x, dy, dw):
        self._weight_grad(run, x, dy, dw)
