"""A set of samples as the engine reads it: flat arrays in place, an order, and the state of going through it."""

from __future__ import annotations

import numpy as np

from ..kernels.training.batch import EPOCH, POSITION, SEED, STATE_SIZE, gather, gather_shifted
from ..kernels.training.loss import cross_entropy_loss, squared_loss
from ..runtime.memory import zeros
from ..runtime.task import Run, Task
from ..shapes import Ints


class Data:
    """Images (n, ...) and their targets: labels (n,), or numbers (n, outputs), or none.

    The images are read as they are and scaled as the batches are made; losses and correct are by place in the order. `classified`
    says whether the targets are classes, so that correct means something.
    """

    def __init__(
        self, images: np.ndarray, targets: np.ndarray | None, dtype: np.dtype, seed: int = 0, classified: bool = True
    ):  # fmt: skip
        self.count, self.shape, self.classified = len(images), images.shape[1:], classified
        self.order, self.state = zeros(self.count, np.int64), zeros(STATE_SIZE, np.int64)
        self.order[:] = np.arange(self.count)
        self.state[SEED] = seed
        self.losses, self.correct = zeros(self.count, np.float64), zeros(self.count, np.bool_)
        self.images, self._dtype = images.reshape(-1), dtype
        self.targets = np.zeros(0, dtype) if targets is None else targets
        self.scale = np.array([1 / 255 if images.dtype == np.uint8 else 1], dtype)

    def begin(self, epoch: int, order: np.ndarray, position: int = 0) -> None:
        """Begin an epoch in a new order."""
        self.order[:] = order
        self.state[EPOCH], self.state[POSITION] = epoch, position

    def gather(self, run: Run, batch: int, x: np.ndarray, shift: int = 0) -> None:
        """x = the next batch, images moved by up to `shift` pixels at random."""
        if shift:
            kernel, rest = gather_shifted, (*image_axes(self.shape), shift)
        else:
            kernel, rest = gather, ()
        run(Task(kernel, (self.images, self.order, self.state, self.scale, x, *rest), batch, x.size))

    def loss(self, run: Run, name: str, batch: int, y: np.ndarray, dy: np.ndarray) -> None:
        """Note the losses of results y, and what is correct, and compute dy unless it has no elements."""
        outputs = y.size // batch
        kernel = cross_entropy_loss if name == "cross_entropy" else squared_loss
        arguments = y, self.targets.reshape(-1), self.order, self.state, outputs, batch, self.losses, self.correct, dy
        run(Task(kernel, arguments, batch, 40 * y.size))


def image_axes(shape: Ints) -> Ints:
    """Return (height, width, channels) of images of this shape, which may have no axis of channels."""
    return (*shape, 1) if len(shape) == 2 else shape
