"""Networks: shapes, training that learns, the same bits for any number of threads, weights in and out."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.datasets import load_mnist


def small(dtype="float32", seed=0):
    layers = [nn.Conv2D(8, 3, activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dropout(0.25), nn.Dense(10)]
    return nn.Sequential(layers, input_shape=(28, 28), dtype=dtype, seed=seed)


@pytest.fixture(scope="module")
def digits():
    x, y, _, _ = load_mnist()
    return x[:1500], y[:1500]


def test_training_learns_and_threads_change_no_bit(digits):
    hashes = set()
    for threads in (1, 2, 3, 8):
        model = small()
        before = model.evaluate(*digits)
        history = model.fit(
            *digits,
            epochs=2,
            batch_size=64,
            optimizer=nn.SGD(0.1, momentum=0.9),
            augment=nn.Shift(1),
            threads=threads,
            progress=False,
        )
        after = model.evaluate(*digits)
        assert after["loss"] < 0.5 < 2 < before["loss"]
        assert after["accuracy"] > 0.85
        assert history["loss"][1] < history["loss"][0]
        hashes.add(model.weights_hash())
    assert len(hashes) == 1


def test_weights_go_out_and_in(digits):
    model, other = small(seed=1), small(seed=2)
    assert model.weights_hash() != other.weights_hash()
    other.set_weights(model.get_weights())
    assert model.weights_hash() == other.weights_hash()
    assert np.array_equal(model.predict(digits[0][:9]), other.predict(digits[0][:9]))
