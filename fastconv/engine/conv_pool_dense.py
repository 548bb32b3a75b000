"""A model of the notebook's kind (convolution, pooling, dense layer) in one pass over each image: see the kernel of this name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..kernels.call import Call
from ..kernels.conv_pool_dense import (
    FORWARD,
    GRADIENT,
    ONLINE,
    conv_pool_dense_kernel,
    pack_conv_pool_dense,
    unpack_conv_pool_dense,
)
from ..kernels.pack import add_parts, blocks_of, buffer
from ..kernels.simd import REGISTERS, lanes_of
from ..kernels.tile import fit_rows
from .data import Data
from .operations import Split

MOST_CLASSES = 12
"""The classes of a pixel's weights, and as many sums, are kept in registers."""
PARTS = 8
"""A batch is summed in up to so many parts, whatever the number of threads."""
ONLINE_IMAGES = 1000
"""Between the weights' packing and unpacking there are so many images, each an update: some milliseconds."""


class ConvPoolDense(NamedTuple):
    """What such a model consists of: sizes, options, and its weights as flat views (a bias of no elements where there is none)."""

    width: int
    size: int
    filters: int
    classes: int
    relu: bool
    first: bool
    weights: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

    def _record(self, split: Split, data: Data, batch: int, mode: int, parts: int, rates: np.ndarray) -> np.ndarray:
        """Add the packing and the pass over a batch to a program, and return the packed weights."""
        dtype, pooled = self.weights[0].dtype, (self.width - self.size + 1) // 2
        padded = -(-self.filters // lanes_of(dtype)) * lanes_of(dtype)
        pixels = pooled * pooled
        packed = buffer((self.size**2 + 1 + pixels * self.classes) * padded + self.classes, dtype)
        packed[:] = 0
        split(pixels, Call(pack_conv_pool_dense, *self.weights, self._sizes(padded), packed), 4 * packed.size)
        rows = fit_rows(pooled, (REGISTERS - 2) // 4)
        biased = len(self.weights[1]) > 0
        kernel = conv_pool_dense_kernel(self.size, self.classes, rows, mode, biased, self.relu, self.first)
        sums = buffer(parts * packed.size if mode == GRADIENT else 0, dtype)
        rooms = (
            lambda n=n: buffer(n, dtype)
            for n in (self.width**2, 4 * pixels * padded, pixels * padded, *[self.classes] * 3)
        )  # fmt: skip
        call = Call(
            kernel, data.images, data.targets, data.order, data.state, data.scale, rates, (self.width, padded, batch, parts),
            packed, sums, data.losses, data.correct, *rooms,
        )  # fmt: skip
        split(parts, call, 6 * batch * packed.size)
        if mode == GRADIENT:
            split(blocks_of(packed), Call(add_parts, sums, packed), sums.size)
        return packed

    def _sizes(self, padded: int) -> tuple[int, int, int, int]:
        return self.size**2, self.filters, self.classes, padded

    def _unpack(self, split: Split, packed: np.ndarray, targets: tuple[np.ndarray, ...]) -> None:
        padded = -(-self.filters // lanes_of(packed.dtype)) * lanes_of(packed.dtype)
        pixels = ((self.width - self.size + 1) // 2) ** 2
        split(pixels, Call(unpack_conv_pool_dense, packed, self._sizes(padded), *targets), 4 * packed.size)

    def online(self, split: Split, data: Data, images: int, rates: np.ndarray) -> None:
        """Take so many images, with an update of plain gradient descent after each."""
        packed = self._record(split, data, images, ONLINE, 1, rates)
        self._unpack(split, packed, self.weights)

    def gradient(self, split: Split, data: Data, batch: int, gradients: tuple[np.ndarray, ...]) -> None:
        """Compute a batch's losses and the weights' gradients."""
        parts = max(1, min(PARTS, batch // 4))
        packed = self._record(split, data, batch, GRADIENT, parts, np.zeros(0))
        self._unpack(split, packed, gradients)

    def forward(self, split: Split, data: Data, batch: int) -> None:
        """Compute a batch's losses."""
        self._record(split, data, batch, FORWARD, min(batch, 4 * PARTS), np.zeros(0))
