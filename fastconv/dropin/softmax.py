"""The notebooks' dense layers with softmax: SoftmaxLayer and Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FLOAT64, as_array
from ..runtime.memory import aligned_copy
from ..shapes import as_int, check_shape
from .checks import check_forward_done, check_rate, check_updatable, compute_type, described, is_plain, is_ready, ready
from .planned import PlannedDenseSoftmax, planned_dense_softmax
from .weights import LayerWithWeights


class _DenseSoftmax(LayerWithWeights):
    """What the two families' last layers share: weights (inputs, outputs), biases (outputs,), and the softmax behind them."""

    _weight_name: str
    _bias_name: str
    _shape_name: str
    _input_name: str
    _totals_name: str

    def __init__(self, inputs: int, outputs: int, init: str, dtype: Any):
        super().__init__(init, dtype)
        inputs = as_int(self._name, "the number of inputs", inputs, 1)
        outputs = as_int(self._name, "the number of outputs", outputs, 1)
        if init == "xavier":
            weight = np.random.normal(loc=0, scale=np.sqrt(2 / (inputs + outputs)), size=(inputs, outputs))
        else:
            weight = np.random.randn(inputs, outputs) / inputs
        setattr(self, self._weight_name, aligned_copy(weight, self._dtype))
        self._plan: PlannedDenseSoftmax | None = None
        setattr(self, self._bias_name, np.zeros(outputs, self._dtype))
        self._weight_shape, self._input_size = (inputs, outputs), inputs
        self._row_shape, self._output_shape = (inputs,), (outputs,)

    def _described(self, init: str) -> str:
        shape = getattr(self, self._shape_name, None)
        return described(
            self._name, self._weight_shape, self._options(init), None if shape is None else (shape, self._output_shape)
        )

    def _live(self, dtype: np.dtype) -> tuple[PlannedDenseSoftmax, np.ndarray, np.ndarray]:
        """Return the plan, and the live weights and biases, checked, as it takes them: themselves where they are so already."""
        weight, bias = getattr(self, self._weight_name), getattr(self, self._bias_name)
        if not (is_ready(weight, self._weight_shape, dtype) and is_ready(bias, self._output_shape, dtype)):
            weight = self._checked(self._weight_name, weight, self._weight_shape, dtype)
            bias = self._checked(self._bias_name, bias, self._output_shape, dtype)
        if self._plan is None or self._plan.dtype is not dtype:
            self._plan = planned_dense_softmax(self._output_shape[0], dtype)
        return self._plan, weight, bias

    def _checked(self, argument: str, value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        value = ready(self._name, argument, value, dtype)
        check_shape(self._name, argument, value.shape, shape)
        return value

    def _forward(self, image: Any) -> np.ndarray:
        array = image if is_plain(image) else as_array(self._name, "the input", image)
        if array.size != self._input_size:
            several = array.ndim > 1 and array.size == len(array) * self._input_size
            hint = f"; it looks like a batch of {len(array)} inputs, which are given one a call" if several else ""
            raise ValueError(
                f"{self._name}: the input must have {self._input_size} elements, but has {array.size}: shape {array.shape}{hint}"
            )
        plan, weight, bias = self._live(FLOAT64 if self._dtype is FLOAT64 else compute_type(self._dtype, array))
        row = array.flatten() if array.dtype is plan.dtype else array.astype(plan.dtype).flatten()
        totals, probabilities = plan.output(row, weight, bias)
        setattr(self, self._shape_name, array.shape)
        setattr(self, self._input_name, row)
        setattr(self, self._totals_name, totals)
        return probabilities

    def _before_backward(self) -> tuple[PlannedDenseSoftmax, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the plan, and the totals, input, weights and biases as it takes them; refuse what can't be updated."""
        row: Any = getattr(self, self._input_name, None)
        if row is None:
            check_forward_done(self._name, row)
        totals, dtype = getattr(self, self._totals_name), FLOAT64
        if self._dtype is not FLOAT64:
            dtype = compute_type(self._dtype, as_array(self._name, self._input_name, row))
        if not (is_ready(row, self._row_shape, dtype) and is_ready(totals, self._output_shape, dtype)):
            row = self._checked(self._input_name, row, self._row_shape, dtype)
            totals = self._checked(self._totals_name, totals, self._output_shape, dtype)
        plan, weight, bias = self._live(dtype)
        my_weight, my_bias = getattr(self, self._weight_name), getattr(self, self._bias_name)
        if my_weight is not weight or my_bias is not bias:
            check_updatable(self._name, self._weight_name, my_weight)
            check_updatable(self._name, self._bias_name, my_bias)
        return plan, totals, row, weight, bias

    def _backward(self, gradient: Any, rate: Any) -> np.ndarray:
        alpha = check_rate(self._name, rate)
        plan, totals, row, weight, bias = self._before_backward()
        if not is_ready(gradient, self._output_shape, plan.dtype):
            gradient = self._checked("the gradient", gradient, self._output_shape, plan.dtype)
        dx = plan.step(gradient, totals, row, weight, bias, alpha)
        my_weight, my_bias = getattr(self, self._weight_name), getattr(self, self._bias_name)
        if my_weight is not weight:  # strided, or of another float type: the kernel stepped on a copy
            my_weight[...] = weight
        if my_bias is not bias:
            my_bias[...] = bias
        return dx.reshape(getattr(self, self._shape_name))

    def backward_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of the gradient that the backward pass needs and of the input's."""
        self._before_backward()
        return self._output_shape, getattr(self, self._shape_name)


class SoftmaxLayer(_DenseSoftmax):
    """A dense layer with softmax, for one input, trained by gradient descent.

    Parameters
    ----------
    input_units, output_units : int
    init : "xavier" or "scaled"
        The notebooks' two draws from numpy.random's global state: N(0, sqrt(2 / (inputs + outputs))), or randn / inputs.
    dtype : float32 or float64, optional
        float64 if not given. With float32, float32 inputs are computed in float32.

    Attributes
    ----------
    weight : (input_units, output_units) ndarray
    bias : (output_units,) ndarray
    output : (output_units,) ndarray
        The last totals, before the softmax.
    original_shape : the last input's shape
    flattened_input : (input_units,) ndarray, a copy of the last input

    Notes
    -----
    Where the notebooks are wrong, this is right: large totals don't overflow; a gradient may have several or no non-zero
    entries; a probability that underflows is given as the dtype's smallest normal number, so that the loop's -1 / p is finite
    and its product with p is the -1 that it stands for.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import SoftmaxLayer
    >>> layer = SoftmaxLayer(4, 2)
    >>> layer.weight[:] = 0
    >>> layer.forward_prop(np.ones((2, 2, 1)))
    array([0.5, 0.5])
    >>> layer.back_prop(np.array([-2.0, 0.0]), 0.1).shape
    (2, 2, 1)
    >>> layer.bias
    array([ 0.05, -0.05])
    """

    weight: np.ndarray
    bias: np.ndarray
    _weight_name, _bias_name = "weight", "bias"
    _shape_name, _input_name, _totals_name = "original_shape", "flattened_input", "output"

    def __init__(self, input_units: int, output_units: int, *, init: str = "xavier", dtype: Any = None):
        super().__init__(input_units, output_units, init, dtype)

    def __repr__(self) -> str:
        return self._described("xavier")

    def forward_prop(self, image: Any) -> np.ndarray:
        """Return the (output_units,) probabilities for an input of any shape with input_units elements."""
        return self._forward(image)

    def back_prop(self, dE_dY: Any, alpha: float) -> np.ndarray:
        """Update weight and bias, given the (output_units,) gradient of the probabilities; return the input's gradient."""
        return self._backward(dE_dY, alpha)


class Softmax(_DenseSoftmax):
    """A dense layer with softmax, for one input; everything else as `SoftmaxLayer`, drawn as randn / input_len.

    Attributes
    ----------
    weights : (input_len, nodes) ndarray
    biases : (nodes,) ndarray
    last_input : (input_len,) ndarray, a copy of the last input
    last_input_shape : its shape
    last_totals : (nodes,) ndarray
        The last totals, before the softmax.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import Softmax
    >>> layer = Softmax(4, 2)
    >>> layer.weights[:] = 0
    >>> layer.forward(np.ones((2, 2, 1)))
    array([0.5, 0.5])
    """

    weights: np.ndarray
    biases: np.ndarray
    _weight_name, _bias_name = "weights", "biases"
    _shape_name, _input_name, _totals_name = "last_input_shape", "last_input", "last_totals"

    def __init__(self, input_len: int, nodes: int, *, dtype: Any = None):
        super().__init__(input_len, nodes, "scaled", dtype)

    def __repr__(self) -> str:
        return self._described("scaled")

    def forward(self, input: Any) -> np.ndarray:
        """Return the (nodes,) probabilities for an input of any shape with input_len elements."""
        return self._forward(input)

    def backprop(self, d_L_d_out: Any, learn_rate: float) -> np.ndarray:
        """Update weights and biases, given the (nodes,) gradient of the probabilities; return the input's gradient."""
        return self._backward(d_L_d_out, learn_rate)
