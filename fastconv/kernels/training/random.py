"""Random numbers by counting: a hash of what a number is for, so that no order of work and no number of threads changes it."""

import numpy as np

from ...runtime.jit import jit

U32, U64 = np.uint32, np.uint64


@jit
def key_of(seed, epoch, sample, layer):
    """Return 32 random bits for a seed, an epoch, a sample and a layer.

    The mixing is splitmix64's (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    """
    state = U64(0)
    for part in (seed, epoch, sample, layer):  # the seed like the others: seed 1 in epoch 0 is not seed 0 in epoch 1
        state = (state + U64(part)) * U64(0x9E3779B97F4A7C15) + U64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> U64(27))) * U64(0x94D049BB133111EB)
        state ^= state >> U64(31)
    return U32(state >> U64(32))


@jit
def bits_of(key, unit):
    """Return 32 random bits for a unit of what has this key.

    The mixing is triple32's first two rounds (Wellons, hash-prospector, 2018), on 32 bits so that many go into a vector.
    """
    bits = U32(U32(unit) * U32(0x9E3779B1)) ^ U32(key)
    bits = U32((bits ^ (bits >> U32(17))) * U32(0xED5AD4BB))
    bits = U32((bits ^ (bits >> U32(11))) * U32(0xAC4C1B51))
    return U32(bits ^ (bits >> U32(15)))
