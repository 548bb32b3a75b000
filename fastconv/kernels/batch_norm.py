"""Batch normalisation: each channel's mean and variance over a batch's pixels, and the gradient through them.

Sums run in float64, in parts that the shape says, so that no number of threads changes a bit. Loops go along rows of LEAST_ROW or
more elements, of several pixels where these have few channels; what belongs to a channel is repeated to such a row in `room`.
"""

import numpy as np

from .._jit import jit

LEAST_ROW = 64
"""A row has at least so many elements."""


def row_of(channels: int) -> int:
    """Return how many elements a row has: whole pixels."""
    return -(-LEAST_ROW // channels) * channels


@jit
def moment_parts(x, channels, sums, room, part_count, start, stop):
    """sums[part] = the sums over the part's pixels of x - x's first pixel, and of its square, by channel; units are parts.

    The first pixel is about as far from zero as all are, so that nothing is lost when the mean's square is taken off. `room` is for
    three rows.
    """
    pixels, row = len(x) // channels, len(room) // 3
    first, total, square = room[:row], room[row : 2 * row], room[2 * row :]
    for part in range(start, stop):
        begin, end = pixels * part // part_count * channels, pixels * (part + 1) // part_count * channels
        for k in range(row):
            first[k], total[k], square[k] = x[k % channels], 0, 0
        for at in range(begin, end, row):
            for k in range(min(row, end - at)):
                difference = np.float64(x[at + k]) - first[k]
                total[k] += difference
                square[k] += difference * difference
        fold_rows(total, square, channels, sums, part)


@jit
def fold_rows(a, b, channels, sums, part):
    """sums[part] = the sums of two rows' elements of each channel."""
    target = 2 * channels * part
    sums[target : target + 2 * channels] = 0
    for k in range(len(a)):
        sums[target + k % channels] += a[k]
        sums[target + channels + k % channels] += b[k]


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
def normalize(x, mean, inverse, gamma, beta, y, room, start, stop):
    """y = (x - mean) * inverse * gamma + beta; units are rows, and `room` is for three of them."""
    row = len(room) // 3
    means, scale, offset = room[:row], room[row : 2 * row], room[2 * row :]
    for k in range(row):
        c = k % len(mean)
        means[k], scale[k], offset[k] = mean[c], inverse[c] * gamma[c], beta[c]
    for at in range(start * row, min(stop * row, len(x)), row):
        for k in range(min(row, len(x) - at)):
            y[at + k] = (x[at + k] - means[k]) * scale[k] + offset[k]


@jit
def gradient_parts(x, dy, mean, sums, room, part_count, start, stop):
    """sums[part] = the sums over the part's pixels of dy, and of dy * (x - mean), by channel; units and room as in moment_parts."""
    channels, row = len(mean), len(room) // 3
    means, total, product = room[:row], room[row : 2 * row], room[2 * row :]
    pixels = len(x) // channels
    for part in range(start, stop):
        begin, end = pixels * part // part_count * channels, pixels * (part + 1) // part_count * channels
        for k in range(row):
            means[k], total[k], product[k] = mean[k % channels], 0, 0
        for at in range(begin, end, row):
            for k in range(min(row, end - at)):
                gradient = np.float64(dy[at + k])
                total[k] += gradient
                product[k] += gradient * (np.float64(x[at + k]) - means[k])
        fold_rows(total, product, channels, sums, part)


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
def normalize_grad(x, dy, mean, factors, dx, room, start, stop):
    """dx = a dy + b (x - mean) + c; units are rows, and `room` is for four of them."""
    channels, row = len(mean), len(room) // 4
    means, scale, slope, offset = room[:row], room[row : 2 * row], room[2 * row : 3 * row], room[3 * row :]
    for k in range(row):
        c = k % channels
        means[k], scale[k], slope[k], offset[k] = mean[c], factors[c], factors[channels + c], factors[2 * channels + c]
    for at in range(start * row, min(stop * row, len(x)), row):
        for k in range(min(row, len(x) - at)):
            dx[at + k] = scale[k] * dy[at + k] + (slope[k] * (x[at + k] - means[k]) + offset[k])
