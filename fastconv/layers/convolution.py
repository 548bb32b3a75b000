"""The notebooks' convolution layers: ConvolutionLayer and Conv3x3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._arrays import as_array
from ..functional.planned import PlannedConvolution, planned_convolution
from ..shapes import as_int, check_shape
from .checks import check_dtype, check_forward_done, check_init, check_rate, check_updatable, compute_type, is_ready, ready


class _Convolution:
    """What the two families' convolution layers share: kernels (f, k, k) for (h, w) images, (f, k, k, c) for (h, w, c)."""

    _kernels_name: str
    _image_name: str
    _size: int

    def __init__(self, filters: int, size: int, channels: int | None, init: str, dtype: Any):
        self._name = type(self).__name__
        check_init(self._name, init)
        self._filters = as_int(self._name, "the number of kernels", filters, 1)
        self._size = as_int(self._name, "kernel_size", size, 1)
        self._init, self._dtype = init, check_dtype(self._name, dtype)
        if channels is not None:
            channels = as_int(self._name, "channels", channels, 1)
        setattr(self, self._kernels_name, self._draw(channels))
        # Kernels for (h, w, c) images are drawn when c is known, if these here are then still as they were drawn.
        self._undrawn = getattr(self, self._kernels_name).copy() if channels is None else None
        self._plan: Any = None
        self._shapes: tuple = ((), ())
        self._step: tuple | None = None
        self.dE_dk: np.ndarray | None = None
        self._dE_dX: np.ndarray | None = None

    def _draw(self, channels: int | None) -> np.ndarray:
        shape = (self._filters, self._size, self._size) + (() if channels is None else (channels,))
        inputs = self._size**2 * (channels or 1)
        if self._init == "xavier":
            kernels = np.random.normal(loc=0, scale=np.sqrt(2 / (inputs + self._filters)), size=shape)
        else:
            kernels = np.random.randn(*shape) / inputs
        return kernels.astype(self._dtype, copy=False)

    def _check_image(self, image: Any) -> np.ndarray:
        """Return the image as an array, checked; draw the kernels where its channels are news."""
        array = as_array(self._name, "the image", image)
        if array.ndim not in (2, 3):
            raise ValueError(f"{self._name}: the image must be (h, w) or (h, w, channels), but has shape {array.shape}")
        if array.shape[0] < self._size or array.shape[1] < self._size:
            raise ValueError(
                f"{self._name}: the image must not be smaller than the kernel, but is {array.shape[0]} x {array.shape[1]} for a "
                f"kernel of {self._size} x {self._size}"
            )
        if array.ndim == 3 and array.shape[2] < 1:
            raise ValueError(f"{self._name}: the image must have at least one channel, but has shape {array.shape}")
        if array.ndim == 3 and self._undrawn is not None:
            if np.array_equal(getattr(self, self._kernels_name), self._undrawn):
                setattr(self, self._kernels_name, self._draw(array.shape[2]))
            self._undrawn = None
        return array

    def _prepare(self, image: Any) -> tuple[PlannedConvolution, np.ndarray, np.ndarray]:
        """Return the plan, and the image and the live kernels as it takes them; all is checked where anything is news."""
        kernels, plan = getattr(self, self._kernels_name), self._plan
        if plan is not None and is_ready(image, self._shapes[0], plan.dtype) and is_ready(kernels, self._shapes[1], plan.dtype):
            return plan, image, kernels
        array = self._check_image(image)
        kernels = as_array(self._name, self._kernels_name, getattr(self, self._kernels_name))
        expected = (self._filters, self._size, self._size, *array.shape[2:])
        check_shape(self._name, f"{self._kernels_name} for an image of shape {array.shape}", kernels.shape, expected)
        dtype = compute_type(self._dtype, array)
        shape = array.shape if array.ndim == 3 else (*array.shape, 1)
        plan = planned_convolution(self._name, shape, (self._filters, self._size, self._size, shape[2]), dtype)
        self._plan, self._shapes = plan, (array.shape, kernels.shape)
        return plan, ready(self._name, "the image", array, dtype), ready(self._name, self._kernels_name, kernels, dtype)

    def _forward(self, image: Any) -> np.ndarray:
        plan, array, kernels = self._prepare(image)
        setattr(self, self._image_name, image)
        return plan.output(array, kernels)

    def _backward(self, gradient: Any, rate: Any) -> bool:
        """Update the kernels; keep what dE_dX needs. Return whether the image has a channel axis."""
        image = getattr(self, self._image_name, None)
        if image is None:
            check_forward_done(self._name, image)
        if type(rate) is not float:
            rate = check_rate(self._name, rate)
        plan, array, kernels = self._prepare(image)
        if not is_ready(gradient, plan.output_shape, plan.dtype):
            gradient = ready(self._name, "the gradient", gradient, plan.dtype)
            check_shape(self._name, "the gradient", gradient.shape, plan.output_shape)
        live = getattr(self, self._kernels_name)
        if live is not kernels:
            check_updatable(self._name, self._kernels_name, live)
        before = kernels.copy()
        self.dE_dk = plan.step(array, gradient, kernels, rate)
        self._dE_dX, self._step = None, (plan, gradient, before, array.shape)
        if live is not kernels:  # strided, or of another float type: the kernel stepped on a copy
            live[...] = kernels
        return array.ndim == 3

    @property
    def dE_dX(self) -> np.ndarray | None:
        """The image's gradient, of its shape, for the kernels before the update; computed when first read, None before that."""
        if self._dE_dX is None and self._step is not None:
            plan, dy, kernels, shape = self._step
            self._dE_dX = plan.input_grad(dy, kernels).reshape(shape)
        return self._dE_dX

    def _regions(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        k = self._size
        for h in range(image.shape[0] - k + 1):
            for w in range(image.shape[1] - k + 1):
                yield image[h : h + k, w : w + k], h, w


class ConvolutionLayer(_Convolution):
    """A valid convolution of one image with `kernel_num` square kernels, trained by gradient descent.

    Parameters
    ----------
    kernel_num : int
        How many kernels, f.
    kernel_size : int
        Their height and width, k.
    init : "xavier" or "scaled"
        The notebooks' two draws from numpy.random's global state: N(0, sqrt(2 / (k * k + f))), or randn / (k * k); with channels
        k * k * c in the place of k * k. (The first is the notebook's own formula; Glorot's has k * k * (c + f).)
    dtype : float32 or float64, optional
        float64 if not given. With float32, float32 images are computed in float32.
    channels : int, optional
        The channels c of (h, w, c) images; if not given, the first such image tells, and the kernels are drawn then.

    Attributes
    ----------
    kernels : (f, k, k) or (f, k, k, c) ndarray
    kernel_num, kernel_size : int
    image : the last image
    dE_dk : ndarray of kernels' shape, after back_prop
    dE_dX : ndarray of the image's shape, after back_prop, computed when first read, from the dE_dY that back_prop was given

    Raises
    ------
    ValueError, TypeError
        For sizes that aren't positive integers, images or gradients of a wrong shape or kind, and back_prop before
        forward_prop; the kernels are left as they were.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import ConvolutionLayer
    >>> layer = ConvolutionLayer(1, 2)
    >>> layer.kernels[:] = [[[6, 0], [-7, -1]]]
    >>> image = np.array([[1, -2, -9, 6], [5, 8, 7, 9], [-6, 2, 0, -1], [-3, 4, -1, 0]])
    >>> layer.forward_prop(image)[:, :, 0]
    array([[ -37.,  -75., -112.],
           [  70.,   34.,   43.],
           [ -19.,  -15.,    7.]])
    """

    _kernels_name, _image_name = "kernels", "image"
    image: Any = None

    def __init__(self, kernel_num: int, kernel_size: int, *, init: str = "xavier", dtype: Any = None, channels: int | None = None):
        super().__init__(kernel_num, kernel_size, channels, init, dtype)
        self.kernel_num, self.kernel_size = self._filters, self._size

    def patches_generator(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield (patch, row, column) for each window, row by row, as the notebook; keeps the image."""
        self.image = image
        yield from self._regions(image)

    def forward_prop(self, image: Any) -> np.ndarray:
        """Return the (h - k + 1, w - k + 1, f) output for an (h, w) or (h, w, c) image."""
        return self._forward(image)

    def back_prop(self, dE_dY: Any, alpha: float) -> np.ndarray:
        """Update the kernels by -alpha * dE_dk, given the (h - k + 1, w - k + 1, f) gradient of the output.

        Returns
        -------
        ndarray
            For an (h, w) image dE_dk, (f, k, k), as the notebook. For an (h, w, c) image dE_dX, (h, w, c), which a layer before
            this one needs (the notebook returns dE_dk there too, of a shape that no layer can use).
        """
        if self._backward(dE_dY, alpha):
            return self.dE_dX  # type: ignore[return-value]  # just made
        return self.dE_dk  # type: ignore[return-value]  # just made


class Conv3x3(_Convolution):
    """A valid convolution of one image with `num_filters` filters of 3 x 3, trained by gradient descent.

    Parameters
    ----------
    num_filters : int
    dtype, channels
        As `ConvolutionLayer`.

    Attributes
    ----------
    filters : (num_filters, 3, 3) or (num_filters, 3, 3, c) ndarray
        Drawn as randn / 9 (/ (9 * c) for c channels).
    num_filters : int
    last_input : the last image

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import Conv3x3
    >>> Conv3x3(8).forward(np.zeros((28, 28))).shape
    (26, 26, 8)
    """

    _kernels_name, _image_name = "filters", "last_input"
    last_input: Any = None

    def __init__(self, num_filters: int, *, dtype: Any = None, channels: int | None = None):
        super().__init__(num_filters, 3, channels, "scaled", dtype)
        self.num_filters = self._filters

    def iterate_regions(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield (region, row, column) for each 3 x 3 window, row by row."""
        return self._regions(image)

    def forward(self, input: Any) -> np.ndarray:
        """Return the (h - 2, w - 2, num_filters) output for an (h, w) or (h, w, c) image."""
        return self._forward(input)

    def backprop(self, d_L_d_out: Any, learn_rate: float) -> np.ndarray | None:
        """Update the filters, given the output's gradient; return None for an (h, w) image, as the notebook, else its gradient."""
        return self.dE_dX if self._backward(d_L_d_out, learn_rate) else None
