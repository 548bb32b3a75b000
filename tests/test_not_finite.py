"""NaN and infinity in networks: the pass over each image says what the layers say, and both what PyTorch says."""

import numpy as np
import pytest

from fastconv import functional as fn
from fastconv import nn
from fastconv.nn import passes
from fastconv.nn.fusion import conv_pool_dense

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* has numbers that aren.t finite:UserWarning"),
    pytest.mark.filterwarnings("ignore:fit. the (mean )?loss .*come apart:RuntimeWarning"),
]

NAN, INF = np.nan, np.inf
ODD_ONE = 2
"""Which image isn't finite."""
# Images of 29 pixels leave a row and a column of the convolution's results without a pooling window; vectors are filled, or not.
NETWORKS = [
    (28, 3, 10, 10, {"activation": "relu"}, "first"),
    (29, 3, 5, 10, {"activation": "relu"}, "first"),
    (29, 3, 17, 10, {"use_bias": False}, "all"),
    (28, 3, 1, 10, {}, "all"),
    (9, 5, 16, 2, {"activation": "relu"}, "all"),
]


def model_of(width, size, filters, classes, options, ties, **others):
    layers = [nn.Conv2D(filters, size, **options), nn.MaxPool2D(2, ties=ties), nn.Flatten(), nn.Dense(classes)]
    model = nn.Sequential(layers, input_shape=(width, width, 1), seed=4, **others)
    model.parameters[:] = np.random.default_rng(5).normal(0, 0.3, model.parameters.size)
    return model


def images_of(width, classes):
    rng = np.random.default_rng(6)
    return rng.normal(0, 1, (6, width, width, 1)).astype(np.float32), rng.integers(0, classes, 6)


def odd_images(x):
    """Yield copies of x in which one image, or all of a pixel's neighbours, are not finite."""
    last = x.shape[1] - 1
    for value in (NAN, INF, -INF):
        for row, column in (
            (0, 0),
            (last, 3),
            (3, last),
            (last - 1, last // 2),
            (last // 2, last // 2),
            (slice(None), slice(None)),
        ):
            odd = x.copy()
            odd[ODD_ONE, row, column] = value
            yield odd


def odd_weights(model):
    """Yield the model with one weight of each array in turn not finite."""
    weights = model.parameters.copy()
    for arrays in model.views(model.parameters):
        for array in arrays.values():
            for value in (NAN, INF, -INF):
                model.parameters[:] = weights
                array.reshape(-1)[array.size // 2] = value
                yield model


def everything(make, x, y):
    """Return all that a model says of the images, and its weights after fits, each from the first weights."""
    said, one = [], slice(ODD_ONE, ODD_ONE + 1)
    for images, labels in ((x, y), (x[one], y[one])):
        figures = make().evaluate(images, labels, threads=1)
        said += [figures["loss"], figures["accuracy"]]
        guesses = make().predict(images, threads=1).argmax(axis=1)
        assert figures["accuracy"] == (guesses == labels).mean()
    for batch, momentum in ((1, 0), (6, 0), (6, 0.5)):
        model = make()
        options = {"optimizer": nn.SGD(0.01, momentum=momentum), "shuffle": False, "progress": False, "threads": 1}
        history = model.fit(x, y, batch_size=batch, **options)
        said += [history["loss"][0], history["accuracy"][0], model.parameters]
    return said


def assert_alike(mine, theirs):
    for kind in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(kind(mine), kind(theirs))
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def both_ways(monkeypatch, make, x, y):
    """Return what the pass over each image says, compared with the layers."""
    assert conv_pool_dense(make(), make().parameters) is not None
    fused = everything(make, x, y)
    with monkeypatch.context() as patched:
        patched.setattr(passes, "conv_pool_dense", lambda *given: None)
        for mine, theirs in zip(fused, everything(make, x, y), strict=True):
            assert_alike(mine, theirs)
    return fused


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_one_pass_over_an_image_hides_nothing_that_the_layers_show(network, monkeypatch):
    x, y = images_of(network[0], network[3])
    for images in odd_images(x):
        fused = both_ways(monkeypatch, lambda: model_of(*network), images, y)
        if np.isnan(images).any():
            assert np.isnan(fused[6]).all()  # the weights after six updates
        if np.isnan(images[ODD_ONE]).all():
            assert np.isnan(fused[0]) and np.isnan(fused[2]) and np.isnan(fused[4])
    for odd in odd_weights(model_of(*network)):

        def copy(odd=odd):
            model = model_of(*network)
            model.parameters[:] = odd.parameters
            return model

        both_ways(monkeypatch, copy, x, y)


def test_an_infinity_that_no_result_shows_is_in_the_gradient(monkeypatch):
    """Where ReLU takes away what comes of it, and where no pooling window has it, zero times infinity is NaN all the same."""
    network = NETWORKS[1]

    def make():
        model = model_of(*network)
        kernel = model.views(model.parameters)[0]["kernel"]
        kernel[:] = -np.abs(kernel)
        return model

    x, y = images_of(network[0], network[3])
    for row, column, taps in ((28, 0, [(2, 0)]), (4, 28, [(0, 2), (1, 2), (2, 2)]), (12, 7, [*np.ndindex(3, 3)])):
        images = x.copy()
        images[ODD_ONE, row, column] = INF
        fused = both_ways(monkeypatch, make, images, y)
        assert np.isfinite(fused[:4]).all()
        model = make()
        loss, gradient = model.gradient(images, y, threads=1)
        spoilt = np.isnan(model.views(gradient)[0]["kernel"])
        assert np.isfinite(loss) and sorted(map(tuple, np.argwhere(spoilt.all(axis=(2, 3))).tolist())) == taps
        assert np.isnan(gradient).sum() == spoilt.sum() == 5 * len(taps)


def test_the_issues_network():
    """Loss 0.693 and accuracy 1.0 once, of an image that predict said NaN of."""
    layers = [nn.Conv2D(1, 1, activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(2)]
    model, x = nn.Sequential(layers, input_shape=(4, 4, 1)), np.full((1, 4, 4, 1), NAN, np.float32)
    for label in (0, 1):
        figures = model.evaluate(x, [label])
        assert np.isnan(figures["loss"])
        assert figures["accuracy"] == (model.predict(x).argmax() == label)
    loss, gradient = model.gradient(x, [0])
    assert np.isnan(loss) and np.isnan(gradient).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize(
    "bias", [(0, NAN, 9), (NAN, 0, NAN), (0, INF, 9), (INF, 0, INF), (-INF, -INF, -INF), (0, NAN, INF), (-INF, 0, 1), (INF, NAN, 0)]
)
def test_the_guess_is_numpys_argmax_of_what_predict_says(loss, bias):
    model = nn.Sequential([nn.Dense(3)], input_shape=(2,))
    x, y = np.zeros((3, 2), np.float32), np.eye(3, dtype=np.float32) if loss == "mean_squared_error" else np.arange(3)
    model.fit(x, y, epochs=0, loss=loss)
    model.views(model.parameters)[0]["bias"][:] = bias
    figures, said = model.evaluate(x, y), model.predict(x)
    assert figures["accuracy"] == (said.argmax(axis=1) == np.arange(3)).mean()
    assert not np.isfinite(figures["loss"])
    if loss == "mean_squared_error":
        assert said.argmax(axis=1).tolist() == [int(np.argmax(bias))] * 3
    elif max(bias) < INF and min(bias) == -INF != max(bias):
        assert figures["loss"] == INF  # -log(0) for one of the labels
    else:
        assert np.isnan(figures["loss"]) and np.isnan(said).all()


def test_relu_at_nan_as_pytorch():
    x, dy = np.array([NAN, -1, 0, 2, INF, -INF]), np.arange(1.0, 7)
    assert_alike(fn.relu(x), np.array([NAN, 0, 0, 2, INF, 0]))
    np.testing.assert_array_equal(fn.relu_grad(dy, x), [1, 0, 0, 4, 5, 0])
    np.testing.assert_array_equal(fn.relu_grad(np.full(6, NAN), x), [NAN, 0, 0, NAN, NAN, 0])


@pytest.mark.parametrize("optimizer", [nn.SGD(0.5), nn.SGD(0.5, momentum=0.5), nn.Adam(0.5), nn.AdamW(0.5)], ids=repr)
def test_a_weight_that_gets_no_gradient_stays_infinite(optimizer):
    """Without decay: zero times infinity, added to the gradient, was NaN."""
    model = nn.Sequential([nn.Dense(2)], input_shape=(3,))
    bias = model.views(model.parameters)[0]["bias"]
    bias[1] = -INF  # of probability 0
    history = model.fit(np.ones((4, 3), np.float32), np.zeros(4, int), batch_size=2, optimizer=optimizer, progress=False)
    assert bias[1] == -INF and np.isfinite(np.delete(model.parameters, -1)).all() and history["loss"] == [0.0]
