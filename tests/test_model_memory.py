"""What a model takes of memory when it is evaluated: no more for a long chain of layers, or for many images."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn import inference

from .test_idx import memory_below

IMAGES = np.random.default_rng(0).integers(0, 256, (600, 20, 20), np.uint8)
RESULT = 256 * 20 * 20 * 4
"""Bytes of one layer's results for a batch of these images."""


def chain(length, **options):
    layers = [layer for _ in range(length) for layer in (nn.AvgPool2D(1), nn.ReLU(), nn.MaxPool2D(1), nn.BatchNorm())]
    return nn.Sequential([*layers, nn.Flatten(), nn.Dense(3)], input_shape=(20, 20), **options)


def test_a_long_chain_takes_no_more_memory_than_its_largest_two(tmp_path):
    model = chain(30)
    model.save(tmp_path / "model.npz")
    expected = chain(1).predict(IMAGES)
    with memory_below(8 * RESULT):
        comp = nn.load(tmp_path / "model.npz")
        found = comp.predict(IMAGES)
        comp.evaluate(IMAGES, np.zeros(600, int))
    assert found.shape == expected.shape == (600, 3)


@pytest.mark.parametrize("layers", [[nn.Conv2D(3, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Conv2D(5, 3, activation="relu")], []])
@pytest.mark.parametrize("most", [1, 2**18])
def test_fewer_images_at_a_time_give_the_same(monkeypatch, layers, most):
    model = nn.Sequential([*layers, nn.Flatten(), nn.Dense(3)], input_shape=(20, 20))
    expected, figures = model.predict(IMAGES), model.evaluate(IMAGES, np.ones(600, int))
    monkeypatch.setattr(inference, "MOST_BYTES", most)
    assert (inference.fitting(model) == 1) == (most == 1)
    assert inference.fitting(model) < 256
    np.testing.assert_allclose(model.predict(IMAGES), expected, rtol=1e-5)
    assert model.evaluate(IMAGES, np.ones(600, int)) == pytest.approx(figures, rel=1e-5)


def test_large_results_are_made_for_few_images_at_a_time():
    """64 images of 256 x 256 x 32 would be half a gigabyte, twice."""
    model = nn.Sequential([nn.Conv2D(32, 1), nn.GlobalAvgPool2D(), nn.Dense(2)], input_shape=(256, 256))
    images = np.zeros((64, 256, 256), np.uint8)
    model.predict(images[:1])
    with memory_below(2**28 + 2**25):
        model.predict(images)
