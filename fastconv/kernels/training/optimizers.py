"""Steps of gradient descent over a model's flat vector of parameters, BLOCK elements a unit.

The rate is that of the update that `state` says (see batch.py), or the last one; settings are float64.
"""

import numpy as np

from ...runtime.jit import jit
from ..arrays.blocks import BLOCK
from ..simd.vector import lanes, vadd, vdiv, vload_part, vmul_add, vsplat, vstore_part
from ..simd.vector_math import vmul, vsqrt
from .batch import BEFORE, STEP


@jit
def sgd(w, g, velocity, settings, rates, state, start, stop):
    """Sutskever's momentum as PyTorch has it: v = momentum v + g + decay w; w -= rate v, or rate (g + decay w + momentum v).

    settings are momentum, decay, and whether the second (Nesterov's). Without velocity (of no elements) there is no momentum.
    """
    momentum, decay, decays = vsplat(w, settings[0]), vsplat(w, settings[1]), settings[1] != 0
    rate, nesterov = vsplat(w, -rates[min(state[STEP], len(rates) - 1)]), settings[2] != 0
    end = min(stop * BLOCK, len(w))
    for i in range(start * BLOCK, end, lanes(w)):
        part = end - i
        old = vload_part(w, i, part)
        step = vload_part(g, i, part)
        if decays:  # zero times an infinite weight is NaN
            step = vmul_add(decay, old, step)
        if len(velocity):
            speed = vmul_add(momentum, vload_part(velocity, i, part), step)
            vstore_part(velocity, i, speed, part)
            step = vmul_add(momentum, speed, step) if nesterov else speed
        vstore_part(w, i, vmul_add(rate, step, old), part)


@jit
def descend(parts, w, rates, state, start, stop):
    """w -= rate times the sum of the parts, of w's length each, in their order."""
    rate, end = vsplat(w, -rates[min(state[STEP], len(rates) - 1)]), min(stop * BLOCK, len(w))
    for i in range(start * BLOCK, end, lanes(w)):
        g = vload_part(parts, i, end - i)
        for part in range(len(w), len(parts), len(w)):
            g = vadd(g, vload_part(parts, part + i, end - i))
        vstore_part(w, i, vmul_add(rate, g, vload_part(w, i, end - i)), end - i)


@jit
def adam(w, g, mean, square, settings, rates, state, start, stop):
    """Adam (Kingma and Ba, 2015): w -= rate * mean / (sqrt(square) + epsilon), both corrected for having begun at zero.

    They began as many updates ago as there were before this training and in it. settings are the two means' betas, epsilon, decay,
    and whether the decay is taken off the weights themselves (AdamW, Loshchilov and Hutter, 2019) or added to the gradient.
    """
    updates, rate, apart = state[BEFORE] + state[STEP] + 1, rates[min(state[STEP], len(rates) - 1)], settings[4] != 0
    decays = settings[3] != 0 and not apart
    keep, add = vsplat(w, settings[0]), vsplat(w, 1 - settings[0])
    keep_square, add_square = vsplat(w, settings[1]), vsplat(w, 1 - settings[1])
    correction = vsplat(w, 1 / np.sqrt(1 - settings[1] ** updates))
    epsilon, scale = vsplat(w, settings[2]), vsplat(w, -rate / (1 - settings[0] ** updates))
    shrink, decay = vsplat(w, 1 - rate * settings[3] if apart else 1.0), vsplat(w, settings[3])
    end = min(stop * BLOCK, len(w))
    for i in range(start * BLOCK, end, lanes(w)):
        part = end - i
        old = vload_part(w, i, part)
        step = vload_part(g, i, part)
        if decays:  # zero times an infinite weight is NaN
            step = vmul_add(decay, old, step)
        m = vmul_add(keep, vload_part(mean, i, part), vmul(add, step))
        s = vmul_add(keep_square, vload_part(square, i, part), vmul(add_square, vmul(step, step)))
        vstore_part(mean, i, m, part)
        vstore_part(square, i, s, part)
        vstore_part(w, i, vmul_add(shrink, old, vdiv(vmul(scale, m), vmul_add(vsqrt(s), correction, epsilon))), part)
