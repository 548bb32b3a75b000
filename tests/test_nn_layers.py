"""Layers: gradients against finite differences, batch normalisation's statistics, padding, dropout, and bad options."""

import numpy as np
import pytest

from fastconv import nn

from .networks import NETWORKS


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_gradients_are_those_of_finite_differences(network):
    model, (x, y) = network.model("float64"), network.data("float64")

    def loss():
        return model.gradient(x, y, loss=network.loss, threads=1)[0]

    first, gradient = model.gradient(x, y, loss=network.loss, threads=1)
    numeric, step = np.empty_like(gradient), 1e-5
    for i, weight in enumerate(model.parameters.copy()):
        model.parameters[i] = weight + step
        above = loss()
        model.parameters[i] = weight - step
        numeric[i] = (above - loss()) / (2 * step)
        model.parameters[i] = weight
    assert loss() == first
    assert np.abs(gradient).max() > 0.05
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-6 * np.abs(gradient).max())


def test_the_networks_have_every_layer():
    used = {type(layer).__name__ for network in NETWORKS for layer in network.layers()}
    assert used == set(nn.layers.LAYERS)


def test_gradient_changes_nothing_and_says_what_it_takes():
    network = next(n for n in NETWORKS if n.name == "batch norm")
    model, (x, y) = network.model("float64"), network.data("float64")
    before = model.weights_hash()
    first, again = (model.gradient(x, y, threads=threads) for threads in (1, 2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    assert model.weights_hash() == before
    with pytest.raises(ValueError, match="^gradient: x must have at least one image, but has none$"):
        model.gradient(x[:0], y[:0])
    with pytest.raises(ValueError, match=r"^gradient: x must be \(n, 6, 6, 2\), but has shape \(4, 6, 6, 1\)$"):
        model.gradient(x[..., :1], y)
    with pytest.raises(ValueError, match="^gradient: loss must be one of .* but is 'hinge'$"):
        model.gradient(x, y, loss="hinge")


def test_batch_norm_trains_by_the_batch_and_evaluates_by_the_running_statistics():
    x = np.random.default_rng(0).normal(5, 3, (6, 4, 3, 2))
    model = nn.Sequential([nn.BatchNorm(momentum=0.25), nn.GlobalAvgPool2D()], (4, 3, 2), "float64")
    assert model.buffers.tolist() == [0, 0, 1, 1]
    model.fit(x, np.zeros(6, int), epochs=3, batch_size=6, optimizer=nn.SGD(0.0), progress=False, threads=1)
    weights, kept = model.get_weights(), 0.75**3
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(weights["0.running_mean"], (1 - kept) * mean, rtol=1e-12)
    np.testing.assert_allclose(weights["0.running_var"], kept + (1 - kept) * variance, rtol=1e-12)
    alone = nn.Sequential([nn.BatchNorm()], (4, 3, 2), "float64")
    alone.loss = "mean_squared_error"  # results as they are
    alone.set_weights({name: weights[f"0.{name[2:]}"] for name in alone.get_weights()})
    before = alone.weights_hash()
    expected = (x - weights["0.running_mean"]) / np.sqrt(weights["0.running_var"] + 1e-5)
    np.testing.assert_allclose(alone.predict(x, batch_size=4), expected, rtol=1e-12)
    assert alone.weights_hash() == before


def test_batch_norm_does_not_depend_on_threads():
    x, y = np.random.default_rng(1).random((50, 28, 28)), np.arange(50) % 8
    hashes = set()
    for threads in (1, 2, 3):
        layers = [nn.Conv2D(8, 3), nn.BatchNorm(), nn.ReLU(), nn.ZeroPad2D(1), nn.GlobalAvgPool2D(), nn.BatchNorm()]
        model = nn.Sequential(layers, (28, 28))
        model.fit(x, y, epochs=2, batch_size=32, threads=threads, progress=False)
        hashes.add(model.weights_hash())
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "padding, pads", [(2, ((2, 2), (2, 2))), ((1, 0), ((1, 1), (0, 0))), (((0, 1), (2, 3)), ((0, 1), (2, 3)))], ids=str
)
def test_zero_padding(padding, pads):
    model = nn.Sequential([nn.ZeroPad2D(padding)], (3, 4, 2), "float64")
    model.loss = "mean_squared_error"
    x = np.random.default_rng(2).random((2, 3, 4, 2))
    np.testing.assert_array_equal(model.predict(x, threads=1), np.pad(x, ((0, 0), *pads, (0, 0))))


def test_dropout_only_in_training_and_anew_in_each_epoch():
    model = nn.Sequential([nn.Dropout(0.5), nn.GlobalAvgPool2D()], (5, 8, 1), "float64")
    x, y = np.ones((8, 5, 8)), np.zeros((8, 1))
    model.loss = "mean_squared_error"
    np.testing.assert_array_equal(model.predict(x), np.ones((8, 1)))
    loss = model.gradient(x, y, loss="mse", threads=1)[0]
    history = model.fit(x, y, epochs=3, loss="mse", optimizer=nn.SGD(0.0), threads=1, progress=False)["loss"]
    assert loss == pytest.approx(history[0], rel=1e-12) and len({*history, 1.0}) == 4


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: nn.BatchNorm(momentum=1.5), ValueError, "BatchNorm: momentum must be from 0 to 1, but is 1.5"),
        (lambda: nn.BatchNorm(momentum="high"), TypeError, "BatchNorm: momentum must be a number, but is 'high'"),
        (lambda: nn.BatchNorm(epsilon=-1), ValueError, "BatchNorm: epsilon must be at least 0 and less than inf, but is -1"),
        (lambda: nn.ZeroPad2D("same"), TypeError, "ZeroPad2D: padding must be an integer or pairs, but is 'same'"),
        (lambda: nn.ZeroPad2D((1, 2, 3)), ValueError, r"ZeroPad2D: padding must have one entry per axis \(2\), but has 3"),
        (lambda: nn.ZeroPad2D(-1), ValueError, "ZeroPad2D: padding must be at least 0, but is -1"),
        (lambda: nn.ZeroPad2D(1.5), TypeError, "ZeroPad2D: padding must be an integer, but is 1.5"),
        (lambda: nn.Dropout(1), ValueError, "Dropout: rate must be at least 0 and less than 1, but is 1"),
        (lambda: nn.Dropout("0.5"), TypeError, "Dropout: rate must be a number, but is '0.5'"),
        (lambda: nn.Dropout(float("nan")), ValueError, "Dropout: rate must be at least 0 and less than 1, but is nan"),
        (lambda: nn.LeakyReLU(2), ValueError, "LeakyReLU: slope must be at least 0 and less than 1, but is 2"),
        (lambda: nn.LeakyReLU(None), TypeError, "LeakyReLU: slope must be a number, but is None"),
        (lambda: nn.Conv2D(0, 3), ValueError, "Conv2D: filters must be at least 1, but is 0"),
        (lambda: nn.Conv2D(8.0, 3), TypeError, "Conv2D: filters must be an integer, but is 8.0"),
        (lambda: nn.Conv2D(8, 3, activation="tanh"), ValueError, "Conv2D: activation must be one of .*, but is 'tanh'"),
        (
            lambda: nn.Conv2D(8, 3, kernel_initializer="one"),
            ValueError,
            "Conv2D: kernel_initializer must be one of .* but is 'one'",
        ),
        (lambda: nn.Dense(True), TypeError, "Dense: units must be an integer, but is True"),
        (lambda: nn.Dense(3, activation=1), ValueError, "Dense: activation must be one of .*, but is 1"),
        (lambda: nn.SGD("fast"), TypeError, "SGD: lr must be a number, but is 'fast'"),
        (lambda: nn.SGD(0.1, momentum=1), ValueError, "SGD: momentum must be at least 0 and less than 1, but is 1"),
        (lambda: nn.SGD(0.1, nesterov=True), ValueError, "SGD: nesterov must come with a momentum above 0, but momentum is 0"),
        (lambda: nn.AdamW(betas=(0.9, 1.0)), ValueError, "AdamW: betas must be at least 0 and less than 1, but is 1.0"),
        (lambda: nn.Step(0), ValueError, "Step: epochs must be at least 1, but is 0"),
        (lambda: nn.Cosine(None), TypeError, "Cosine: least must be a number, but is None"),
        (lambda: nn.OneCycle(warmup=2), ValueError, "OneCycle: warmup must be from 0 to 1, but is 2"),
        (lambda: nn.OneCycle(start=0.5), ValueError, "OneCycle: start must be at least 1 and less than inf, but is 0.5"),
        (lambda: nn.MaxPool2D(2, ties="last"), ValueError, "MaxPool2D: ties must be one of .*, but is 'last'"),
    ],
)
def test_bad_options(make, error, message):
    with pytest.raises(error, match=f"^{message}"):
        make()


@pytest.mark.parametrize(
    "layer, error, message",
    [
        (lambda: nn.Conv2D(8, "3"), TypeError, "Conv2D: kernel_size must be an integer, but is '3'"),
        (lambda: nn.Conv2D(8, (3, 3, 3)), ValueError, "Conv2D: kernel_size must be one integer or 2, but has 3"),
        (lambda: nn.Conv2D(8, 3, stride=0), ValueError, "Conv2D: stride must be at least 1, but is 0"),
        (lambda: nn.Conv2D(8, 3, padding="some"), ValueError, "Conv2D: padding must be an integer, pairs, or one of .* 'some'"),
        (lambda: nn.Conv2D(8, 3, groups=2), ValueError, "Conv2D: groups must divide channels, but 2 does not divide 3"),
        (lambda: nn.Conv2D(8, 3, groups=3), ValueError, "Conv2D: groups must divide filters, but 3 does not divide 8"),
        (lambda: nn.Conv2D(8, 9), ValueError, "Conv2D: the window must not be larger than the padded input"),
        (lambda: nn.DepthwiseConv2D(3, dilation=-1), ValueError, "DepthwiseConv2D: dilation must be at least 1, but is -1"),
        (lambda: nn.MaxPool2D(0), ValueError, "MaxPool2D: kernel_size must be at least 1, but is 0"),
        (lambda: nn.MaxPool2D(2, padding=2), ValueError, "MaxPool2D: padding must be"),
        (lambda: nn.AvgPool2D(2, "2"), TypeError, "AvgPool2D: stride must be an integer, but is '2'"),
        (lambda: nn.Dense(3), ValueError, r"Dense: the input must be rows \(units,\), but is \(5, 6, 3\): put a Flatten before it"),
        (lambda: "relu", TypeError, "layers must be layers of fastconv.nn, but layer 0 is a str"),
    ],
)
def test_layers_that_cannot_take_their_input(layer, error, message):
    where = "Sequential: " if message.startswith("layers") else "Sequential: layer 0: "
    with pytest.raises(error, match=f"^{where}{message}"):
        nn.Sequential([layer()], (5, 6, 3))


@pytest.mark.parametrize(
    "layer", [nn.Conv2D(2, 2), nn.MaxPool2D(2), nn.AvgPool2D(2), nn.GlobalAvgPool2D(), nn.ZeroPad2D()], ids=repr
)
def test_layers_of_images_refuse_rows(layer):
    with pytest.raises(
        ValueError, match=rf"^Sequential: layer 0: {layer.name}: the input must be images \(h, w, c\), but is \(9,\)$"
    ):
        nn.Sequential([layer], (9,))


def test_relu_takes_infinities():
    model = nn.Sequential([nn.ReLU()], input_shape=(3,))
    model.loss = "mean_squared_error"
    assert model.predict(np.array([[-np.inf, np.inf, -1.0]])).tolist() == [[0.0, np.inf, 0.0]]
