"""The random bits of dropout and augmentation: as many of each as chance would have, whatever is counted on.

All numbers are fixed, so a test that passes passes always; its bound of 5 standard deviations says what a good hash would keep.
"""

from itertools import product

import numpy as np
import pytest

from fastconv.kernels.training.random import bits_of, key_of
from fastconv.runtime.jit import jit

from . import naive_training as naive

MOST = 5
"""So many standard deviations are taken for chance."""


@jit
def fill(seeds, epochs, samples, layers, units, bits):
    """bits = those of all seeds, epochs, samples, layers and units from 0 on, the last of these fastest."""
    at = 0
    for seed in range(seeds):
        for epoch in range(epochs):
            for sample in range(samples):
                for layer in range(layers):
                    key = key_of(seed, epoch, sample, layer)
                    for unit in range(units):
                        bits[at] = bits_of(key, unit)
                        at += 1


@pytest.fixture(scope="module")
def bits():
    """Return bits by seed, epoch, sample, layer and unit: 2 million."""
    shape = (4, 8, 32, 4, 512)
    flat = np.empty(np.prod(shape), np.uint32)
    fill(*shape, flat)
    return flat.reshape(shape)


AXES = ["seed", "epoch", "sample", "layer", "unit"]


def test_they_are_what_python_counts(bits):
    for place in product((0, 3), (0, 7), (0, 31), (0, 3), (0, 1, 511)):
        assert bits[place] == naive.bits_of(naive.key_of(*place[:4]), place[4])
    key = np.empty(1, np.uint32)
    for arguments in ((2**63 - 1, 2**40, 59_999, -1), (0, 0, 0, 1000)):
        key[0] = key_of(*arguments)
        assert int(key[0]) == naive.key_of(*arguments)
        for unit in (0, 2**20 + 1):
            assert bits_of(key[0], unit) == naive.bits_of(int(key[0]), unit)


def test_all_keys_are_different(bits):
    assert len(np.unique(bits[..., 0])) > bits[..., 0].size - 3  # of 4,096 numbers of 32 bits some pair is equal now and then


@pytest.mark.parametrize("bit", range(32))
def test_each_bit_is_set_half_the_time(bits, bit):
    share = (bits >> np.uint32(bit) & 1).mean()
    assert abs(share - 0.5) < MOST * 0.5 / np.sqrt(bits.size)


@pytest.mark.parametrize("axis", range(5), ids=AXES)
def test_neighbours_are_not_correlated(bits, axis):
    """Neither as numbers, nor bit by bit, nor far apart."""
    x = np.moveaxis(bits, axis, 0)
    for distance in sorted({1, 2, len(x) // 2}):
        a, b = x[:-distance].ravel(), x[distance:].ravel()
        limit = MOST / np.sqrt(a.size)
        u, v = a / 2**32 - 0.5, b / 2**32 - 0.5
        assert abs((u * v).mean() * 12) < limit
        for bit in range(0, 32, 5):
            differ = ((a ^ b) >> np.uint32(bit) & 1).mean()
            assert abs(2 * differ - 1) < limit


@pytest.mark.parametrize("rate", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("axis", range(5), ids=AXES)
def test_the_part_dropped_is_the_rate_for_each_unit_sample_and_epoch(bits, axis, rate):
    dropped = np.moveaxis(bits < np.uint32(round(rate * 2**32)), axis, 0).reshape(bits.shape[axis], -1)
    shares, deviation = dropped.mean(axis=1), np.sqrt(rate * (1 - rate) / dropped.shape[1])
    assert np.abs(shares - rate).max() < MOST * deviation
    spread = ((shares - rate) ** 2).mean() / deviation**2  # 1 by chance, with a deviation of sqrt(2 / n)
    assert abs(spread - 1) < MOST * np.sqrt(2 / len(shares))


def test_numbers_are_evenly_spread(bits):
    """Chi-squared of 256 bins, by the highest bits and by the lowest, and of each pair of neighbouring units' highest four."""
    pairs = bits[..., :-1] >> np.uint32(28) << np.uint32(4) | bits[..., 1:] >> np.uint32(28)
    for values in (bits >> np.uint32(24), bits & 255, pairs):
        counts, expected = np.bincount(values.ravel(), minlength=256), values.size / 256
        chi = ((counts - expected) ** 2 / expected).sum()
        assert abs(chi - 255) < MOST * np.sqrt(2 * 255)


@pytest.mark.parametrize("most", [1, 2, 4])
def test_images_are_moved_by_all_distances_alike(bits, most):
    """As gather_shifted takes them: the first two units of a layer of its own."""
    down, across = (bits[..., unit].ravel() % (2 * most + 1) for unit in (0, 1))
    counts = np.bincount(down * (2 * most + 1) + across, minlength=(2 * most + 1) ** 2)
    expected = down.size / counts.size
    chi = ((counts - expected) ** 2 / expected).sum()
    assert chi < counts.size - 1 + MOST * np.sqrt(2 * (counts.size - 1))
