"""The notebook's network in one pass over each image: convolution of one channel, 2 x 2 max pooling, dense layer, cross-entropy.

The arrays keep a vector of filters together: packed are kernels [tap, and the bias][filter], dense weights [pooled pixel][class]
[filter], filters filled up with zeros to whole vectors (what these give reaches no sum over filters), and the dense bias. The
convolution's four outputs of a pooling window are four register tiles, so that the pooling is a maximum of registers.
"""

from functools import cache

import numpy as np

from ...runtime.jit import inlined, jit
from ..simd.vector import lanes, vload, vload_part, vmul_add, vsum, vzero
from ..training.batch import POSITION, STEP
from ..training.loss import exponentials
from .backward import backward_pass
from .forward import FORWARD, GRADIENT, ONLINE, Layout, forward_pass


@jit
def all_finite(x):
    """Return whether no element is NaN or infinite."""
    watch, whole = vzero(x), len(x) // lanes(x) * lanes(x)
    for i in range(0, whole, lanes(x)):
        watch = vmul_add(vload(x, i), vzero(x), watch)
    return vsum(vmul_add(vload_part(x, whole, len(x) - whole), vzero(x), watch)) == 0


@jit
def add_unpooled(image, width, size, filters, sums, at):
    """Add to the kernels' gradients what the convolution's last row and column give, which are in no pooling window.

    It is zero times their pixels: nothing, but NaN for a pixel that isn't finite.
    """
    last = width - size
    for y in range(size):
        for x in range(size):
            for i in range(last + 1):
                if not (np.isfinite(image[(last + y) * width + x + i]) and np.isfinite(image[(y + i) * width + last + x])):
                    start = at + (y * size + x) * filters
                    sums[start : start + filters] = np.nan


@jit
def put_images_aside(sums, start, wide, room):
    """Add the images' sums from sums[start] on to those from wide[room] on, and let them begin again."""
    for k in range(len(wide) - room):
        wide[room + k] += sums[start + k]
        sums[start + k] = 0


@jit
def take_images_back(sums, start, wide, room):
    """Add what was put aside to the sums from sums[start] on."""
    for k in range(len(wide) - room):
        sums[start + k] = wide[room + k] + sums[start + k]


@inlined
def load_image(images, at, scale, image):
    """image = images[at:] * scale, in the image's type."""
    for p in range(len(image)):
        image[p] = image.dtype.type(images[at + p]) * scale


@cache
def conv_pool_dense_kernel(size, classes, rows, mode, biased, relu, first, long, many):
    """Return the kernel for kernels of size x size and so many classes, with tiles of `rows` pooled pixels.

    `biased`: the kernels' bias is trained. `relu`: the pooled pixels go through one. `first`: of equal maxima the first gets the
    gradient, else all. `long` sums over an image's pixels are those of arrays/long_sums.py, with room first in convolved and wide.
    So are those over `many` images.
    """
    taps = size * size
    most = max(taps, classes)
    forward = forward_pass(size, classes, rows, mode, relu, long)
    backward = backward_pass(size, classes, mode, biased, relu, first, long)

    @inlined
    def layout_of(packed, sizes):
        width, given, filters, _, _, terms = sizes
        pooled = (width - size + 1) // 2
        pixels, dense = pooled * pooled, (taps + 1) * filters
        across = min(pooled, terms if first else (terms + 3) // 4) if long else pooled
        room, block = most * lanes(packed) if long else 0, min(pixels, terms) if long else pixels
        return Layout(width, pooled, pixels, given, filters, dense, dense + pixels * classes * filters, room, block, across)

    @inlined
    def loss_step(totals, label, rate, gradient, step, target, bias):
        """Leave the class totals' gradient and its step, which the dense bias takes at once; return the loss, and if it's right."""
        best, total = exponentials(totals, 0, classes)
        if mode != FORWARD:
            for k in range(classes):
                gradient[k] = np.exp(np.float64(totals[k] - totals[best])) / total - (k == label)
                step[k] = rate * gradient[k]
                target[bias + k] += step[k]
        return np.log(total) - np.float64(totals[label] - totals[best]), best == label

    @jit
    def conv_pool_dense(
        images, labels, order, state, scale, rates, sizes, packed, parts, losses, correct,
        image, convolved, maxima, totals, gradient, step, wide, start, stop,
    ):  # fmt: skip
        """Take the batch's images in parts, which are the units; sizes are the images' width, filters, these filled up to whole
        vectors, batch, parts, and the terms of a block.

        images is flat, `width` pixels high and wide, scaled by scale[0]. rates are the updates', the last one going on. Losses and
        correct are by place in the order. Online there is one part; else each part's gradient is summed in parts[part], ordered as
        packed is; of many, that of so many images as a block has is put aside in wide.
        """
        n, batch, part_count = layout_of(packed, sizes), sizes[3], sizes[4]
        for part in range(start, stop):
            left_of_block, origin = sizes[5], 0 if mode == ONLINE else part * len(packed)
            target = packed if mode == ONLINE else parts  # what changes: the weights themselves, or the part's sums
            if mode == GRADIENT:
                parts[origin : origin + len(packed)] = 0
                wide[n.room :] = 0
            for i in range(batch * part // part_count, batch * (part + 1) // part_count):
                place = state[POSITION] + i
                rate = packed.dtype.type(-rates[min(state[STEP] + i, len(rates) - 1)] if mode == ONLINE else 1 / batch)
                load_image(images, order[place] * n.width * n.width, scale[0], image)
                forward(image, packed, convolved, maxima, wide, totals, n)
                found = loss_step(totals, labels[order[place]], rate, gradient, step, target, origin + n.bias)
                losses[place], correct[place] = found
                if mode != FORWARD:
                    backward(image, packed, parts, target, origin, convolved, maxima, wide, gradient, step, rate, n)
                    if 2 * n.pooled < n.width - size + 1 and not all_finite(image):
                        add_unpooled(image, n.width, size, n.filters, target, origin)
                if mode == GRADIENT and many:
                    left_of_block -= 1
                    if left_of_block == 0:
                        put_images_aside(parts, origin, wide, n.room)
                        left_of_block = sizes[5]
            if mode == GRADIENT and many:
                take_images_back(parts, origin, wide, n.room)

    return conv_pool_dense


@jit
def pack_conv_pool_dense(kernel, bias, weight, dense_bias, sizes, packed, start, stop):
    """Write a model's weights, kernel (tap, f), bias (f or none), weight (pixel, f, class), in the packed order; units are pixels.

    sizes are taps, f, classes, and f filled up to whole vectors.
    """
    taps, filters, classes, padded = sizes
    dense = (taps + 1) * padded
    for pixel in range(start, stop):
        for c in range(classes):
            target = dense + (pixel * classes + c) * padded
            for f in range(filters):
                packed[target + f] = weight[(pixel * filters + f) * classes + c]
    if start == 0:
        for tap in range(taps):
            for f in range(filters):
                packed[tap * padded + f] = kernel[tap * filters + f]
        for f in range(len(bias)):
            packed[taps * padded + f] = bias[f]
        for c in range(classes):
            packed[len(packed) - classes + c] = dense_bias[c]


@jit
def unpack_conv_pool_dense(packed, sizes, kernel, bias, weight, dense_bias, start, stop):
    """Write what is packed back to the places where pack_conv_pool_dense reads it."""
    taps, filters, classes, padded = sizes
    dense = (taps + 1) * padded
    for pixel in range(start, stop):
        for f in range(filters):
            for c in range(classes):
                weight[(pixel * filters + f) * classes + c] = packed[dense + (pixel * classes + c) * padded + f]
    if start == 0:
        for tap in range(taps):
            for f in range(filters):
                kernel[tap * filters + f] = packed[tap * padded + f]
        for f in range(len(bias)):
            bias[f] = packed[taps * padded + f]
        for c in range(classes):
            dense_bias[c] = packed[len(packed) - classes + c]
