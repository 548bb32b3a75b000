"""The notebooks' pooling layers: MaxPoolingLayer and MaxPool2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import FLOAT32, FLOAT64, as_array, check_rank
from ..shapes import as_int, check_shape
from .checks import batch_hint, check_forward_done, described, image_or_maps, is_ready, ready
from .planned import PlannedMaxPooling, planned_max_pooling


class _MaxPooling:
    """What the two families' pooling layers share."""

    _image_name: str
    _method: str
    _size: int

    def __init__(self, size: int):
        self._name = type(self).__name__
        self._size = as_int(self._name, "kernel_size", size, 1)
        self._plan: PlannedMaxPooling | None = None

    def _described(self, *arguments: int) -> str:
        plan = self._plan
        return described(self._name, arguments, {}, None if plan is None else (plan.image_shape, plan.output_shape))

    def _prepare(self, image: Any) -> tuple[PlannedMaxPooling, np.ndarray]:
        """Return the plan, and the image as it takes it; all is checked where anything is news."""
        plan = self._plan
        if plan is not None and is_ready(image, plan.image_shape, plan.dtype):
            return plan, image
        array = as_array(self._name, "the image", image)
        check_rank(self._name, "the image", array, 3, "(h, w, channels)", batch_hint(array.shape, self._method))
        if min(array.shape[:2]) < self._size:
            raise ValueError(
                f"{self._name}: the window must not be larger than the image, but is {self._size} x {self._size} for an image of "
                f"{array.shape[0]} x {array.shape[1]}{batch_hint(array.shape, self._method)}"
            )
        dtype = FLOAT32 if array.dtype.newbyteorder("=") == FLOAT32 else FLOAT64
        self._plan = planned_max_pooling(self._name, array.shape, self._size, dtype)
        return self._plan, ready(self._name, "the image", array, dtype)

    def _forward(self, image: Any) -> np.ndarray:
        plan, array = self._prepare(image)
        setattr(self, self._image_name, image)
        return plan.output(array)

    def _before_backward(self) -> tuple[PlannedMaxPooling, np.ndarray]:
        image = getattr(self, self._image_name, None)
        if image is None:
            check_forward_done(self._name, image)
        return self._prepare(image)

    def _backward(self, gradient: Any) -> np.ndarray:
        plan, array = self._before_backward()
        if not is_ready(gradient, plan.output_shape, plan.dtype):
            gradient = ready(self._name, "the gradient", gradient, plan.dtype)
            check_shape(self._name, "the gradient", gradient.shape, plan.output_shape)
        return plan.input_grad(gradient, array)

    def backward_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of the gradient that the backward pass needs and of the image's."""
        plan, array = self._before_backward()
        return plan.output_shape, array.shape

    def _regions(self, image: Any, method: str) -> Iterator[tuple[np.ndarray, int, int]]:
        k, array = self._size, image_or_maps(self._name, image, method)
        height, width = array.shape[0] // k, array.shape[1] // k
        return ((array[h * k : (h + 1) * k, w * k : (w + 1) * k], h, w) for h in range(height) for w in range(width))


class MaxPoolingLayer(_MaxPooling):
    """Max pooling of one image by windows of kernel_size x kernel_size that don't overlap.

    Rows and columns left over at the end (h % k, w % k) belong to no window and get no gradient. Where a window has its maximum
    several times, each of them gets the gradient; a NaN counts as the maximum. (One notebook returns from the middle of
    the gradient's loop, so that only the first window gets any; here all do.)

    Attributes
    ----------
    kernel_size : int
    image : the last image

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import MaxPoolingLayer
    >>> layer = MaxPoolingLayer(2)
    >>> layer.forward_prop(np.arange(16.0).reshape(4, 4, 1))[:, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    _image_name, _method = "image", "forward_prop"
    image: Any = None

    def __init__(self, kernel_size: int):
        super().__init__(kernel_size)
        self.kernel_size = self._size

    def __repr__(self) -> str:
        return self._described(self._size)

    def patches_generator(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield (patch, row, column) for each window, row by row, as the notebook; keeps the image."""
        regions = self._regions(image, "patches_generator")
        self.image = image
        yield from regions

    def forward_prop(self, image: Any) -> np.ndarray:
        """Return the (h // k, w // k, c) maxima of an (h, w, c) image."""
        return self._forward(image)

    def back_prop(self, dE_dY: Any) -> np.ndarray:
        """Return the (h, w, c) gradient of the image, given the (h // k, w // k, c) gradient of the maxima."""
        return self._backward(dE_dY)


class MaxPool2(_MaxPooling):
    """Max pooling of one image by windows of 2 x 2; everything else as `MaxPoolingLayer`.

    Attributes
    ----------
    last_input : the last image

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import MaxPool2
    >>> MaxPool2().forward(np.zeros((26, 26, 8))).shape
    (13, 13, 8)
    """

    _image_name, _method = "last_input", "forward"
    last_input: Any = None

    def __init__(self) -> None:
        super().__init__(2)

    def __repr__(self) -> str:
        return self._described()

    def iterate_regions(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield (region, row, column) for each 2 x 2 window, row by row."""
        return self._regions(image, "iterate_regions")

    def forward(self, input: Any) -> np.ndarray:
        """Return the (h // 2, w // 2, c) maxima of an (h, w, c) image."""
        return self._forward(input)

    def backprop(self, d_L_d_out: Any) -> np.ndarray:
        """Return the (h, w, c) gradient of the image, given the (h // 2, w // 2, c) gradient of the maxima."""
        return self._backward(d_L_d_out)
