"""predict and outputs: one image or many, probabilities or not, any layer's maps; and what errors say about other layouts."""

from functools import partial

import numpy as np
import pytest

from fastconv import functional as fn
from fastconv import nn

RNG = np.random.default_rng(0)
X = RNG.random((5, 8, 7)).astype("float32")
COLOURED = RNG.random((5, 8, 7, 3)).astype("float32")


def layers():
    return [
        nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.ReLU(), nn.MaxPool2D(2), nn.Dropout(0.5), nn.Flatten(),
        nn.Dense(6, activation="leaky_relu"), nn.Dense(3),
    ]  # fmt: skip


def model(shape=(8, 7), dtype="float32"):
    made = nn.Sequential(layers(), shape, dtype, seed=2)
    made.parameters += RNG.normal(0, 0.3, made.parameters.size).astype(dtype)
    made.buffers += 0.25
    return made


# One or many


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_one_image_is_a_batch_of_one(batch):
    grey, coloured, rows = model(), model((8, 7, 3)), nn.Sequential([nn.Dense(3)], (4,))
    for made, x, ones in (
        (grey, X, [X[2], X[2][..., None]]),
        (coloured, COLOURED, [COLOURED[2]]),
        (rows, X[:, 0, :4], [X[2, 0, :4]]),
    ):
        many = made.predict(x, batch_size=batch)
        assert many.shape == (5, 3)
        for one in ones:
            # equal but for rounding: how much there is to do may choose another kernel, which adds up in another order
            same = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6, strict=True)
            same(made.predict(one), many[2])
            same(made.predict(one.tolist(), output="logits"), made.predict(x, output="logits")[2])
            same(made.outputs(one, 0), made.outputs(x, 0)[2])


def test_a_few_images_are_not_taken_for_one():
    square = nn.Sequential([nn.Flatten(), nn.Dense(3)], (8, 8))
    assert square.predict(np.zeros((8, 8))).shape == (3,)
    assert square.predict(np.zeros((8, 8, 8))).shape == (8, 3)
    assert square.predict(np.zeros((1, 8, 8))).shape == square.predict(np.zeros((1, 8, 8, 1))).shape == (1, 3)
    assert square.predict(np.zeros((0, 8, 8))).shape == (0, 3)
    pixel = nn.Sequential([nn.Flatten(), nn.Dense(3)], (1, 1, 1))
    assert pixel.predict(np.zeros((1, 1, 1))).shape == (1, 3)


def test_one_uint8_image_is_scaled_too():
    made = model()
    pixels = (X * 255).astype("uint8")
    np.testing.assert_allclose(made.predict(pixels[1]), made.predict(pixels / 255)[1], rtol=1e-5)


# Probabilities or not


def test_logits_are_what_softmax_makes_probabilities_of():
    made = model()
    logits = made.predict(X, output="logits")
    assert logits.std() > 0.1
    for output in (None, "probabilities"):
        np.testing.assert_array_equal(made.predict(X, output=output), fn.softmax(logits), strict=True)
    made.loss = "mse"
    np.testing.assert_array_equal(made.predict(X), logits)
    np.testing.assert_array_equal(made.predict(X, output="logits"), logits)


@pytest.mark.parametrize(
    "made, shape",
    [
        (nn.Sequential([nn.Conv2D(4, 3)], (8, 7)), r"\(6, 5, 4\)"),
        (nn.Sequential([nn.Flatten(), nn.Dense(1)], (8, 7)), r"\(1,\)"),
        (nn.Sequential([nn.Conv2D(4, (8, 1))], (8, 7)), r"\(1, 7, 4\)"),
    ],
)
def test_what_are_no_classes_is_left_as_it_is(made, shape):
    np.testing.assert_array_equal(made.predict(X), made.predict(X, output="logits"), strict=True)
    np.testing.assert_array_equal(made.predict(X), made.outputs(X, -1), strict=True)
    with pytest.raises(
        ValueError, match=f"^predict: probabilities must be of a model for cross_entropy .* cross_entropy and gives {shape}"
    ):
        made.predict(X, output="probabilities")


def test_one_pixel_of_classes_has_probabilities():
    made = nn.Sequential([nn.Conv2D(4, (8, 7))], (8, 7))
    assert made.predict(X).shape == (5, 1, 1, 4)
    np.testing.assert_allclose(made.predict(X).sum(axis=-1), 1, rtol=1e-6)
    made.fit(X, [0, 1, 2, 3, 0], progress=False)


@pytest.mark.parametrize("output", ["softmax", True, 0, "Logits"])
def test_other_outputs_are_refused(output):
    with pytest.raises(ValueError, match=r"^predict: output must be one of \(None, 'probabilities', 'logits'\), but is "):
        model().predict(X, output=output)


# Feature maps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 7), (8, 7, 3)])
def test_each_layer_gives_what_the_model_gives_that_ends_with_it(shape, dtype):
    made = model(shape, dtype)
    x = X if len(shape) == 2 else COLOURED
    before = made.weights_hash()
    for number in range(len(made.layers)):
        cut = nn.Sequential(layers()[: number + 1], shape, dtype)
        cut.set_weights({name: array for name, array in made.get_weights().items() if int(name.split(".")[0]) <= number})
        maps = made.outputs(x, number, batch_size=2)
        assert maps.shape == (5, *made.shapes[number + 1]) and maps.dtype == dtype
        np.testing.assert_array_equal(maps, cut.predict(x, output="logits", batch_size=2), strict=True)
        np.testing.assert_array_equal(maps, made.outputs(x, number - len(made.layers), batch_size=2, threads=2), strict=True)
    assert made.weights_hash() == before


def test_feature_maps_are_those_of_the_functions():
    made = model(dtype="float64")
    x, weights = X[..., None].astype("float64"), made.get_weights()
    convolved = np.maximum(fn.conv2d(x, weights["0.kernel"], weights["0.bias"]), 0)
    normal = (convolved - weights["1.running_mean"]) / np.sqrt(weights["1.running_var"] + 1e-5)
    normal = np.maximum(normal * weights["1.gamma"] + weights["1.beta"], 0)
    pooled = fn.max_pool2d(normal, 2)
    dense = pooled.reshape(5, -1) @ weights["6.kernel"] + weights["6.bias"]
    for number, expected in ((0, convolved), (2, normal), (3, pooled), (4, pooled), (6, np.where(dense < 0, 0.01 * dense, dense))):
        np.testing.assert_allclose(made.outputs(x, number), expected, rtol=1e-10, atol=1e-12)


def test_the_notebooks_model_gives_maps_too():
    made = nn.Sequential([nn.Conv2D(8, 3), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)], (8, 8))
    x = RNG.random((3, 8, 8)).astype("float32")
    weights = made.get_weights()
    maps = fn.conv2d(x[..., None], weights["0.kernel"], weights["0.bias"])
    np.testing.assert_allclose(made.outputs(x, 0), maps, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made.outputs(x, 1), fn.max_pool2d(maps, 2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "layer, error, text",
    [
        (8, ValueError, "layer must be at most 7, but is 8"),
        (-9, ValueError, "layer must be at least -8, but is -9"),
        (1.0, TypeError, "layer must be an integer, but is 1.0"),
        ("conv", TypeError, "layer must be an integer, but is 'conv'"),
        (True, TypeError, "layer must be an integer, but is True"),
    ],
)
def test_other_layers_are_refused(layer, error, text):
    with pytest.raises(error, match=f"^outputs: {text}$"):
        model().outputs(X, layer)
