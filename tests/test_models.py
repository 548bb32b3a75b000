"""The networks with names: their sizes and weights, their recipes, and the notebook's weights in and out."""

import numpy as np
import pytest

import fastconv
from fastconv import nn
from fastconv.nn import models
from fastconv.nn.models import MODELS

SIZES = {
    "seed": 9 * 16 + 2704 * 10 + 10,
    "lenet": 26 * 6 + 151 * 16 + 401 * 120 + 121 * 84 + 85 * 10,
    "small": 26 * 16 + 145 * 32 + 1153 * 10,
    "accurate": 26 * 24 + 601 * 48 + 769 * 10,
    "pytorch-example": 10 * 32 + 289 * 64 + 9217 * 128 + 129 * 10,
}


def notebook_layers(seed=None, size=28):
    """Return the notebook's layers, as drawn after numpy.random.seed(seed)."""
    state = np.random.get_state()
    try:
        np.random.seed(seed)
        units = ((size - 2) // 2) ** 2 * 16
        return [fastconv.ConvolutionLayer(16, 3), fastconv.MaxPoolingLayer(2), fastconv.SoftmaxLayer(units, 10)]
    finally:
        np.random.set_state(state)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_as_large_as_they_should_be_and_follow_their_seed(name):
    build, recipe = MODELS[name]
    model, again, other = (build((28, 28), 10, seed) for seed in (5, 5, 6))
    assert model.parameters.size == SIZES[name]
    assert (model.dtype, model.seed, model.shapes[-1]) == (np.float32, 5, (10,))
    assert model.weights_hash() == again.weights_hash() != other.weights_hash()
    assert build((32, 32, 3), 7, 0).shapes[-1] == (7,)
    assert recipe.batch_size >= 1 and recipe.epochs >= 1
    assert recipe.with_rate(0.5).optimizer.options() == recipe.optimizer.options() | {"lr": 0.5}


@pytest.mark.parametrize("seed", [0, 7])
def test_the_seed_model_has_the_notebooks_weights(seed):
    before = np.random.get_state()[1].tolist()
    weights = models.seed((28, 28), seed=seed).get_weights()
    assert np.random.get_state()[1].tolist() == before
    conv, _, dense = notebook_layers(seed)
    assert np.array_equal(weights["0.kernel"][:, :, 0].transpose(2, 0, 1), conv.kernels.astype(np.float32))
    assert np.array_equal(weights["3.kernel"], dense.weight.astype(np.float32))
    assert not weights["3.bias"].any()


def test_the_notebooks_step_is_the_seed_models():
    """One image an update by fit itself, beside the notebook's layers in float64."""
    rng = np.random.default_rng(8)
    images, labels = rng.integers(0, 256, (3, 28, 28), np.uint8), np.array([4, 0, 9])
    conv, pool, dense = notebook_layers(3)
    model = models.seed((28, 28), seed=3)
    for image, label in zip(images, labels):
        gradient = np.zeros(10)
        probabilities = dense.forward_prop(pool.forward_prop(conv.forward_prop(image / 255)))
        assert np.allclose(model.predict(image[None])[0], probabilities, rtol=0, atol=1e-6)
        gradient[label] = -1 / probabilities[label]
        conv.back_prop(pool.back_prop(dense.back_prop(gradient, 0.05)), 0.05)
        model.fit(image[None], [label], batch_size=1, optimizer=nn.SGD(0.05), progress=False)
    found = model.get_weights()
    assert np.allclose(found["0.kernel"][:, :, 0].transpose(2, 0, 1), conv.kernels, rtol=0, atol=1e-6)
    assert np.allclose(found["3.kernel"], dense.weight, rtol=0, atol=1e-6)
    assert np.allclose(found["3.bias"], dense.bias.reshape(-1), rtol=0, atol=1e-6)
