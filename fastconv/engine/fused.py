"""A model of the notebook's kind (convolution, pooling, dense layer) in one pass over each image: see the kernel of this name."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..kernels.arrays.blocks import add_parts, blocks_of
from ..kernels.arrays.long_sums import FLOAT64, block_of, is_long
from ..kernels.fused.conv_pool_dense import (
    FORWARD,
    GRADIENT,
    ONLINE,
    conv_pool_dense_kernel,
    pack_conv_pool_dense,
    unpack_conv_pool_dense,
)
from ..kernels.simd.tile import fit_rows
from ..kernels.simd.vector import lanes_of
from ..kernels.training.optimizers import descend
from ..runtime.machine import REGISTERS
from ..runtime.memory import buffer
from ..runtime.task import Run, Task
from .data import Data

MOST_CLASSES = 12
"""The classes of a pixel's weights, and as many sums, are kept in registers."""
PARTS, PART_IMAGES = 8, 16
"""A batch is summed in up to so many parts, whatever the number of threads, each of so many images or more."""
ONLINE_IMAGES = 1000
"""So many images in turn, each an update, are one unit of work: some milliseconds."""


class ConvPoolDense(NamedTuple):
    """What such a model consists of: sizes, options, and its weights as flat views (a bias of no elements where there is none)."""

    width: int
    size: int
    filters: int
    classes: int
    relu: bool
    first: bool
    weights: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

    def new_packed(self) -> np.ndarray:
        """Return memory for the weights in the kernel's order."""
        pixels = ((self.width - self.size + 1) // 2) ** 2
        packed = buffer((self.size**2 + 1 + pixels * self.classes) * self._padded + self.classes, self.weights[0].dtype)
        packed[:] = 0
        return packed

    def pack(self, run: Run, packed: np.ndarray) -> None:
        """Copy the weights to where the kernel has them."""
        self._copy(run, pack_conv_pool_dense, (*self.weights, self._sizes, packed), packed)

    def unpack(self, run: Run, packed: np.ndarray) -> None:
        """Copy them back."""
        self._copy(run, unpack_conv_pool_dense, (packed, self._sizes, *self.weights), packed)

    @property
    def _padded(self) -> int:
        lanes = lanes_of(self.weights[0].dtype)
        return -(-self.filters // lanes) * lanes

    @property
    def _sizes(self) -> tuple[int, int, int, int]:
        return self.size**2, self.filters, self.classes, self._padded

    def _copy(self, run: Run, kernel: Any, arguments: tuple, packed: np.ndarray) -> None:
        run(Task(kernel, arguments, ((self.width - self.size + 1) // 2) ** 2, 4 * packed.size))

    def _pass(self, run: Run, data: Data, batch: int, mode: int, packed: np.ndarray, sums: np.ndarray, rates: np.ndarray) -> None:
        """Take a batch, in as many parts as there are sums, or as the mode has."""
        parts = {ONLINE: 1, FORWARD: min(batch, 4 * PARTS)}.get(mode, sums.size // packed.size)
        pooled = (self.width - self.size + 1) // 2
        pixels, padded = pooled * pooled, self._padded
        long, many = is_long(pixels, packed.dtype), mode == GRADIENT and is_long(batch, packed.dtype)
        rows, biased = fit_rows(pooled, (REGISTERS - 2) // 4), len(self.weights[1]) > 0
        kernel = conv_pool_dense_kernel(self.size, self.classes, rows, mode, biased, self.relu, self.first, long, many)
        room = max(self.size**2, self.classes) * lanes_of(packed.dtype) if long else 0
        wide = room + (packed.size if many else 0)
        scratchpads = (
            partial(buffer, n, packed.dtype)
            for n in (self.width**2, room + 4 * pixels * padded, pixels * padded, *[self.classes] * 3)
        )  # fmt: skip
        sizes = self.width, self.filters, padded, batch, parts, block_of(max(batch, pixels))
        task = Task(
            kernel, (data.images, data.targets, data.order, data.state, data.scale, rates,
            sizes, packed, sums, data.losses, data.correct, *scratchpads, partial(buffer, wide, FLOAT64)),
            parts, 6 * batch * packed.size,
        )  # fmt: skip
        run(task)

    def _new_sums(self, batch: int, packed: np.ndarray) -> np.ndarray:
        return buffer(max(1, min(PARTS, batch // PART_IMAGES)) * packed.size, packed.dtype)

    def online(self, run: Run, data: Data, images: int, packed: np.ndarray, rates: np.ndarray) -> None:
        """Take so many images, with an update of plain gradient descent after each."""
        self._pass(run, data, images, ONLINE, packed, packed[:0], rates)

    def descend(self, run: Run, data: Data, batch: int, packed: np.ndarray, rates: np.ndarray) -> None:
        """Take a batch, and make an update of plain gradient descent."""
        sums = self._new_sums(batch, packed)
        self._pass(run, data, batch, GRADIENT, packed, sums, rates)
        run(Task(descend, (sums, packed, rates, data.state), blocks_of(packed), sums.size))

    def gradient(self, run: Run, data: Data, batch: int, gradients: ConvPoolDense) -> None:
        """Compute a batch's losses and the gradients of the weights, to the places of another one's weights."""
        packed = self.new_packed()
        self.pack(run, packed)
        sums = self._new_sums(batch, packed)
        self._pass(run, data, batch, GRADIENT, packed, sums, np.zeros(0))
        run(Task(add_parts, (sums, packed), blocks_of(packed), sums.size))
        gradients.unpack(run, packed)

    def forward(self, run: Run, data: Data, batch: int) -> None:
        """Compute a batch's losses."""
        packed = self.new_packed()
        self.pack(run, packed)
        self._pass(run, data, batch, FORWARD, packed, packed[:0], np.zeros(0))
