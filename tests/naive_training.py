"""Loop twins of what training adds to the layers: random numbers, batches, losses, dropout, batch normalisation, optimizers.

Arrays have their axes here; sums run in float64, or in the arrays' own type where the results are exact.
"""

import math
from itertools import product

import numpy as np

M32, M64 = 2**32 - 1, 2**64 - 1


def key_of(seed, epoch, sample, layer):
    """32 random bits for a seed, an epoch, a sample and a layer."""
    state = 0
    for part in (seed, epoch, sample, layer):
        state = ((state + part) * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & M64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & M64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & M64
        state ^= state >> 31
    return state >> 32


def bits_of(key, unit):
    """32 random bits for a unit of what has this key."""
    bits = (unit * 0x9E3779B1 & M32) ^ key
    bits = (bits ^ (bits >> 17)) * 0xED5AD4BB & M32
    bits = (bits ^ (bits >> 11)) * 0xAC4C1B51 & M32
    return bits ^ (bits >> 15)


def gather(images, chosen, scale):
    """The chosen images, scaled."""
    return np.array([images[i].astype(scale.dtype) * scale for i in chosen])


def gather_shifted(images, chosen, scale, most, seed, epoch):
    """The chosen images (n, h, w, c), scaled, each moved at random."""
    height, width = images.shape[1:3]
    x = np.zeros((len(chosen), *images.shape[1:]), scale.dtype)
    for i, image in enumerate(chosen):
        key = key_of(seed, epoch, int(image), -1)
        down, across = (bits_of(key, axis) % (2 * most + 1) - most for axis in (0, 1))
        for row, column in product(range(height), range(width)):
            if 0 <= row - down < height and 0 <= column - across < width:
                x[i, row, column] = images[image, row - down, column - across].astype(scale.dtype) * scale
    return x


def cross_entropy(logits, labels):
    """Each row's loss, whether its largest is the label's, and the mean loss's gradient."""
    losses, correct, dz = [], [], np.zeros(logits.shape)
    for i, (row, label) in enumerate(zip(logits.astype(np.float64), labels)):
        exps = [math.exp(value - max(row)) for value in row]
        losses.append(math.log(sum(exps)) + max(row) - row[label])
        correct.append(int(np.argmax(row)) == label)
        for k in range(len(row)):
            dz[i, k] = (exps[k] / sum(exps) - (k == label)) / len(logits)
    return losses, correct, dz


def mean_squared_error(outputs, targets):
    """Each row's loss, whether outputs and targets are largest at the same place, and the mean loss's gradient."""
    losses, correct, dz = [], [], np.zeros(outputs.shape)
    for i, (row, target) in enumerate(zip(outputs.astype(np.float64), targets.astype(np.float64))):
        losses.append(sum((a - b) ** 2 for a, b in zip(row, target)) / len(row))
        correct.append(int(np.argmax(row)) == int(np.argmax(target)))
        for k in range(len(row)):
            dz[i, k] = 2 * (row[k] - target[k]) / outputs.size
    return losses, correct, dz


def dropout(y, rate, seed, epoch, chosen, layer):
    """Rows of y with some elements at zero and the others divided by 1 - rate, in float64."""
    result = y.astype(np.float64)
    for i, sample in enumerate(chosen):
        key = key_of(seed, epoch, int(sample), layer)
        for k in range(y.shape[1]):
            result[i, k] = result[i, k] / (1 - rate) if bits_of(key, k) >= round(rate * 2**32) else 0
    return result


def batch_norm(x, gamma, beta, epsilon, dy):
    """y, the mean, the variance, and the gradients dx, dgamma, dbeta; x (pixels, channels), all in float64."""
    pixels, channels = x.shape
    y, dx = np.zeros(x.shape), np.zeros(x.shape)
    mean, variance, dgamma, dbeta = np.zeros((4, channels))
    for c in range(channels):
        mean[c] = sum(float(v) for v in x[:, c]) / pixels
        variance[c] = sum((float(v) - mean[c]) ** 2 for v in x[:, c]) / pixels
        deviation = math.sqrt(variance[c] + epsilon)
        normal = [(float(v) - mean[c]) / deviation for v in x[:, c]]
        dbeta[c] = sum(float(g) for g in dy[:, c])
        dgamma[c] = sum(float(g) * n for g, n in zip(dy[:, c], normal))
        for i, n in enumerate(normal):
            y[i, c] = n * gamma[c] + beta[c]
            dx[i, c] = gamma[c] / deviation * (float(dy[i, c]) - dbeta[c] / pixels - n * dgamma[c] / pixels)
    return y, mean, variance, dx, dgamma, dbeta


def sgd(w, g, velocity, rate, momentum, decay, nesterov):
    """The weights and the velocity after a step, in float64."""
    w, velocity = w.astype(np.float64), velocity.astype(np.float64)
    for i in range(len(w)):
        step = float(g[i]) + decay * w[i]
        velocity[i] = momentum * velocity[i] + step
        w[i] -= rate * (step + momentum * velocity[i] if nesterov else velocity[i])
    return w, velocity


def adam(w, g, mean, square, rate, betas, epsilon, decay, apart, updates):
    """The weights and both means after step number `updates`, in float64."""
    w, mean, square = (array.astype(np.float64) for array in (w, mean, square))
    for i in range(len(w)):
        step = float(g[i])
        if apart:
            w[i] -= rate * decay * w[i]
        else:
            step += decay * w[i]
        mean[i] = betas[0] * mean[i] + (1 - betas[0]) * step
        square[i] = betas[1] * square[i] + (1 - betas[1]) * step**2
        first, second = mean[i] / (1 - betas[0] ** updates), square[i] / (1 - betas[1] ** updates)
        w[i] -= rate * first / (math.sqrt(second) + epsilon)
    return w, mean, square
