"""The notebook's network in one pass over each image: convolution of one channel, 2 x 2 max pooling, dense layer, cross-entropy.

The arrays keep a vector of filters together: packed are kernels [tap, and the bias][filter], dense weights [pooled pixel][class]
[filter], filters filled up with zeros to whole vectors (what these give reaches no sum over filters), and the dense bias. The
convolution's four outputs of a pooling window are four register tiles, so that the pooling is a maximum of registers.
"""

from functools import cache

import numpy as np

from ...runtime.jit import jit
from ..arrays.long_sums import tile_put_aside, tile_take_back, vnarrow, vwide_add, vwide_splat
from ..simd.tile import tile_load, tile_outer, tile_outer_patch, tile_store, tile_zero
from ..simd.tile_math import tile_max, tile_row_sum, tile_scale_add, tile_scaled_add, tile_weighted_sum
from ..simd.vector import lanes, vadd, vload, vload_part, vmul_add, vsplat, vstore, vsum, vzero
from ..simd.vector_math import vwhere_equal, vwhere_positive, vwhere_unequal
from ..training.batch import POSITION, STEP
from ..training.loss import exponentials

FORWARD, ONLINE, GRADIENT = range(3)
"""What is done: losses only; an update after each image; the gradient's sums over parts of the batch."""


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


@cache
def conv_pool_dense_kernel(size, classes, rows, mode, biased, relu, first, long, many):
    """Return the kernel for kernels of size x size and so many classes, with tiles of `rows` pooled pixels.

    `biased`: the kernels' bias is trained. `relu`: the pooled pixels go through one. `first`: of equal maxima the first gets the
    gradient, else all. `long` sums over an image's pixels are those of arrays/long_sums.py, with room first in convolved and wide.
    So are those over `many` images.
    """
    taps = size * size
    most = max(taps, classes)

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
        width, given, filters, batch, part_count, terms = sizes
        pooled = (width - size + 1) // 2
        pixels, between, dense = pooled * pooled, 4 * filters, (taps + 1) * filters
        bias = dense + pixels * classes * filters
        room = most * lanes(packed) if long else 0
        pixel_block = min(pixels, terms) if long else pixels
        across = min(pooled, terms if first else (terms + 3) // 4) if long else pooled
        for part in range(start, stop):
            left_of_block = terms
            if mode == GRADIENT:
                parts[part * len(packed) : (part + 1) * len(packed)] = 0
                if many:
                    wide[room:] = 0
            for i in range(batch * part // part_count, batch * (part + 1) // part_count):
                place = state[POSITION] + i
                at, label = order[place] * width * width, labels[order[place]]
                for p in range(width * width):
                    image[p] = image.dtype.type(images[at + p]) * scale[0]
                for k in range(classes):
                    totals[k] = packed[bias + k]
                for f in range(0, filters, lanes(packed)):
                    for row in range(pooled):
                        for tile_start in range(0, pooled, rows):
                            column = min(tile_start, pooled - rows)
                            corner = 2 * (row * width + column)
                            a = b = c = d = tile_load(packed, taps * filters + f, 0, rows, 1)
                            for y in range(size):
                                for x in range(size):
                                    w, source = (y * size + x) * filters + f, corner + y * width + x
                                    a = tile_outer(a, image, source, 2, packed, w)
                                    b = tile_outer(b, image, source + 1, 2, packed, w)
                                    c = tile_outer(c, image, source + width, 2, packed, w)
                                    d = tile_outer(d, image, source + width + 1, 2, packed, w)
                            pixel = row * pooled + column
                            if mode != FORWARD:
                                tile_store(a, convolved, room + pixel * between + f, between, lanes(packed))
                                tile_store(b, convolved, room + pixel * between + filters + f, between, lanes(packed))
                                tile_store(c, convolved, room + pixel * between + 2 * filters + f, between, lanes(packed))
                                tile_store(d, convolved, room + pixel * between + 3 * filters + f, between, lanes(packed))
                            tile_store(
                                tile_max(tile_max(a, b), tile_max(c, d)), maxima, pixel * filters + f, filters, lanes(packed)
                            )
                    sums = tile_zero(packed, classes, 1)
                    for begin in range(0, pixels, pixel_block):
                        if long and begin:
                            tile_put_aside(sums, convolved, wide, 0, begin // pixel_block - 1)
                            sums = tile_zero(packed, classes, 1)
                        for pixel in range(begin, min(begin + pixel_block, pixels)):
                            maximum = vload(maxima, pixel * filters + f)
                            if relu:
                                maximum = vwhere_positive(maximum, maximum, vzero(packed))
                            sums = tile_scale_add(sums, packed, dense + pixel * classes * filters + f, filters, maximum)
                    if long:
                        sums = tile_take_back(sums, convolved, wide, 0, (pixels - 1) // pixel_block)
                    tile_row_sum(sums, totals, 0, given - f)  # what fills up has weights of zero, but infinity times zero is NaN

                best, total = exponentials(totals, 0, classes)
                losses[place] = np.log(total) - np.float64(totals[label] - totals[best])
                correct[place] = best == label
                if mode == FORWARD:
                    continue
                # What changes: the weights themselves, by the rate times the gradient, or the part's sums.
                rate = packed.dtype.type(-rates[min(state[STEP] + i, len(rates) - 1)] if mode == ONLINE else 1 / batch)
                target, origin = (packed, 0) if mode == ONLINE else (parts, part * len(packed))
                for k in range(classes):
                    gradient[k] = np.exp(np.float64(totals[k] - totals[best])) / total - (k == label)
                    step[k] = rate * gradient[k]
                    target[origin + bias + k] += step[k]
                for f in range(0, filters, lanes(packed)):
                    sums, shares, blocks_aside = tile_zero(packed, taps, 1), vzero(packed), 0
                    shares_aside = vwide_splat(packed, 0)
                    for row in range(pooled):
                        for begin in range(0, pooled, across):
                            for column in range(begin, min(begin + across, pooled)):
                                pixel = row * pooled + column
                                w = dense + pixel * classes * filters + f
                                weights = tile_load(packed, w, filters, classes, 1)
                                back = tile_weighted_sum(weights, gradient, 0)
                                maximum, source = vload(maxima, pixel * filters + f), pixel * filters + f
                                if mode == GRADIENT:
                                    weights = tile_load(parts, origin + w, filters, classes, 1)
                                if relu:
                                    back = vwhere_positive(maximum, back, vzero(packed))
                                    vstore(maxima, source, vwhere_positive(maximum, maximum, vzero(packed)))
                                tile_store(
                                    tile_outer(weights, step, 0, 1, maxima, source), target, origin + w, filters, lanes(packed)
                                )
                                for y in range(2):
                                    for x in range(2):
                                        value = vload(convolved, room + pixel * between + (2 * y + x) * filters + f)
                                        share = vwhere_equal(value, maximum, back)
                                        if first:
                                            back = vwhere_unequal(value, maximum, back)
                                        shares = vadd(shares, share)
                                        corner = (2 * row + y) * width + 2 * column + x
                                        sums = tile_outer_patch(sums, image, corner, size, width, share)
                            if long:
                                tile_put_aside(sums, convolved, wide, 0, blocks_aside)
                                sums, blocks_aside = tile_zero(packed, taps, 1), blocks_aside + 1
                                shares, shares_aside = vzero(packed), vwide_add(shares_aside, shares)
                    if long:
                        sums, shares = tile_take_back(sums, convolved, wide, 0, blocks_aside), vnarrow(packed, shares_aside)
                    kernels = tile_load(target, origin + f, filters, taps, 1)
                    tile_store(tile_scaled_add(kernels, rate, sums), target, origin + f, filters, lanes(packed))
                    at = origin + taps * filters + f
                    if biased:
                        vstore(target, at, vmul_add(vsplat(packed, rate), shares, vload(target, at)))
                if 2 * pooled < width - size + 1 and not all_finite(image):
                    add_unpooled(image, width, size, filters, target, origin)
                if many:
                    left_of_block -= 1
                    if left_of_block == 0:
                        put_images_aside(parts, origin, wide, room)
                        left_of_block = terms
            if many:
                take_images_back(parts, part * len(packed), wide, room)

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
