"""Networks: shapes, training that learns, the same bits for any number of threads, weights in and out."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.datasets import load_mnist
from fastconv.nn import passes
from fastconv.nn.fusion import conv_pool_dense


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


@pytest.mark.parametrize("batch", [1, 48])
@pytest.mark.parametrize(
    "options, ties", [({"use_bias": False}, "all"), ({"activation": "relu"}, "first"), ({"kernel_initializer": "he_normal"}, "all")]
)
def test_one_pass_over_an_image_does_what_the_layers_do(digits, monkeypatch, options, ties, batch):
    x, y = digits[0][:333], digits[1][:333]
    results = []
    for fused in (True, False):
        layers = [nn.Conv2D(10, 3, **options), nn.MaxPool2D(2, ties=ties), nn.Flatten(), nn.Dense(10)]
        model = nn.Sequential(layers, input_shape=(28, 28, 1), seed=4)
        assert conv_pool_dense(model, model.parameters) is not None
        if not fused:
            monkeypatch.setattr(passes, "conv_pool_dense", lambda *given: None)
        history = model.fit(x, y, batch_size=batch, optimizer=nn.SGD(0.005 if batch == 1 else 0.05), threads=2, progress=False)
        results.append((history["loss"][0], history["accuracy"][0], model.evaluate(x, y)["loss"], model.parameters))
    np.testing.assert_allclose(results[0][:3], results[1][:3], rtol=1e-5)
    np.testing.assert_allclose(results[0][3], results[1][3], rtol=0, atol=1e-5 if batch > 1 else 1e-3)


def test_other_models_are_not_taken_for_the_notebooks():
    def model(*layers, shape=(28, 28, 1), dtype="float32"):
        return nn.Sequential(layers, input_shape=shape, dtype=dtype)

    conv, pool, flat, dense = nn.Conv2D(8, 3), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)
    assert conv_pool_dense(*two(model(conv, pool, flat, dense))) is not None
    for other in (
        model(conv, pool, flat, dense, dtype="float64"),
        model(conv, pool, flat, dense, shape=(28, 26, 1)),
        model(conv, pool, flat, dense, shape=(28, 28, 2)),
        model(conv, pool, flat, nn.Dense(13)),
        model(conv, pool, flat, nn.Dense(10, activation="relu")),
        model(conv, pool, flat, nn.Dense(10, use_bias=False)),
        model(conv, pool, nn.Flatten(), nn.Dropout(0.5), dense),
        model(conv, nn.AvgPool2D(2), flat, dense),
        model(conv, nn.MaxPool2D(3), flat, dense),
        model(conv, nn.MaxPool2D(2, 1), flat, dense),
        model(conv, nn.MaxPool2D(2, padding=1), flat, dense),
        model(conv, nn.MaxPool2D(2, ties="split"), flat, dense),
        model(nn.Conv2D(8, 3, stride=2), pool, flat, dense),
        model(nn.Conv2D(8, 3, padding=1), pool, flat, dense),
        model(nn.Conv2D(8, (3, 2)), pool, flat, dense),
        model(nn.Conv2D(8, 3, activation="leaky_relu"), pool, flat, dense),
        model(nn.Conv2D(80, 3), pool, flat, dense),
        model(nn.DepthwiseConv2D(3), pool, flat, dense),
    ):
        assert conv_pool_dense(*two(other)) is None, other.layers


def two(model):
    return model, model.parameters
