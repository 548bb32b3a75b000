"""Plan once, call often: a layer that sees the same shape at every step pays for checks and choices at the first one only.

The arrays must be what `_arrays.kernel_ready` makes, of the planned shapes; kernels here are (filters, k, k, channels).
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from .. import _threads
from ..kernels.conv_output import InputGradPlan, OutputPlan
from ..kernels.conv_weight_grad import WeightGradPlan
from ..kernels.dense import (
    dense_softmax_kernel,
    dense_softmax_update_kernel,
    dense_softmax_vectors,
    narrow_dense_softmax_kernel,
    narrow_dense_softmax_update_kernel,
)
from ..kernels.pack import buffer
from ..kernels.pool import ALL, MAX, PoolPlan
from ..kernels.segments import segment_sizes
from ..kernels.simd import lanes_of
from ..shapes import conv_spec, pool_spec


class PlannedConvolution:
    """A valid convolution of one image (h, w, c) with kernels (f, k, k, c), and its gradients."""

    def __init__(self, name: str, image_shape: tuple[int, ...], kernels_shape: tuple[int, ...], dtype: np.dtype):
        filters, height, width, channels = kernels_shape
        self.spec = conv_spec(name, (1, *image_shape), (height, width, channels, filters))
        self.output_shape = self.spec.output_shape[1:]
        self.dtype, self._kernels_shape = dtype, kernels_shape
        self._output = OutputPlan(self.spec, dtype, filters_first=True)
        self._split = _threads.for_work(self.spec.flops)

    @cached_property
    def _weight_grad(self) -> WeightGradPlan:
        return WeightGradPlan(self.spec, self.dtype, filters_first=True)

    @cached_property
    def _input_grad(self) -> InputGradPlan:
        return InputGradPlan(self.spec, self.dtype, filters_first=True)

    def output(self, image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        """Return the (h - k + 1, w - k + 1, f) output."""
        y = np.empty(self.output_shape, self.dtype)
        self._output(self._split, image.reshape(-1), kernels.reshape(-1), None, y.reshape(-1))
        return y

    def weight_grad(self, image: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """Return the gradient of the kernels, of their shape."""
        dw = np.empty(self._kernels_shape, self.dtype)
        self._weight_grad(self._split, image.reshape(-1), dy.reshape(-1), dw.reshape(-1))
        return dw

    def input_grad(self, dy: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        """Return the gradient of the image, of its shape."""
        dx = np.empty(self.spec.input_shape[1:], self.dtype)
        self._input_grad(self._split, dy.reshape(-1), kernels.reshape(-1), dx.reshape(-1))
        return dx


class PlannedMaxPooling:
    """Max pooling of one image (h, w, c) by windows that don't overlap; every tied maximum gets the gradient."""

    def __init__(self, name: str, image_shape: tuple[int, ...], kernel_size: int):
        self.spec = pool_spec(name, (1, *image_shape), kernel_size)
        self.image_shape, self.output_shape = image_shape, self.spec.output_shape[1:]
        self._plan = PoolPlan(self.spec)
        self._split = _threads.for_work(3 * self._plan.flops)

    def output(self, image: np.ndarray) -> np.ndarray:
        """Return the (h // k, w // k, c) output."""
        y = np.empty(self.output_shape, image.dtype)
        self._plan.pick(self._split, MAX, image.reshape(-1), y.reshape(-1))
        return y

    def input_grad(self, dy: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Return the gradient of the image, of its shape."""
        dx = np.empty(image.shape, image.dtype)
        self._plan.pick_grad(self._split, MAX, ALL, dy.reshape(-1), image.reshape(-1), dx.reshape(-1))
        return dx


class PlannedDenseSoftmax:
    """A dense layer with softmax for one row: x (i,), w (i, o) and bias (o,), all contiguous and of one float type."""

    def __init__(self, outputs: int, dtype: np.dtype):
        lanes, narrow = lanes_of(dtype), segment_sizes(outputs, dtype)
        self.outputs, self.dtype = outputs, dtype
        if narrow is not None:
            self._room = narrow[1] * lanes
            self._forward = narrow_dense_softmax_kernel(outputs, *narrow)
            self._update = narrow_dense_softmax_update_kernel(outputs, *narrow)
        else:
            vectors = dense_softmax_vectors(outputs, dtype)
            self._room = outputs + vectors * lanes
            self._forward = dense_softmax_kernel(vectors)
            self._update = dense_softmax_update_kernel(lanes, vectors)

    def output(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the totals x w + bias, and their softmax."""
        totals, probabilities = np.empty(self.outputs, self.dtype), np.empty(self.outputs, self.dtype)
        self._forward(x, w.reshape(-1), bias, totals, probabilities, buffer(self._room, self.dtype))
        return totals, probabilities

    def step(self, dy: np.ndarray, totals: np.ndarray, x: np.ndarray, w: np.ndarray, bias: np.ndarray, alpha: float) -> np.ndarray:
        """Update w and bias in place by one step of gradient descent; return the gradient of x, of the weights before it."""
        dx, dz, step = np.empty(len(x), self.dtype), buffer(self._room, self.dtype), buffer(self._room, self.dtype)
        self._update(dy, totals, x, w.reshape(-1), bias, self.dtype.type(alpha), dz, step, dx)
        return dx


@lru_cache(maxsize=64)
def planned_convolution(name: str, image_shape: tuple, kernels_shape: tuple, dtype: np.dtype) -> PlannedConvolution:
    """Return the plan for these shapes, made once."""
    return PlannedConvolution(name, image_shape, kernels_shape, dtype)


@lru_cache(maxsize=64)
def planned_max_pooling(name: str, image_shape: tuple, kernel_size: int) -> PlannedMaxPooling:
    """Return the plan for these shapes, made once."""
    return PlannedMaxPooling(name, image_shape, kernel_size)


@lru_cache(maxsize=64)
def planned_dense_softmax(outputs: int, dtype: np.dtype) -> PlannedDenseSoftmax:
    """Return the plan for so many outputs, made once."""
    return PlannedDenseSoftmax(outputs, dtype)
