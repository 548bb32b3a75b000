"""Activations and dropout in place, BLOCK elements a unit."""

from ...runtime.jit import jit
from ..arrays.blocks import BLOCK
from ..simd.vector import lanes, vload, vload_part, vsplat, vstore, vstore_part, vzero
from ..simd.vector_math import vkeep, vmul, vwhere_negative, vwhere_positive
from ..training.batch import EPOCH, POSITION, SEED
from ..training.random import key_of


@jit
def scaled(slope, factor, v):
    """Return the vector of slopes times v; zero for a slope of zero, also where v is infinite."""
    return vzero(slope) if slope[0] == 0 else vmul(factor, v)


@jit
def relu(y, slope, start, stop):
    """y = y where it isn't negative, slope[0] * y elsewhere; NaN stays NaN."""
    factor, end = vsplat(y, slope[0]), min(stop * BLOCK, len(y))
    whole = end - end % lanes(y)
    for i in range(start * BLOCK, whole, lanes(y)):
        v = vload(y, i)
        vstore(y, i, vwhere_negative(v, scaled(slope, factor, v), v))
    if whole < end:
        v = vload_part(y, whole, end - whole)
        vstore_part(y, whole, vwhere_negative(v, scaled(slope, factor, v), v), end - whole)


@jit
def relu_grad(y, dy, slope, start, stop):
    """dy = dy where y > 0 or is NaN, slope[0] * dy elsewhere; y is relu's result."""
    factor, end = vsplat(y, slope[0]), min(stop * BLOCK, len(y))
    whole = end - end % lanes(y)
    for i in range(start * BLOCK, whole, lanes(y)):
        d = vload(dy, i)
        vstore(dy, i, vwhere_positive(vload(y, i), d, scaled(slope, factor, d)))
    if whole < end:
        d = vload_part(dy, whole, end - whole)
        vstore_part(dy, whole, vwhere_positive(vload_part(y, whole, end - whole), d, scaled(slope, factor, d)), end - whole)


@jit
def dropout(y, size, order, state, layer, threshold, scale, start, stop):
    """Set elements to zero at random by seed, epoch, image and element, and multiply the others by scale[0]; units are images.

    An element is kept if its 32 random bits are at least `threshold`. The same call on dy is the gradient.
    """
    factor, whole = vsplat(y, scale[0]), size - size % lanes(y)
    for i in range(start, stop):
        key = key_of(state[SEED], state[EPOCH], order[state[POSITION] + i], layer)
        for k in range(0, whole, lanes(y)):
            vstore(y, i * size + k, vkeep(vmul(factor, vload(y, i * size + k)), key, k, threshold))
        if whole < size:
            v = vkeep(vmul(factor, vload_part(y, i * size + whole, size - whole)), key, whole, threshold)
            vstore_part(y, i * size + whole, v, size - whole)
