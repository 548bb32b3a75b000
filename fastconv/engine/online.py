"""The notebook's network, one image an update: convolution, 2 x 2 max pooling, dense layer, softmax, cross-entropy.

One compiled function runs over the images. Its arrays keep a vector of filters together: kernels [tap][filter], dense weights
[pooled pixel][class][filter], filters filled up with zeros to whole vectors; zeros stay zeros. The convolution's four outputs of
a pooling window are four register tiles, so that the pooling is a maximum of registers.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from .. import functional
from .._jit import jit
from ..kernels.pack import buffer
from ..kernels.simd import REGISTERS, lanes, lanes_of, vload, vwhere_equal
from ..kernels.tile import fit_rows, tile_load, tile_outer, tile_outer_patch, tile_store, tile_zero
from ..kernels.tile_math import tile_max, tile_row_sum, tile_scale_add, tile_scaled_add, tile_weighted_sum
from ..shapes import check_shape


@cache
def online_kernel(size, classes, rows):
    """Return the epoch for kernels of size x size and so many classes, with tiles of `rows` pooled pixels."""
    taps = size * size

    @jit
    def run_images(
        images, labels, order, start, stop, scale, width, filters, kernels, dense, bias, rate, losses, correct,
        image, convolved, maxima, totals, gradient, step,
    ):  # fmt: skip
        """Run images[order[start:stop]], updating kernels, dense and bias at each by `rate` (0: only evaluate).

        images is flat uint8, `width` pixels high and wide, scaled by `scale`. losses[i] and correct[i] are written for
        position i of the order. The last six arrays are room to work in.
        """
        pooled = (width - size + 1) // 2
        block = lanes(kernels)
        pixels = pooled * pooled
        for place in range(start, stop):
            at = order[place] * width * width
            label = labels[order[place]]
            for i in range(width * width):
                image[i] = images[at + i] * scale
            totals[:] = bias
            for f in range(0, filters, block):
                for row in range(pooled):
                    for tile_start in range(0, pooled, rows):
                        column = min(tile_start, pooled - rows)
                        corner = 2 * (row * width + column)
                        a = b = c = d = tile_zero(kernels, rows, 1)
                        for i in range(size):
                            for j in range(size):
                                w, x = (i * size + j) * filters + f, corner + i * width + j
                                a = tile_outer(a, image, x, 2, kernels, w)
                                b = tile_outer(b, image, x + 1, 2, kernels, w)
                                c = tile_outer(c, image, x + width, 2, kernels, w)
                                d = tile_outer(d, image, x + width + 1, 2, kernels, w)
                        pixel = row * pooled + column
                        y, between = pixel * 4 * filters + f, 4 * filters
                        tile_store(a, convolved, y, between, block)
                        tile_store(b, convolved, y + filters, between, block)
                        tile_store(c, convolved, y + 2 * filters, between, block)
                        tile_store(d, convolved, y + 3 * filters, between, block)
                        tile_store(tile_max(tile_max(a, b), tile_max(c, d)), maxima, pixel * filters + f, filters, block)
                sums = tile_zero(kernels, classes, 1)
                for pixel in range(pixels):
                    maximum = vload(maxima, pixel * filters + f)
                    sums = tile_scale_add(sums, dense, pixel * classes * filters + f, filters, maximum)
                tile_row_sum(sums, totals, 0)

            best = 0
            for k in range(classes):
                if totals[k] > totals[best]:
                    best = k
            total = 0.0
            for k in range(classes):
                total += np.exp(np.float64(totals[k] - totals[best]))
            losses[place] = np.log(total) - (totals[label] - totals[best])
            correct[place] = best == label
            if rate == 0:
                continue
            for k in range(classes):
                gradient[k] = np.exp(np.float64(totals[k] - totals[best])) / total - (k == label)
                step[k] = -rate * gradient[k]
                bias[k] += step[k]

            for f in range(0, filters, block):
                sums = tile_zero(kernels, taps, 1)
                for row in range(pooled):
                    for column in range(pooled):
                        pixel = row * pooled + column
                        w = pixel * classes * filters + f
                        weights = tile_load(dense, w, filters, classes, 1)
                        back = tile_weighted_sum(weights, gradient, 0)
                        weights = tile_outer(weights, step, 0, 1, maxima, pixel * filters + f)
                        tile_store(weights, dense, w, filters, block)
                        maximum, y = vload(maxima, pixel * filters + f), pixel * 4 * filters + f
                        for i in range(2):
                            for j in range(2):
                                value = vload(convolved, y + (2 * i + j) * filters)
                                share = vwhere_equal(value, maximum, back)
                                x = (2 * row + i) * width + 2 * column + j
                                sums = tile_outer_patch(sums, image, x, size, width, share)
                scaled = tile_load(kernels, f, filters, taps, 1)
                tile_store(tile_scaled_add(scaled, -rate, sums), kernels, f, filters, block)

    return run_images


class OnlineNetwork:
    """The notebook's network, trained one image an update in float32.

    Parameters
    ----------
    filters, kernel_size, classes : int
    width : int
        Height and width of the images, in pixels.
    seed : int
        The weights are those that the notebook draws after numpy.random.seed(seed); the global state isn't touched.
    """

    def __init__(self, filters: int = 16, kernel_size: int = 3, classes: int = 10, width: int = 28, seed: int = 0):
        pooled = (width - kernel_size + 1) // 2
        if pooled < 1:
            raise ValueError(f"OnlineNetwork: width must be at least kernel_size + 1 = {kernel_size + 1}, but is {width}")
        self.filters, self.kernel_size, self.classes, self.width, self.pooled = filters, kernel_size, classes, width, pooled
        self.random = np.random.RandomState(seed)
        units = pooled * pooled * filters
        kernels = self.random.normal(0, np.sqrt(2 / (kernel_size**2 + filters)), (filters, kernel_size, kernel_size))
        weight = self.random.normal(0, np.sqrt(2 / (units + classes)), (units, classes))
        self.set_weights(kernels, weight, np.zeros(classes))

    def set_weights(self, kernels: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> None:
        """Take the notebook's arrays: kernels (filters, k, k), weight (pooled * pooled * filters, classes), bias (classes,)."""
        block = lanes_of(np.dtype(np.float32))
        self._padded = -(-self.filters // block) * block
        self._kernels = np.zeros((self.kernel_size**2, self._padded), np.float32)
        self._kernels[:, : self.filters] = kernels.reshape(self.filters, -1).T
        self._dense = np.zeros((self.pooled**2, self.classes, self._padded), np.float32)
        self._dense[:, :, : self.filters] = weight.reshape(self.pooled**2, self.filters, self.classes).transpose(0, 2, 1)
        self._bias = bias.astype(np.float32)

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return kernels, weight and bias as the notebook has them, in float32."""
        k, f = self.kernel_size, self.filters
        return {
            "kernels": np.ascontiguousarray(self._kernels[:, :f].T).reshape(f, k, k),
            "weight": np.ascontiguousarray(self._dense[:, :, :f].transpose(0, 2, 1)).reshape(-1, self.classes),
            "bias": self._bias.copy(),
        }

    def weights_hash(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of all weights."""
        digest = hashlib.sha256()
        for array in self.get_weights().values():
            digest.update(array.astype("<f4").tobytes())
        return digest.hexdigest()[:16]

    def run(self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, rate: float, slice_images: int = 500):
        """Run images[order] in turn, updating the weights at each by the rate (0: not), and yield after every slice.

        Yields
        ------
        done : int
            How many images are done.
        losses, correct : ndarrays
            For the places in the order up to `done`.
        """
        self.check_data(images, labels, order)
        kernel = online_kernel(self.kernel_size, self.classes, fit_rows(self.pooled, (REGISTERS - 2) // 4))
        losses, correct = np.empty(len(order)), np.empty(len(order), np.bool_)
        flat, targets = images.reshape(-1), labels.astype(np.int64)
        pixels = self.pooled**2 * self._padded
        rooms = [buffer(n, np.dtype(np.float32)) for n in (self.width**2, 4 * pixels, pixels, *[self.classes] * 3)]
        for start in range(0, len(order), slice_images):
            stop = min(start + slice_images, len(order))
            kernel(
                flat, targets, order, start, stop, np.float32(1 / 255), self.width, self._padded,
                self._kernels.reshape(-1), self._dense.reshape(-1), self._bias, np.float32(rate), losses, correct, *rooms,
            )  # fmt: skip
            yield stop, losses[:stop], correct[:stop]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the (n, classes) probabilities for (n, width, width) uint8 images."""
        weights = self.get_weights()
        kernels = np.ascontiguousarray(weights["kernels"].transpose(1, 2, 0))[:, :, None, :]
        convolved = functional.conv2d(images.astype(np.float32)[..., None] / np.float32(255), kernels)
        flat = functional.max_pool2d(convolved, 2).reshape(len(images), -1)
        return functional.softmax(functional.linear(flat, weights["weight"], weights["bias"]))

    def check_data(self, images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> None:
        """Refuse what the kernel, which checks nothing, would read out of bounds."""
        check_shape("OnlineNetwork", "images", images.shape, (len(images), self.width, self.width))
        check_shape("OnlineNetwork", "labels", labels.shape, images.shape[:1])
        if images.dtype != np.uint8 or not images.flags.c_contiguous or order.dtype != np.int64:
            raise TypeError(
                f"OnlineNetwork: images must be contiguous uint8 and the order int64, but are {images.dtype}, {order.dtype}"
            )
        if len(labels) and not (labels.min() >= 0 and labels.max() < self.classes):
            raise ValueError(f"OnlineNetwork: labels must be from 0 to {self.classes - 1}, but reach {labels.max()}")
        if len(order) and not (order.min() >= 0 and order.max() < len(images)):
            raise ValueError(f"OnlineNetwork: the order must be of the {len(images)} images, but reaches {order.max()}")
