"""Batch normalisation: each channel's mean and variance over a batch's pixels, and the gradient through them.

Sums run in float64, in parts that the shape says, so that no number of threads changes a bit. Vectors go along rows of LEAST_ROW or
more elements, of several pixels where these have few channels; what belongs to a channel is repeated to such a row in `scratch`.
"""

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import ROWS_BLOCK
from ..simd.vector import lanes, vadd, vload_as, vload_part, vmul_add, vstore_part, vsub

LEAST_ROW = 64
"""A row has at least so many elements."""


def row_of(channels: int) -> int:
    """Return how many elements a row has: whole pixels."""
    return -(-LEAST_ROW // channels) * channels


def block_of(channels: int) -> int:
    """Return how many elements a block has: whole rows."""
    return max(1, ROWS_BLOCK // row_of(channels)) * row_of(channels)


@jit
def moment_parts(x, channels, sums, scratch, block, part_count, start, stop):
    """sums[part] = the sums over the part's pixels of x - x's first pixel, and of its square, by channel; units are parts.

    The first pixel is about as far from zero as all are, so that nothing is lost when the mean's square is taken off. `scratch`
    is for three rows, a block is whole rows.
    """
    pixels, row = len(x) // channels, len(scratch) // 3
    for part in range(start, stop):
        begin, end = pixels * part // part_count * channels, pixels * (part + 1) // part_count * channels
        for k in range(row):
            scratch[k], scratch[row + k], scratch[2 * row + k] = x[k % channels], 0, 0
        for first in range(begin, end, block):
            last = min(first + block, end)
            for k in range(0, row, lanes(scratch)):
                total, square = vload_part(scratch, row + k, row - k), vload_part(scratch, 2 * row + k, row - k)
                for at in range(first + k, last, row):
                    count = min(row - k, last - at)
                    difference = vsub(vload_as(scratch, x, at, count), vload_part(scratch, k, count))
                    total, square = vadd(total, difference), vmul_add(difference, difference, square)
                vstore_part(scratch, row + k, total, row - k)
                vstore_part(scratch, 2 * row + k, square, row - k)
        fold_rows(scratch, row, channels, sums, part)


@jit
def fold_rows(scratch, row, channels, sums, part):
    """sums[part] = the sums of each channel's elements of the second row of `scratch`, and of the third."""
    target = 2 * channels * part
    sums[target : target + 2 * channels] = 0
    for k in range(row):
        sums[target + k % channels] += scratch[row + k]
        sums[target + channels + k % channels] += scratch[2 * row + k]


@jit
def batch_statistics(x, sums, settings, running_mean, running_var, mean, inverse, start, stop):
    """mean, and inverse = 1 / sqrt(variance + epsilon), of the batch; the running ones move towards it. Units are channels.

    settings are momentum and epsilon. The running variance moves towards the batch's times n / (n - 1), as PyTorch's.
    """
    channels = len(mean)
    pixels = len(x) // channels
    for c in range(start, stop):
        total = square = 0.0
        for at in range(c, len(sums), 2 * channels):
            total += sums[at]
            square += sums[at + channels]
        offset = total / pixels
        variance = square / pixels - offset * offset
        if variance < 0:
            variance = 0.0
        mean[c] = x[c] + offset
        inverse[c] = 1 / np.sqrt(variance + settings[1])
        running_mean[c] += settings[0] * (mean[c] - running_mean[c])
        running_var[c] += settings[0] * (variance * pixels / max(pixels - 1, 1) - running_var[c])


@jit
def running_statistics(running_mean, running_var, settings, mean, inverse, start, stop):
    """As batch_statistics, from what has been gathered in training."""
    for c in range(start, stop):
        mean[c] = running_mean[c]
        inverse[c] = 1 / np.sqrt(running_var[c] + settings[1])


@jit
def normalize(x, mean, inverse, gamma, beta, y, scratch, block, start, stop):
    """y = (x - mean) * inverse * gamma + beta; units are blocks of whole rows, and `scratch` is for three rows."""
    row = len(scratch) // 3
    for k in range(row):
        c = k % len(mean)
        scratch[k], scratch[row + k] = mean[c], inverse[c] * gamma[c]
        scratch[2 * row + k] = beta[c] - (mean[c] - scratch[k]) * inverse[c] * gamma[c]  # what the mean lost when it was rounded
    for unit in range(start, stop):
        last = min((unit + 1) * block, len(x))
        for k in range(0, row, lanes(x)):
            part = row - k
            means, scale = vload_part(scratch, k, part), vload_part(scratch, row + k, part)
            offset = vload_part(scratch, 2 * row + k, part)
            for at in range(unit * block + k, last, row):
                count = min(part, last - at)
                vstore_part(y, at, vmul_add(vsub(vload_part(x, at, count), means), scale, offset), count)


@jit
def gradient_parts(x, dy, mean, sums, scratch, block, part_count, start, stop):
    """sums[part] = the sums over the part's pixels of dy, and of dy * (x - mean), by channel; the rest is as in moment_parts."""
    channels, row = len(mean), len(scratch) // 3
    pixels = len(x) // channels
    for part in range(start, stop):
        begin, end = pixels * part // part_count * channels, pixels * (part + 1) // part_count * channels
        for k in range(row):
            scratch[k], scratch[row + k], scratch[2 * row + k] = mean[k % channels], 0, 0
        for first in range(begin, end, block):
            last = min(first + block, end)
            for k in range(0, row, lanes(scratch)):
                means, total = vload_part(scratch, k, row - k), vload_part(scratch, row + k, row - k)
                product = vload_part(scratch, 2 * row + k, row - k)
                for at in range(first + k, last, row):
                    count = min(row - k, last - at)
                    gradient = vload_as(scratch, dy, at, count)
                    total = vadd(total, gradient)
                    product = vmul_add(gradient, vsub(vload_as(scratch, x, at, count), means), product)
                vstore_part(scratch, row + k, total, row - k)
                vstore_part(scratch, 2 * row + k, product, row - k)
        fold_rows(scratch, row, channels, sums, part)


@jit
def weight_gradients(sums, pixels, inverse, gamma, dgamma, dbeta, factors, start, stop):
    """dgamma, dbeta, and the factors of dx = a dy + b (x - mean) + c; units are channels."""
    channels = len(inverse)
    for c in range(start, stop):
        total = product = 0.0
        for at in range(c, len(sums), 2 * channels):
            total += sums[at]
            product += sums[at + channels]
        dgamma[c], dbeta[c] = product * inverse[c], total
        scale = gamma[c] * inverse[c]
        factors[c] = scale
        factors[channels + c] = -scale * inverse[c] * inverse[c] * product / pixels
        factors[2 * channels + c] = -scale * total / pixels


@jit
def normalize_grad(x, dy, mean, factors, dx, scratch, block, start, stop):
    """dx = a dy + b (x - mean) + c; units are blocks of whole rows, and `scratch` is for four rows."""
    channels, row = len(mean), len(scratch) // 4
    for k in range(row):
        c = k % channels
        scratch[k], scratch[row + k], scratch[2 * row + k] = mean[c], factors[c], factors[channels + c]
        scratch[3 * row + k] = factors[2 * channels + c] - (mean[c] - scratch[k]) * factors[channels + c]
    for unit in range(start, stop):
        last = min((unit + 1) * block, len(x))
        for k in range(0, row, lanes(x)):
            part = row - k
            means, scale = vload_part(scratch, k, part), vload_part(scratch, row + k, part)
            slope, offset = vload_part(scratch, 2 * row + k, part), vload_part(scratch, 3 * row + k, part)
            for at in range(unit * block + k, last, row):
                count = min(part, last - at)
                shift = vmul_add(vsub(vload_part(x, at, count), means), slope, offset)
                vstore_part(dx, at, vmul_add(vload_part(dy, at, count), scale, shift), count)
