"""Steps of gradient descent over a model's flat vector of parameters, BLOCK elements a unit.

The rate is that of the update that `state` says (see batch.py); settings are float64.
"""

import numpy as np

from .._jit import jit
from .batch import STEP
from .pack import BLOCK


@jit
def sgd(w, g, velocity, settings, rates, state, start, stop):
    """Sutskever's momentum as PyTorch has it: v = momentum v + g + decay w; w -= rate v, or rate (g + decay w + momentum v).

    settings are momentum, decay, and whether the second (Nesterov's). Without velocity (of no elements) there is no momentum.
    """
    momentum, decay = w.dtype.type(settings[0]), w.dtype.type(settings[1])
    rate, nesterov = w.dtype.type(rates[state[STEP]]), settings[2] != 0
    first, last = start * BLOCK, min(stop * BLOCK, len(w))
    if len(velocity) == 0:
        for i in range(first, last):
            w[i] -= rate * (g[i] + decay * w[i])
    elif nesterov:
        for i in range(first, last):
            step = g[i] + decay * w[i]
            velocity[i] = momentum * velocity[i] + step
            w[i] -= rate * (step + momentum * velocity[i])
    else:
        for i in range(first, last):
            velocity[i] = momentum * velocity[i] + (g[i] + decay * w[i])
            w[i] -= rate * velocity[i]


@jit
def adam(w, g, mean, square, settings, rates, state, start, stop):
    """Adam (Kingma and Ba, 2015): w -= rate * mean / (sqrt(square) + epsilon), both corrected for having begun at zero.

    settings are the two means' betas, epsilon, decay, and whether the decay is taken off the weights themselves (AdamW,
    Loshchilov and Hutter, 2019) or added to the gradient.
    """
    keep, keep_square, epsilon = w.dtype.type(settings[0]), w.dtype.type(settings[1]), w.dtype.type(settings[2])
    take, take_square = w.dtype.type(1 - settings[0]), w.dtype.type(1 - settings[1])  # not 1 - keep: in float32 it has 4 digits
    updates = state[STEP] + 1
    rate = rates[state[STEP]]
    scale = w.dtype.type(rate / (1 - settings[0] ** updates))
    correction = w.dtype.type(1 / np.sqrt(1 - settings[1] ** updates))
    apart = settings[4] != 0
    shrink = w.dtype.type(1 - rate * settings[3] if apart else 1)
    decay = w.dtype.type(0 if apart else settings[3])
    for i in range(start * BLOCK, min(stop * BLOCK, len(w))):
        step = g[i] + decay * w[i]
        mean[i] = keep * mean[i] + take * step
        square[i] = keep_square * square[i] + take_square * step * step
        w[i] = shrink * w[i] - scale * mean[i] / (np.sqrt(square[i]) * correction + epsilon)
