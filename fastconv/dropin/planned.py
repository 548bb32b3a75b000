"""Plan once, call often: a layer that sees the same shape at every step pays for checks and choices at the first one only.

The arrays must be what `_arrays.kernel_ready` makes, of the planned shapes; kernels here are (filters, k, k, channels).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

from ..functional.activation import softmax
from ..kernels.contraction.direct import DirectInputGradPlan, DirectOutputPlan
from ..kernels.contraction.direct_weight_grad import DirectWeightGradPlan
from ..kernels.fused.conv_step import WeightStep, WholeOutput
from ..kernels.fused.dense_softmax import (
    dense_softmax_kernel,
    dense_softmax_update_kernel,
    dense_softmax_vectors,
    narrow_dense_softmax_kernel,
    narrow_dense_softmax_update_kernel,
)
from ..kernels.fused.segments import segment_sizes
from ..kernels.layers.pool import ALL, MAX, pick_grad_kernel, pool_kernel
from ..kernels.layers.pool_plan import PoolPlan
from ..kernels.simd.vector import lanes_of
from ..runtime.memory import buffer, empty
from ..runtime.threads import SERIAL_FLOPS, parallel_for
from ..shapes import conv_spec, pool_spec

MOST_TERMS = 256
"""So many products of a dense layer's inputs and weights are added up in one float32 number."""


class PlannedConvolution:
    """A valid convolution of one image (h, w, c) with kernels (f, k, k, c), and its gradients."""

    def __init__(self, name: str, image_shape: tuple[int, ...], kernels_shape: tuple[int, ...], dtype: np.dtype):
        filters, height, width, channels = kernels_shape
        self.spec = conv_spec(name, (1, *image_shape), (height, width, channels, filters))
        self.output_shape = self.spec.output_shape[1:]
        self.dtype = dtype
        self._small = self.spec.flops < SERIAL_FLOPS
        self._output: Any = (WholeOutput if self._small else DirectOutputPlan)(self.spec, dtype, filters_first=True)

    @cached_property
    def _weight_step(self) -> Any:
        return (WeightStep if self._small else DirectWeightGradPlan)(self.spec, self.dtype, filters_first=True)

    @cached_property
    def _input_grad(self) -> DirectInputGradPlan:
        return DirectInputGradPlan(self.spec, self.dtype, filters_first=True)

    def output(self, image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        """Return the (h - k + 1, w - k + 1, f) output."""
        y = empty(self.output_shape, self.dtype)
        if self._small:
            self._output(image.ravel(), kernels.ravel(), y.ravel())
        else:
            self._output(parallel_for, image.ravel(), kernels.ravel(), None, y.ravel())
        return y

    def step(self, image: np.ndarray, dy: np.ndarray, kernels: np.ndarray, rate: float) -> np.ndarray:
        """Update the kernels in place by one step of gradient descent; return their gradient, of their shape."""
        dw = empty(kernels.shape, self.dtype)
        if self._small:
            self._weight_step(image.ravel(), dy.ravel(), kernels.ravel(), dw.ravel(), rate)
        else:
            self._weight_step(parallel_for, image.ravel(), dy.ravel(), dw.ravel())
            kernels -= self.dtype.type(rate) * dw
        return dw

    def input_grad(self, dy: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        """Return the gradient of the image, of its shape."""
        dx = empty(self.spec.input_shape[1:], self.dtype)
        self._input_grad(parallel_for, dy.ravel(), kernels.ravel(), dx.ravel())
        return dx


class PlannedMaxPooling:
    """Max pooling of one image (h, w, c) by windows that don't overlap; every tied maximum gets the gradient."""

    def __init__(self, name: str, image_shape: tuple[int, ...], kernel_size: int, dtype: np.dtype):
        spec = pool_spec(name, (1, *image_shape), kernel_size)
        self.image_shape, self.output_shape, self.dtype = image_shape, spec.output_shape[1:], dtype
        self._size = prod(image_shape)
        plan = PoolPlan(spec)
        self._geometry, self._covered = plan.geometry, plan.covered
        self._pick = pool_kernel(MAX, plan.whole)
        self._pick_grad = pick_grad_kernel(MAX, ALL, int(plan.disjoint), plan.whole)

    def output(self, image: np.ndarray) -> np.ndarray:
        """Return the (h // k, w // k, c) output."""
        y = empty(self.output_shape, self.dtype)
        self._pick(image.ravel(), y.ravel(), self._geometry, 0, 0, 1)
        return y

    def input_grad(self, dy: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Return the gradient of the image, of its shape."""
        dx = buffer(self._size, self.dtype)
        if not self._covered:
            dx[:] = 0
        self._pick_grad(dy.ravel(), image.ravel(), dx, self._geometry, 0, 1)
        return dx.reshape(self.image_shape)


class PlannedDenseSoftmax:
    """A dense layer with softmax for one row: x (i,), w (i, o) and bias (o,), all contiguous and of one float type."""

    def __init__(self, outputs: int, dtype: np.dtype):
        lanes, narrow = lanes_of(dtype), segment_sizes(outputs, dtype)
        self.outputs, self.dtype = outputs, dtype
        if narrow is not None:
            self._scratch_size, self._block = narrow[1] * lanes, MOST_TERMS * narrow[0]
            self._forward = narrow_dense_softmax_kernel(outputs, *narrow)
            self._update = narrow_dense_softmax_update_kernel(outputs, *narrow)
        else:
            vectors = dense_softmax_vectors(outputs, dtype)
            self._scratch_size, self._block = outputs + vectors * lanes, MOST_TERMS * 4
            self._forward = dense_softmax_kernel(vectors)
            self._update = dense_softmax_update_kernel(lanes, vectors)

    def output(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the totals x w + bias, and their softmax.

        In float32 so many inputs are taken at a time that a kernel's sums have MOST_TERMS each; their totals are added in float64.
        """
        totals, probabilities = empty(self.outputs, self.dtype), empty(self.outputs, self.dtype)
        scratch = buffer(self._scratch_size, self.dtype)
        if self.dtype == np.float64 or len(x) <= self._block:
            self._forward(x, w.ravel(), bias, totals, probabilities, scratch)
            return totals, probabilities
        sums, nothing = bias.astype(np.float64), np.zeros_like(bias)
        for first in range(0, len(x), self._block):
            some = slice(first, first + self._block)
            self._forward(x[some], w[some].ravel(), nothing, totals, probabilities, scratch)
            sums += totals
        totals = sums.astype(self.dtype)
        return totals, softmax(totals)

    def step(self, dy: np.ndarray, totals: np.ndarray, x: np.ndarray, w: np.ndarray, bias: np.ndarray, alpha: float) -> np.ndarray:
        """Update w and bias in place by one step of gradient descent; return the gradient of x, of the weights before it."""
        dx, dz, step = empty(len(x), self.dtype), buffer(self._scratch_size, self.dtype), buffer(self._scratch_size, self.dtype)
        self._update(dy, totals, x, w.ravel(), bias, alpha, dz, step, dx)
        return dx


@lru_cache(maxsize=64)
def planned_convolution(name: str, image_shape: tuple, kernels_shape: tuple, dtype: np.dtype) -> PlannedConvolution:
    """Return the plan for these shapes, made once."""
    return PlannedConvolution(name, image_shape, kernels_shape, dtype)


@lru_cache(maxsize=64)
def planned_max_pooling(name: str, image_shape: tuple, kernel_size: int, dtype: np.dtype) -> PlannedMaxPooling:
    """Return the plan for these shapes, made once."""
    return PlannedMaxPooling(name, image_shape, kernel_size, dtype)


@lru_cache(maxsize=64)
def planned_dense_softmax(outputs: int, dtype: np.dtype) -> PlannedDenseSoftmax:
    """Return the plan for so many outputs, made once."""
    return PlannedDenseSoftmax(outputs, dtype)
