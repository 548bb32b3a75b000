"""A model's operations in a row, planned for one batch size, with the arrays between them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from ..runtime.memory import Arena
from ..runtime.task import Run
from ..shapes import Ints
from .operations import Convolution, MaxPool, Operation, Relu


class Node(NamedTuple):
    """An operation and the shape of its result, and whether it has weights."""

    operation: Operation
    shape: Ints
    weighted: bool


def pool_before_relu(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes with each ReLU that is followed by max pooling behind it, where it has fewer elements to look at.

    The larger of two numbers has the larger ReLU, so nothing changes; of maxima that are equal only after the ReLU, all being
    negative, none gets a gradient either way.
    """
    ordered = list(nodes)
    for i in range(len(ordered) - 1):
        relu, pool = ordered[i : i + 2]
        if isinstance(relu.operation, Relu) and isinstance(pool.operation, MaxPool):
            ordered[i : i + 2] = [pool, Node(relu.operation, pool.shape, False)]
    return ordered


def sum_before_pool(nodes: Sequence[Node]) -> None:
    """Let max pooling compute the gradient of the bias of a convolution before it: it has fewer elements to add."""
    for before, node in zip(nodes, nodes[1:], strict=False):
        convolution, pool = before.operation, node.operation
        if isinstance(convolution, Convolution) and isinstance(pool, MaxPool) and pool.keeps_sums:
            pool.sums, convolution.sums = convolution.sums, None


def relu_in_convolution(nodes: Sequence[Node]) -> None:
    """Let convolutions finish their results by the ReLU behind them; its gradient needs no more than these."""
    for before, node in zip(nodes, nodes[1:], strict=False):
        if isinstance(before.operation, Convolution) and isinstance(node.operation, Relu):
            before.operation.epilogue, node.operation.done = node.operation.epilogue, True


class Graph:
    """Forward and, in training, backward through all nodes; `x` is the batch, `y` the result, and `dy` is for its gradient.

    In training all nodes' results are kept; else only the last two, so that a long chain takes no more memory than its largest two.
    """

    def __init__(self, shape: Ints, nodes: Sequence[Node], dtype: np.dtype, training: bool):
        self._nodes = pool_before_relu(nodes)
        sum_before_pool(self._nodes)
        relu_in_convolution(self._nodes)
        sizes = [prod(shape)] + [prod(node.shape) for node in self._nodes if not node.operation.in_place]
        self._first = next((i for i, node in enumerate(self._nodes) if node.weighted), len(self._nodes))
        gradient = max(sizes[1:], default=sizes[0]) if training else 0
        kept = sizes if training else [max(sizes[::2]), max(sizes[1::2], default=0)]
        arena = Arena(sum(map(Arena.room, kept)) + 2 * Arena.room(gradient), dtype)
        places = [arena.take(size) for size in kept]
        arrays = [places[number % len(places)][:size] for number, size in enumerate(sizes)]
        self.x, self._arrays, place = arrays[0], [arrays[0]], 0
        for node in self._nodes:
            place += not node.operation.in_place
            self._arrays.append(arrays[place])
        self.y = self._arrays[-1]
        self._gradients = arena.take(gradient), arena.take(gradient)
        self.dy = self._gradients[0][: self.y.size] if training else self.y[:0]

    def forward(self, run: Run) -> None:
        """Compute y from x."""
        for node, x, y in zip(self._nodes, self._arrays, self._arrays[1:], strict=False):
            node.operation.forward(run, x, y)

    def backward(self, run: Run) -> None:
        """Compute all weights' gradients from dy, which isn't kept."""
        now, other = self._gradients
        for i in range(len(self._nodes) - 1, self._first - 1, -1):
            operation, (x, y) = self._nodes[i].operation, self._arrays[i : i + 2]
            dy = now[: y.size]
            if operation.in_place:
                operation.backward(run, x, y, dy, dy)
            else:
                operation.backward(run, x, y, dy, other[: x.size] if i > self._first else None)
                now, other = other, now
