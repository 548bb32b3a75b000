"""The layers against the notebooks' own, patch by patch: every loss, weight, return value and attribute over 300 images."""

import numpy as np
import pytest

import fastconv
from fastconv.datasets import load_mnist

from . import naive


@pytest.fixture(scope="module", params=[60, pytest.param(300, marks=pytest.mark.slow)])
def mnist(request):
    images, labels, _, _ = load_mnist()
    return images[: request.param], labels[: request.param]


def close(mine, theirs):
    """1e-9 of the largest element, and of each loss."""
    scale = np.max(np.abs(theirs), initial=1e-300)
    np.testing.assert_allclose(np.asarray(mine) / scale, np.asarray(theirs) / scale, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("init", "alpha"), [("xavier", 0.005), pytest.param("scaled", 0.05, marks=pytest.mark.slow)])
def test_first_family(mnist, init, alpha):
    """ConvolutionLayer, MaxPoolingLayer, SoftmaxLayer in the unchanged training loop, from the same seed."""
    runs = []
    for module in (naive, fastconv):
        np.random.seed(0)
        layers = [
            module.ConvolutionLayer(16, 3, init=init),
            module.MaxPoolingLayer(2),
            module.SoftmaxLayer(13 * 13 * 16, 10, init=init),
        ]
        steps = [naive.training_step(image, label, layers, alpha) for image, label in zip(*mnist)]
        runs.append((layers, steps, np.random.random()))
    (theirs, their_steps, their_draw), (mine, my_steps, my_draw) = runs
    assert my_draw == their_draw, "the layers draw as many random numbers as the notebook's"
    np.testing.assert_allclose([loss for loss, _ in my_steps], [loss for loss, _ in their_steps], rtol=1e-9)
    assert [right for _, right in my_steps] == [right for _, right in their_steps]
    close(mine[0].kernels, theirs[0].kernels)
    close(mine[2].weight, theirs[2].weight)
    close(mine[2].bias, theirs[2].bias)
    close(mine[0].image, theirs[0].image)
    close(mine[1].image, theirs[1].image)
    close(mine[2].flattened_input, theirs[2].flattened_input)
    close(mine[2].output, theirs[2].output)
    assert mine[2].original_shape == theirs[2].original_shape
    assert (mine[0].kernel_num, mine[0].kernel_size, mine[1].kernel_size) == (16, 3, 2)


def test_second_family(mnist):
    """Conv3x3, MaxPool2, Softmax in the unchanged training loop, from the same seed."""
    runs = []
    for module in (naive, fastconv):
        np.random.seed(1)
        layers = module.Conv3x3(8), module.MaxPool2(), module.Softmax(13 * 13 * 8, 10)
        runs.append((layers, [naive.training_step_3x3(image, label, *layers, 0.005) for image, label in zip(*mnist)]))
    (theirs, their_steps), (mine, my_steps) = runs
    np.testing.assert_allclose([loss for loss, _ in my_steps], [loss for loss, _ in their_steps], rtol=1e-9)
    assert [right for _, right in my_steps] == [right for _, right in their_steps]
    close(mine[0].filters, theirs[0].filters)
    close(mine[0].last_input, theirs[0].last_input)
    close(mine[1].last_input, theirs[1].last_input)
    close(mine[2].weights, theirs[2].weights)
    close(mine[2].biases, theirs[2].biases)
    close(mine[2].last_input, theirs[2].last_input)
    close(mine[2].last_totals, theirs[2].last_totals)
    assert mine[2].last_input_shape == theirs[2].last_input_shape
    assert mine[0].num_filters == 8


def test_return_values(mnist):
    """Each layer's forward and backward result, for one image."""
    image, label = mnist[0][0] / 255.0, mnist[1][0]
    results = []
    for module in (naive, fastconv):
        np.random.seed(2)
        conv, pool, dense = module.ConvolutionLayer(5, 4), module.MaxPoolingLayer(3), module.SoftmaxLayer(8 * 8 * 5, 10)
        convolved = conv.forward_prop(image)
        pooled = pool.forward_prop(convolved)
        output = dense.forward_prop(pooled)
        gradient = np.zeros(10)
        gradient[label] = -1 / output[label]
        back_dense = dense.back_prop(gradient, 0.01)
        back_pool = pool.back_prop(back_dense)
        results.append((convolved, pooled, output, back_dense, back_pool, conv.back_prop(back_pool, 0.01), conv.kernels))
    for mine, theirs in zip(results[1], results[0]):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        close(mine, theirs)


def test_generators():
    """patches_generator and iterate_regions yield the notebooks' patches, in their order, and keep the image."""
    image = np.arange(30.0).reshape(5, 6)
    for mine, theirs in ((fastconv.ConvolutionLayer(1, 2), naive.ConvolutionLayer(1, 2)),):
        for (a, *place_a), (b, *place_b) in zip(mine.patches_generator(image), theirs.patches_generator(image), strict=True):
            assert place_a == place_b
            np.testing.assert_array_equal(a, b)
        assert mine.image is image
    regions = list(fastconv.Conv3x3(1).iterate_regions(image))
    assert len(regions) == 12 and regions[5][1:] == (1, 1)
    np.testing.assert_array_equal(regions[5][0], image[1:4, 1:4])
    cube = image[:, :, None]
    pooling = fastconv.MaxPoolingLayer(2)
    assert [(p.shape, h, w) for p, h, w in pooling.patches_generator(cube)][-1] == ((2, 2, 1), 1, 2)
    assert pooling.image is cube
    assert len(list(fastconv.MaxPool2().iterate_regions(cube))) == 6


def test_notebook_training_functions(mnist):
    """CNN_training over fastconv's layers gives what the loop over the loop twins gives."""
    np.random.seed(3)
    theirs = [naive.ConvolutionLayer(16, 3, "scaled"), naive.MaxPoolingLayer(2), naive.SoftmaxLayer(2704, 10, "scaled")]
    np.random.seed(3)
    mine = [
        fastconv.ConvolutionLayer(16, 3, init="scaled"),
        fastconv.MaxPoolingLayer(2),
        fastconv.SoftmaxLayer(2704, 10, init="scaled"),
    ]
    for image, label in zip(mnist[0][:20], mnist[1][:20]):
        np.testing.assert_allclose(
            fastconv.CNN_training(image, label, mine, 0.05), naive.training_step(image, label, theirs, 0.05), rtol=1e-9
        )


def test_notebook_training_functions_over_the_other_family():
    images, labels, _, _ = load_mnist()
    np.random.seed(4)
    layers = [fastconv.Conv3x3(8), fastconv.MaxPool2(), fastconv.Softmax(1352, 10)]
    losses = [fastconv.CNN_training(image, label, layers, 0.01)[0] for image, label in zip(images[:300], labels[:300])]
    assert np.mean(losses[-100:]) < np.mean(losses[:100]) - 0.5


def test_a_stack_of_two_convolutions_learns():
    """What the notebooks can't do: a convolution behind a pooling, on its (h, w, c) output."""
    images, labels, _, _ = load_mnist()
    np.random.seed(5)
    layers = [
        fastconv.ConvolutionLayer(8, 3),
        fastconv.MaxPoolingLayer(2),
        fastconv.ConvolutionLayer(16, 3),
        fastconv.MaxPoolingLayer(2),
        fastconv.SoftmaxLayer(5 * 5 * 16, 10),
    ]
    losses = [fastconv.CNN_training(image, label, layers, 0.01)[0] for image, label in zip(images[:300], labels[:300])]
    assert layers[2].kernels.shape == (16, 3, 3, 8)
    assert np.mean(losses[-100:]) < np.mean(losses[:100]) - 0.5
