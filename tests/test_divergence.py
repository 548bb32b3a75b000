"""A training that comes apart is warned of, once, and one that doesn't isn't."""

import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv.datasets import load_mnist


@pytest.fixture(scope="module")
def mnist():
    images, labels, _, _ = load_mnist()
    return images[:12_000], labels[:12_000]


def network(**options):
    np.random.seed(0)
    return [fc.ConvolutionLayer(16, 3, **options), fc.MaxPoolingLayer(2), fc.SoftmaxLayer(2704, 10, **options)]


def steps(mnist, layers, alpha, count):
    """Take so many steps; return fastconv's warnings, each with how many steps had been taken."""
    found = []
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        for done, (image, label) in enumerate(zip(mnist[0][:count], mnist[1][:count]), 1):
            fc.CNN_training(image, label, layers, alpha)
            found += [(done, warning) for warning in caught[len(found) :]]
    return found


@pytest.mark.parametrize("options", [{}, {"init": "scaled"}])
def test_the_notebooks_rate_comes_apart_over_many_images_and_a_smaller_one_does_not(mnist, options):
    [(done, warning)] = steps(mnist, network(**options), 0.05, 12_000)
    assert 1000 < done < 10_000
    assert warning.category is RuntimeWarning and warning.filename == __file__
    text = str(warning.message)
    assert text.startswith("CNN_training: the mean loss of the last 100 images is ")
    assert text.endswith(": the training has come apart; try a smaller learning rate than 0.05")
    assert steps(mnist, network(**options), 0.05, 1000) == steps(mnist, network(**options), 0.005, 3000) == []


def test_each_network_is_warned_of_once(mnist):
    layers = [fc.Conv3x3(8), fc.MaxPool2(), fc.Softmax(1352, 10)]
    assert [done for done, _ in steps(mnist, layers, 0.5, 400)] == [100]
    assert steps(mnist, layers, 0.5, 300) == []
    assert len(steps(mnist, network(), 0.5, 200)) == 1


def test_a_loss_of_nan_is_warned_of_at_once(mnist):
    layers, image = network(), np.full((28, 28), np.nan)
    steps(mnist, layers, 0.005, 150)
    with pytest.warns(RuntimeWarning, match="^CNN_training: the loss is NaN: the training has come apart"):
        fc.CNN_training(image, 3, layers, 0.005)


def test_a_last_layer_without_a_hash_is_trained_all_the_same(mnist):
    class Last(fc.SoftmaxLayer):
        __hash__ = None

    layers = [fc.MaxPoolingLayer(7), Last(16, 10)]
    assert np.isfinite(fc.CNN_training(mnist[0][0][:, :, None], 3, layers)[0])
