"""Masked arrays, and lists that hold them, are refused wherever arrays go in: what is behind a mask must not count."""

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn
from fastconv import nn, signal, testing

X, W, Y = np.ones((2, 4, 4, 1)), np.ones((3, 3, 1, 2)), np.ones((2, 2, 2, 2))
LINE, PART, ONE = np.ones((2, 4, 1)), np.ones((2, 1, 1)), np.ones((2, 1, 1, 1))
PLACES = np.zeros((2, 2, 2, 1), int)
ROWS = np.ones((2, 3))


def pooled(values):
    return values[:, ::2, ::2]


def functional_calls():
    """Yield (function, its arrays, other arguments)."""
    yield fn.conv2d, [X, W, np.ones(2)], []
    yield fn.conv2d_input_grad, [Y, W], [X.shape]
    yield fn.conv2d_weight_grad, [X, Y], [W.shape]
    yield fn.conv_transpose2d, [Y, W, np.ones(1)], []
    yield fn.conv_transpose2d_input_grad, [X, W], [Y.shape]
    yield fn.conv_transpose2d_weight_grad, [Y, X], [W.shape]
    yield fn.conv1d, [LINE, np.ones((2, 1, 2))], []
    yield fn.conv3d, [np.ones((1, 2, 2, 2, 1)), np.ones((1, 1, 1, 1, 1))], []
    for kind in ("max", "min"):
        yield getattr(fn, f"{kind}_pool2d"), [X], [2]
        yield getattr(fn, f"{kind}_pool2d_grad"), [pooled(X), X], [2]
    yield fn.avg_pool2d, [X], [2]
    yield fn.avg_pool2d_grad, [pooled(X)], [X.shape, 2]
    yield fn.lp_pool, [X], [2]
    yield fn.lp_pool_grad, [pooled(X), X], [2]
    yield fn.max_unpool2d, [pooled(X), PLACES], [X.shape]
    yield fn.max_unpool2d_grad, [X, PLACES], []
    for kind in ("avg", "max"):
        yield getattr(fn, f"adaptive_{kind}_pool"), [X], [2]
        yield getattr(fn, f"global_{kind}_pool"), [X], []
    yield fn.adaptive_avg_pool_grad, [pooled(X)], [X.shape]
    yield fn.adaptive_max_pool_grad, [pooled(X), X], [2]
    yield fn.global_avg_pool_grad, [ONE], [X.shape]
    yield fn.global_max_pool_grad, [ONE[:, 0, 0], X], []
    yield fn.linear, [ROWS, ROWS.T, np.ones(2)], []
    yield fn.linear_grad, [np.ones((2, 2)), ROWS, ROWS.T], []
    yield fn.linear_input_grad, [np.ones((2, 2)), ROWS.T], []
    yield fn.linear_weight_grad, [ROWS, ROWS], []
    for name in ("relu", "softmax", "log_softmax"):
        yield getattr(fn, name), [ROWS], []
        yield getattr(fn, f"{name}_grad"), [ROWS, ROWS], []
    yield fn.cross_entropy, [ROWS, np.zeros(2, int)], []
    yield fn.cross_entropy_grad, [ROWS, np.zeros(2, int)], []


def other_calls():
    for name in ("convolve", "correlate", "choose_conv_method", "convolve2d", "correlate2d"):
        yield getattr(signal, name), [ROWS, ROWS], []
    yield fastconv.zero_pad_1d, [ROWS[0]], [1]
    yield fastconv.zero_pad_2d, [ROWS], [1]
    for rank, image in ((1, ROWS[0]), (2, ROWS)):
        batch = np.stack([image, image])
        for ending, x in (("", image), ("_batch", batch)):
            yield getattr(fastconv, f"conv_{rank}d{ending}"), [x, image], []
            yield getattr(fastconv, f"input_{rank}d_grads{ending}"), [x, image, x], []
            yield getattr(fastconv, f"param_{rank}d_grads{ending}"), [x, image, x], []


CALLS = [(f, arrays, rest, place) for f, arrays, rest in [*functional_calls(), *other_calls()] for place in range(len(arrays))]


def masked(array):
    """Return the array with every other element behind a mask, the last one too."""
    return np.ma.array(array, mask=np.arange(array.size)[::-1].reshape(array.shape) % 2 == 0)


class Variable:
    """As netCDF4's: it makes a masked array of itself."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return masked(self._array)


@pytest.mark.parametrize(("function", "arrays", "rest", "place"), CALLS, ids=[f"{call[0].__name__} {call[3]}" for call in CALLS])
def test_every_array_of_every_function(function, arrays, rest, place):
    function(*arrays, *rest)
    array = arrays[place]
    wrong = [masked(array), np.ma.array(array), list(masked(array)), (*array[:-1], masked(array)[-1]), Variable(array)]
    if array.ndim > 1:
        wrong.append([list(row) for row in masked(array)])
    if array.ndim > 2:
        wrong.append([[row for row in rows] for rows in masked(array)])
    for value in wrong:
        with pytest.raises(
            TypeError, match=f"{function.__name__}: .* must be an array without a mask, but (is|holds) a MaskedArray"
        ):
            function(*arrays[:place], value, *arrays[place + 1 :], *rest)


@pytest.mark.parametrize(
    "call", [lambda **o: fn.conv2d(X, W, **o), lambda **o: fn.max_pool2d(X, 2, **o), lambda **o: fn.relu(X, **o)]
)
def test_out(call):
    out = np.ma.array(np.zeros_like(call()))
    with pytest.raises(TypeError, match="out must be a writable float64 array of shape .*, but is MaskedArray"):
        call(out=out)
    assert not out.any()


def test_a_fill_value():
    with pytest.raises(TypeError, match="convolve2d: fillvalue must be an array without a mask"):
        signal.convolve2d(ROWS, ROWS, fillvalue=np.ma.masked)


def test_the_notebooks_layers():
    image, gradient = np.ones((4, 4)), np.ones((2, 2, 2))
    for layer, x, dy in (
        (fastconv.ConvolutionLayer(2, 3), image, gradient),
        (fastconv.MaxPoolingLayer(2), image[..., None], np.ones((2, 2, 1))),
        (fastconv.SoftmaxLayer(16, 3), image, np.ones(3)),
    ):
        rate = () if isinstance(layer, fastconv.MaxPoolingLayer) else (0.1,)
        with pytest.raises(TypeError, match=f"{type(layer).__name__}: the (image|input) must be an array without a mask"):
            layer.forward_prop(masked(x))
        layer.forward_prop(x)
        with pytest.raises(TypeError, match="the gradient must be an array without a mask"):
            layer.back_prop(masked(dy), *rate)
        for name in {"kernels", "weight", "bias"} & set(vars(layer)):
            value = getattr(layer, name)
            setattr(layer, name, masked(value))
            with pytest.raises(TypeError, match=f"{name} must be an array without a mask"):
                layer.forward_prop(x)
            setattr(layer, name, value)
        layer.back_prop(dy, *rate)
    with pytest.raises(TypeError, match="CNN_forward: the image must be an array without a mask"):
        fastconv.CNN_forward(masked(image), 0, [fastconv.SoftmaxLayer(16, 3)])


def test_networks():
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)], (4, 4, 1))
    labels, before = np.array([0, 1]), model.weights_hash()
    options = {"progress": False}
    for call in (
        lambda: model.fit(masked(X), labels, **options),
        lambda: model.fit(X, masked(labels), **options),
        lambda: model.fit(X, list(masked(labels)), **options),
        lambda: model.fit(X, [0, np.ma.masked], **options),
        lambda: model.fit(X, labels, validation_data=(masked(X), labels), **options),
        lambda: model.fit(X, labels, validation_data=(X, masked(labels)), **options),
        lambda: model.fit(X, labels, shuffle=lambda epoch: np.ma.array([0, 1]), **options),
        lambda: model.fit(X, masked(np.ones((2, 2))), loss="mse", **options),
        lambda: model.evaluate(masked(X), labels),
        lambda: model.evaluate(X, masked(labels)),
        lambda: model.predict(masked(X)),
        lambda: model.set_weights({name: masked(array) for name, array in model.get_weights().items()}),
        lambda: setattr(model, "parameters", masked(model.parameters)),
    ):
        with pytest.raises(TypeError, match="must be an array without a mask"):
            call()
    assert model.weights_hash() == before


def test_checks():
    with pytest.raises(TypeError, match="gradcheck: input 0 must be an array without a mask"):
        testing.gradcheck(fn.relu, fn.relu_grad, [masked(ROWS)])
    with pytest.raises(TypeError, match="gradcheck: the gradient of input 0 must be an array without a mask"):
        testing.gradcheck(fn.relu, lambda dy, x: np.ma.array(fn.relu_grad(dy, x)), [ROWS])
    layer = fastconv.MaxPoolingLayer(2)
    with pytest.raises(TypeError, match="verify: the image must be an array without a mask"):
        testing.verify(layer, layer, masked(X[0]))
