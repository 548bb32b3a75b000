"""What the notebooks' two convolution layers share: their kernels, which the first image may have drawn anew, and their passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import as_array
from ..shapes import as_int, check_shape
from .checks import (
    batch_hint,
    check_forward_done,
    check_rate,
    check_updatable,
    compute_type,
    described,
    image_or_maps,
    is_batch,
    is_ready,
    ready,
)
from .planned import PlannedConvolution, planned_convolution
from .weights import LayerWithWeights


class Convolution(LayerWithWeights):
    """What the two families' convolution layers share: kernels (f, k, k) for (h, w) images, (f, k, k, c) for (h, w, c)."""

    _kernels_name: str
    _image_name: str
    _method: str
    _size: int

    def __init__(self, filters: int, size: int, channels: int | None, init: str, dtype: Any):
        super().__init__(init, dtype)
        self._filters = as_int(self._name, "the number of kernels", filters, 1)
        self._size = as_int(self._name, "kernel_size", size, 1)
        if channels is not None:
            channels = as_int(self._name, "channels", channels, 1)
        setattr(self, self._kernels_name, self._draw(channels))
        # Kernels for (h, w, c) images are drawn at the first image, if these here are then still as they were drawn.
        self._undrawn = getattr(self, self._kernels_name).copy() if channels is None else None
        self._drawn_for: tuple[int, ...] | None = None
        self._plan: Any = None
        self._shapes: tuple = ((), ())
        self._step: tuple | None = None
        self.dE_dk: np.ndarray | None = None
        self._dE_dX: np.ndarray | None = None

    def _described(self, *arguments: int, init: str) -> str:
        kernels = np.shape(getattr(self, self._kernels_name))
        options = {**self._options(init), "channels": kernels[3] if len(kernels) == 4 else None}
        shapes = None if self._plan is None else (self._shapes[0], self._plan.output_shape)
        return described(self._name, arguments, options, shapes)

    def _draw(self, channels: int | None) -> np.ndarray:
        shape = (self._filters, self._size, self._size) + (() if channels is None else (channels,))
        inputs = self._size**2 * (channels or 1)
        if self._init == "xavier":
            kernels = np.random.normal(loc=0, scale=np.sqrt(2 / (inputs + self._filters)), size=shape)
        else:
            kernels = np.random.randn(*shape) / inputs
        return kernels.astype(self._dtype, copy=False)

    def _check_image(self, image: Any) -> np.ndarray:
        """Return the image as an array, checked."""
        array = image_or_maps(self._name, image, self._method)
        shape, batch = array.shape, batch_hint(array.shape, self._method)
        if shape[0] < self._size or shape[1] < self._size:
            raise ValueError(
                f"{self._name}: the image must not be smaller than the kernel, but is {shape[0]} x {shape[1]} for a "
                f"kernel of {self._size} x {self._size}{batch}"
            )
        if array.ndim == 3 and shape[2] < 1:
            raise ValueError(f"{self._name}: the image must have at least one channel, but has shape {shape}")
        return array

    def _draws(self, kernels: np.ndarray, shape: tuple[int, ...]) -> bool:
        """Return whether an image of this shape is the first, and one that kernels are drawn for; refuse one like a batch."""
        if len(shape) != 3 or self._undrawn is None or not np.array_equal(kernels, self._undrawn):
            return False
        if is_batch(shape):
            raise ValueError(
                f"{self._name}: the first image must be (h, w) or (h, w, channels), but has shape {shape}"
                f"{batch_hint(shape, self._method)}; for images of {shape[2]} channels, make the layer with channels={shape[2]}"
            )
        return True

    def _check_kernels(self, kernels: np.ndarray, image_shape: tuple[int, ...]) -> None:
        """Refuse an image whose channels aren't those of the kernels."""
        hint = batch_hint(image_shape, self._method)
        if not hint and self._drawn_for is not None:
            hint = f"; they were drawn for the layer's first image, of shape {self._drawn_for}"
        if not hint and len(image_shape) == 3:
            hint = f"; for such images, make the layer with channels={image_shape[2]}"
        expected = (self._filters, self._size, self._size, *image_shape[2:])
        check_shape(self._name, f"{self._kernels_name} for an image of shape {image_shape}", kernels.shape, expected, hint)

    def _prepare(self, image: Any) -> tuple[PlannedConvolution, np.ndarray, np.ndarray]:
        """Return the plan, and the image and the live kernels as it takes them; all is checked where anything is news.

        The first image's channels are news for which kernels are drawn, if those for (h, w) are still as they were drawn.
        """
        kernels, plan = getattr(self, self._kernels_name), self._plan
        if plan is not None and is_ready(image, self._shapes[0], plan.dtype) and is_ready(kernels, self._shapes[1], plan.dtype):
            return plan, image, kernels
        array, kernels = self._check_image(image), as_array(self._name, self._kernels_name, kernels)
        draws = self._draws(kernels, array.shape)
        if not draws:
            self._check_kernels(kernels, array.shape)
        dtype = compute_type(self._dtype, array)
        shape = array.shape if array.ndim == 3 else (*array.shape, 1)
        plan = planned_convolution(self._name, shape, (self._filters, self._size, self._size, shape[2]), dtype)
        array = ready(self._name, "the image", array, dtype)
        if draws:
            kernels, self._drawn_for = self._draw(shape[2]), shape
            setattr(self, self._kernels_name, kernels)
        self._undrawn, self._plan, self._shapes = None, plan, (array.shape, kernels.shape)
        return plan, array, ready(self._name, self._kernels_name, kernels, dtype)

    def _forward(self, image: Any) -> np.ndarray:
        plan, array, kernels = self._prepare(image)
        setattr(self, self._image_name, image)
        return plan.output(array, kernels)

    def _before_backward(self) -> tuple[PlannedConvolution, np.ndarray, np.ndarray]:
        """Return the plan, the last image, and the kernels as the plan takes them; refuse what can't be updated."""
        image = getattr(self, self._image_name, None)
        if image is None or (self._undrawn is not None and np.ndim(image) == 3):
            check_forward_done(self._name, None)
        plan, array, kernels = self._prepare(image)
        live = getattr(self, self._kernels_name)
        if live is not kernels:
            check_updatable(self._name, self._kernels_name, live)
        return plan, array, kernels

    def _backward(self, gradient: Any, rate: Any) -> bool:
        """Update the kernels; keep what dE_dX needs. Return whether the image has a channel axis."""
        rate = check_rate(self._name, rate)
        plan, array, kernels = self._before_backward()
        if not is_ready(gradient, plan.output_shape, plan.dtype):
            gradient = ready(self._name, "the gradient", gradient, plan.dtype)
            check_shape(self._name, "the gradient", gradient.shape, plan.output_shape)
        live, before = getattr(self, self._kernels_name), kernels.copy()
        self.dE_dk = plan.step(array, gradient, kernels, rate)
        self._dE_dX, self._step = None, (plan, gradient, before, array.shape)
        if live is not kernels:  # strided, or of another float type: the kernel stepped on a copy
            live[...] = kernels
        return array.ndim == 3

    def backward_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of the gradient that the backward pass needs and of the image's."""
        plan, array, _ = self._before_backward()
        return plan.output_shape, array.shape

    @property
    def dE_dX(self) -> np.ndarray | None:
        """The image's gradient, of its shape, for the kernels before the update; computed when first read, None before that."""
        if self._dE_dX is None and self._step is not None:
            plan, dy, kernels, shape = self._step
            self._dE_dX = plan.input_grad(dy, kernels).reshape(shape)
        return self._dE_dX

    def _regions(self, image: Any, method: str) -> Iterator[tuple[np.ndarray, int, int]]:
        k, array = self._size, image_or_maps(self._name, image, method)
        height, width = array.shape[0] - k + 1, array.shape[1] - k + 1
        return ((array[h : h + k, w : w + k], h, w) for h in range(height) for w in range(width))
