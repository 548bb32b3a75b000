"""What a model's layers compute, planned for one batch size: which tasks, on which arrays. Arrays are flat, images channels-last.

An operation is called with `run` as plans are (kernels/plan.py). Those that work in place have y for x.
"""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import numpy as np

from ..kernels.arrays.blocks import blocks_of
from ..kernels.arrays.column_sums import sum_columns
from ..kernels.epilogue.finish import Epilogue, finish_task
from ..kernels.gemm.linear import LinearPlan
from ..kernels.layers.elementwise import dropout, relu, relu_grad
from ..kernels.layers.pool import MAX, TIES
from ..kernels.layers.pool_plan import PoolPlan
from ..kernels.table import choose
from ..runtime.task import Run, Task
from ..shapes import ConvSpec, PoolSpec


class Operation(Protocol):
    """One layer's work; `in_place` says that y is x, and dx is dy.

    Weights for whose gradients there is no array are frozen: theirs aren't computed.
    """

    in_place: bool

    def forward(self, run: Run, x: np.ndarray, y: np.ndarray) -> None:
        """Compute y."""

    def backward(self, run: Run, x: np.ndarray, y: np.ndarray, dy: np.ndarray, dx: np.ndarray | None) -> None:
        """Compute the weights' gradients and, where it is wanted, dx."""


class Convolution:
    """A convolution with or without a bias; `sums` is where the gradient of the bias, dy's sums over the pixels, is computed.

    With an `epilogue`, its results are finished so.
    """

    in_place = False
    epilogue: Epilogue | None = None

    def __init__(self, spec: ConvSpec, weights: dict[str, np.ndarray], gradients: dict[str, np.ndarray]):
        self._spec, self._w, self._bias = spec, weights["kernel"], weights.get("bias")
        self._gradient, self.sums = gradients.get("kernel"), gradients.get("bias")

    def _plan(self, operation: str) -> Any:
        return choose("Conv2D", operation, self._spec, self._w.dtype)

    def forward(self, run, x, y):
        plan = self._plan("output")
        if self.epilogue is None:
            plan(run, x, self._w, self._bias, y)
        elif getattr(plan, "finishes", False):
            plan(run, x, self._w, self._bias, y, self.epilogue)
        else:
            plan(run, x, self._w, self._bias, y)
            run(finish_task(y, self.epilogue))

    def backward(self, run, x, y, dy, dx):
        if self._gradient is not None:
            self._plan("weight_grad")(run, x, dy, self._gradient)
        if self.sums is not None:
            sum_columns(run, dy, self.sums)
        if dx is not None:
            self._plan("input_grad")(run, dy, self._w, dx)


class Dense:
    """y = x . w + bias for all rows."""

    in_place = False

    def __init__(self, rows: int, shape: tuple[int, int], weights: dict[str, np.ndarray], gradients: dict[str, np.ndarray]):
        self._plan = LinearPlan(rows, *shape, weights["kernel"].dtype)
        self._w, self._bias, self._gradients = weights["kernel"], weights.get("bias"), gradients

    def forward(self, run, x, y):
        self._plan.output(run, x, self._w, self._bias, y)

    def backward(self, run, x, y, dy, dx):
        if "kernel" in self._gradients:
            self._plan.weight_grad(run, x, dy, self._gradients["kernel"])
        if "bias" in self._gradients:
            sum_columns(run, dy, self._gradients["bias"])
        if dx is not None:
            self._plan.input_grad(run, dy, self._w, dx)


class MaxPool:
    """Max pooling; of equal maxima one, or each, gets the gradient.

    Where one does, dx has the same sums as dy, which has fewer pixels; `sums` is where they are computed, if they are.
    """

    in_place = False

    def __init__(self, spec: PoolSpec, ties: str):
        self._plan, self._ties = PoolPlan(spec), TIES[ties]
        self.keeps_sums = ties == "first"
        self.sums: np.ndarray | None = None

    def forward(self, run, x, y):
        self._plan.pick(run, MAX, x, y)

    def backward(self, run, x, y, dy, dx):
        if dx is not None:
            self._plan.pick_grad(run, MAX, self._ties, dy, x, dx)
        if self.sums is not None:
            sum_columns(run, dy, self.sums)


class AveragePool:
    """Average pooling, also over the whole image."""

    in_place = False

    def __init__(self, spec: PoolSpec, count_padding: bool = False):
        self._plan = PoolPlan(spec, count_padding)

    def forward(self, run, x, y):
        self._plan.average(run, 0, x, y)

    def backward(self, run, x, y, dy, dx):
        if dx is not None:
            self._plan.average_grad(run, 0, dy, dx)


class Relu:
    """max(y, 0), or slope * y for negative y; `done` says that the operation before it has finished its results so."""

    in_place = True
    done = False

    def __init__(self, dtype: np.dtype, slope: float = 0.0):
        self._slope = np.array([slope], dtype)

    @property
    def epilogue(self) -> Epilogue:
        """What a convolution before it can do to its results instead."""
        name, dtype = "leaky_relu" if self._slope[0] else "relu", self._slope.dtype
        return Epilogue(name, np.array([self._slope[0], 0], np.float64), np.empty(0, dtype), np.zeros(1, np.int64))

    def forward(self, run, x, y):
        if not self.done:
            run(Task(relu, (y, self._slope), blocks_of(y), y.size))

    def backward(self, run, x, y, dy, dx):
        run(Task(relu_grad, (y, dy, self._slope), blocks_of(dy), dy.size))


class Dropout:
    """Elements set to zero at random; `number` tells it from the model's others."""

    in_place = True

    def __init__(self, shape: tuple[int, ...], rate: float, number: int, order: np.ndarray, state: np.ndarray, dtype: np.dtype):
        self._images, self._size = shape[0], prod(shape[1:])
        self._order, self._state, self._number = order, state, number
        self._threshold, self._scale = min(round(rate * 2**32), 2**32 - 1), np.array([1 / (1 - rate)], dtype)

    def _drop(self, run, y):
        arguments = y, self._size, self._order, self._state, self._number, self._threshold, self._scale
        run(Task(dropout, arguments, self._images, 4 * y.size))

    def forward(self, run, x, y):
        self._drop(run, y)

    def backward(self, run, x, y, dy, dx):
        self._drop(run, dy)
