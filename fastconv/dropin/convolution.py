"""The notebooks' convolution layers: ConvolutionLayer and Conv3x3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .shared_convolution import Convolution


class ConvolutionLayer(Convolution):
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
        The channels c of (h, w, c) images. If it isn't given, the kernels drawn here are for (h, w), and a first image that is
        (h, w, c) has others drawn for it, as in a stack of layers; later images can't.

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
        For sizes that aren't positive integers, images or gradients of a wrong shape or kind, a rate that isn't finite, and
        back_prop before forward_prop. Also for a first image that looks like a batch (n, h, w): its last two axes are equal, or
        nearer to it than its first two, of which one is over 1.5 times the other; for images of such a shape, give channels. The
        layer is left as it was, and so is numpy.random.

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

    kernels: np.ndarray
    _kernels_name, _image_name, _method = "kernels", "image", "forward_prop"
    image: Any = None

    def __init__(self, kernel_num: int, kernel_size: int, *, init: str = "xavier", dtype: Any = None, channels: int | None = None):
        super().__init__(kernel_num, kernel_size, channels, init, dtype)
        self.kernel_num, self.kernel_size = self._filters, self._size

    def __repr__(self) -> str:
        return self._described(self._filters, self._size, init="xavier")

    def patches_generator(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield (patch, row, column) for each window, row by row, as the notebook; keeps the image."""
        regions = self._regions(image, "patches_generator")
        self.image = image
        yield from regions

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


class Conv3x3(Convolution):
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

    filters: np.ndarray
    _kernels_name, _image_name, _method = "filters", "last_input", "forward"
    last_input: Any = None

    def __init__(self, num_filters: int, *, dtype: Any = None, channels: int | None = None):
        super().__init__(num_filters, 3, channels, "scaled", dtype)
        self.num_filters = self._filters

    def __repr__(self) -> str:
        return self._described(self._filters, init="scaled")

    def iterate_regions(self, image: Any) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield (region, row, column) for each 3 x 3 window, row by row."""
        return self._regions(image, "iterate_regions")

    def forward(self, input: Any) -> np.ndarray:
        """Return the (h - 2, w - 2, num_filters) output for an (h, w) or (h, w, c) image."""
        return self._forward(input)

    def backprop(self, d_L_d_out: Any, learn_rate: float) -> np.ndarray | None:
        """Update the filters, given the output's gradient; return None for an (h, w) image, as the notebook, else its gradient."""
        return self.dE_dX if self._backward(d_L_d_out, learn_rate) else None
