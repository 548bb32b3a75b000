"""The layers beyond the notebooks: channels, dtypes, live attributes, edges where the notebooks are wrong, bad input."""

import numpy as np
import pytest

from fastconv import Conv3x3, ConvolutionLayer, MaxPool2, MaxPoolingLayer, Softmax, SoftmaxLayer, functional


def finite_difference(f, array, index, step=1e-6):
    """Return the derivative of f() with respect to one element of an array that f reads."""
    kept = array[index]
    array[index] = kept + step
    higher = f()
    array[index] = kept - step
    lower = f()
    array[index] = kept
    return (higher - lower) / (2 * step)


def test_convolution_gradients_with_channels():
    rng = np.random.default_rng(0)
    np.random.seed(0)
    layer = ConvolutionLayer(4, 3, channels=2)
    image, g = rng.standard_normal((7, 8, 2)), rng.standard_normal((5, 6, 4))
    before = layer.kernels.copy()
    layer.forward_prop(image)
    dX = layer.back_prop(g, 0.1)
    assert dX.shape == image.shape
    np.testing.assert_array_equal(layer.dE_dX, dX)
    np.testing.assert_allclose(layer.kernels, before - 0.1 * layer.dE_dk, rtol=1e-12)
    layer.kernels[...] = before

    def loss():
        return float((layer.forward_prop(image) * g).sum())

    for index in ((0, 0, 0), (3, 4, 1), (6, 7, 0)):
        assert dX[index] == pytest.approx(finite_difference(loss, image, index), rel=1e-6, abs=1e-7)
    for index in ((0, 0, 0, 0), (3, 2, 1, 1)):
        assert layer.dE_dk[index] == pytest.approx(finite_difference(loss, layer.kernels, index), rel=1e-6, abs=1e-7)


def test_input_gradient_of_a_plain_image_is_there_when_read():
    np.random.seed(0)
    layer, image, g = ConvolutionLayer(2, 3), np.random.rand(6, 5), np.random.rand(4, 3, 2)
    assert layer.dE_dX is None and layer.dE_dk is None
    layer.forward_prop(image)
    kernels = layer.kernels.copy()
    assert layer.back_prop(g, 0.5) is layer.dE_dk
    weights = kernels.transpose(1, 2, 0)[:, :, None, :]
    expected = functional.conv2d_input_grad(g[None], weights, (1, 6, 5, 1))[0, :, :, 0]
    np.testing.assert_allclose(layer.dE_dX, expected, rtol=1e-12)
    layer.forward_prop(image)
    layer.back_prop(2 * g, 0.0)
    assert not np.allclose(layer.dE_dX, expected)


def test_kernels_for_channels_are_drawn_at_the_first_image():
    np.random.seed(0)
    layer = ConvolutionLayer(3, 2, init="scaled")
    assert layer.kernels.shape == (3, 2, 2)
    expected = np.random.get_state()
    assert layer.forward_prop(np.ones((4, 4, 5))).shape == (3, 3, 3)
    np.random.set_state(expected)
    np.testing.assert_array_equal(layer.kernels, np.random.randn(3, 2, 2, 5) / 20)
    assert Conv3x3(2).backprop is not None


def test_kernels_that_were_set_are_not_drawn_over():
    layer = ConvolutionLayer(3, 2)
    layer.kernels[:] = 1
    with pytest.raises(ValueError, match=r"ConvolutionLayer: kernels for an image of shape \(4, 4, 5\) must have shape"):
        layer.forward_prop(np.ones((4, 4, 5)))
    assert (layer.kernels == 1).all()
    layer.kernels = np.ones((3, 2, 2, 5))
    assert (layer.forward_prop(np.ones((4, 4, 5))) == 20).all()


def test_live_attributes():
    """Kernels and weights may be read, changed in place or replaced, by any array of their shape, between calls."""
    layer = ConvolutionLayer(2, 2)
    image = np.arange(12.0).reshape(3, 4)
    layer.kernels[...] = 0
    assert not layer.forward_prop(image).any()
    layer.kernels = np.ones((2, 2, 2), np.int64)
    assert layer.forward_prop(image)[0, 0, 1] == image[:2, :2].sum()
    layer.kernels = np.ones((2, 2, 4))[:, :, ::2]
    alias = layer.kernels
    layer.forward_prop(image)
    layer.back_prop(np.ones((2, 3, 2)), 0.5)
    assert alias is layer.kernels and alias[0, 0, 0] == 1 - 0.5 * image[:2, :3].sum()

    dense = SoftmaxLayer(4, 3)
    dense.weight = np.ones((3, 4)).T
    dense.bias = np.zeros(6)[::2]
    alias = dense.weight
    np.testing.assert_allclose(dense.forward_prop(np.ones(4)), 1 / 3)
    dense.back_prop(np.array([-3.0, 0, 0]), 0.1)
    assert dense.weight is alias and alias[0, 0] > 1 and dense.bias[0] == pytest.approx(0.1 * 2 / 3)


@pytest.mark.parametrize("image_type", ["float32", "float64", "uint8", "bool"])
def test_dtypes(image_type):
    """float64 throughout, unless float32 was asked for and the image is float32."""
    image = (np.arange(64).reshape(8, 8) % 3).astype(image_type)
    for asked in (None, "float32"):
        np.random.seed(0)
        conv, pool, dense = ConvolutionLayer(4, 3, dtype=asked), MaxPoolingLayer(2), SoftmaxLayer(36, 5, dtype=asked)
        expected = "float32" if asked == image_type == "float32" else "float64"
        convolved = conv.forward_prop(image)
        pooled = pool.forward_prop(convolved)
        output = dense.forward_prop(pooled)
        back = dense.back_prop(output, 0.1)
        assert {a.dtype.name for a in (convolved, pooled, output, back, pool.back_prop(back))} == {expected}
        conv.back_prop(pool.back_prop(back), 0.1)
        assert conv.kernels.dtype == dense.weight.dtype == (asked or "float64")


def test_views_of_images_and_gradients():
    np.random.seed(0)
    wide = np.random.rand(16, 16)
    for image in (wide[::2, ::2], wide[::-1, ::-1], wide.T, np.asfortranarray(wide)):
        layer = ConvolutionLayer(3, 3)
        plain = ConvolutionLayer(3, 3)
        plain.kernels[...] = layer.kernels
        out = layer.forward_prop(image)
        np.testing.assert_array_equal(out, plain.forward_prop(np.ascontiguousarray(image)))
        g = np.asfortranarray(np.random.rand(*out.shape))
        np.testing.assert_array_equal(layer.back_prop(g, 0.1), plain.back_prop(np.ascontiguousarray(g), 0.1))


def test_softmax_is_right_where_the_notebooks_are_not():
    layer = SoftmaxLayer(2, 3)
    layer.weight[...] = [[0, 400, 800], [0, 0, 0]]
    output = layer.forward_prop(np.array([1.0, 0.0]))  # exp(800) overflows
    assert np.isfinite(output).all() and output[2] == 1 and output[0] > 0
    gradient = np.zeros(3)
    gradient[0] = -1 / output[0]  # exp(-800) underflows: -1/0 in the notebook
    before = layer.weight.copy()
    back = layer.back_prop(gradient, 1.0)
    np.testing.assert_allclose(layer.bias, [1, 0, -1], atol=1e-12)
    np.testing.assert_allclose(back, before @ [-1, 0, 1], atol=1e-9)


@pytest.mark.parametrize("gradient", [[0, 0, 0], [1, 2, 3], [0, -2, 0], [np.nan, 0, 0]])
def test_softmax_gradient_with_any_entries(gradient):
    np.random.seed(0)
    layer, x, g = SoftmaxLayer(12, 3), np.random.rand(2, 2, 3), np.array(gradient, float)
    p, weight = layer.forward_prop(x), layer.weight.copy()
    dz = p * (g - (g * p).sum())
    back = layer.back_prop(g, 0.1)
    np.testing.assert_allclose(back, (weight @ dz).reshape(2, 2, 3), atol=1e-14)
    np.testing.assert_allclose(layer.weight, weight - 0.1 * np.outer(x.ravel(), dz), atol=1e-14)


def test_every_tied_maximum_gets_the_gradient():
    layer = MaxPoolingLayer(2)
    image = np.zeros((4, 5, 1))
    layer.forward_prop(image)
    back = layer.back_prop(np.arange(1.0, 5).reshape(2, 2, 1))[:, :, 0]
    np.testing.assert_array_equal(back, [[1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [3, 3, 4, 4, 0], [3, 3, 4, 4, 0]])


def test_a_window_without_nan_is_untouched_by_its_neighbours():
    image = np.zeros((2, 4, 1))
    image[0, 0] = np.nan
    layer = MaxPool2()
    out = layer.forward(image)
    assert np.isnan(out[0, 0, 0]) and out[0, 1, 0] == 0
    back = layer.backprop(np.ones((1, 2, 1)))[:, :, 0]
    np.testing.assert_array_equal(back, [[1, 0, 1, 1], [0, 0, 1, 1]])


def weights_of(layer):
    names = ("kernels", "filters", "weight", "bias", "weights", "biases")
    return [getattr(layer, name).copy() for name in names if hasattr(layer, name)]


BAD_CALLS = [
    (lambda: ConvolutionLayer(2, 3), "forward_prop", [np.zeros(5)], ValueError, r"must be \(h, w\) or \(h, w, channels\)"),
    (lambda: ConvolutionLayer(2, 3), "forward_prop", [np.zeros((2, 5))], ValueError, "2 x 5 for a kernel of 3 x 3"),
    (lambda: ConvolutionLayer(2, 3), "forward_prop", [np.zeros((5, 5, 0))], ValueError, "at least one channel"),
    (lambda: ConvolutionLayer(2, 3, channels=3), "forward_prop", [np.zeros((5, 5, 2))], ValueError, r"\(2, 3, 3, 2\)"),
    (lambda: ConvolutionLayer(2, 3), "forward_prop", [np.zeros((5, 5), object)], TypeError, "dtype object"),
    (lambda: ConvolutionLayer(2, 3), "forward_prop", [np.full((5, 5), "a")], TypeError, "real numbers"),
    (lambda: ConvolutionLayer(2, 3), "forward_prop", [None], TypeError, "real numbers"),
    (lambda: ConvolutionLayer(2, 3), "back_prop", [np.zeros((3, 3, 2)), 0.1], ValueError, "after a forward pass"),
    (lambda: Conv3x3(2), "backprop", [np.zeros((3, 3, 2)), 0.1], ValueError, "after a forward pass"),
    (lambda: MaxPoolingLayer(2), "forward_prop", [np.zeros((4, 4))], ValueError, "must have 3 axes"),
    (lambda: MaxPoolingLayer(5), "forward_prop", [np.zeros((4, 4, 1))], ValueError, "window must not be larger"),
    (lambda: MaxPoolingLayer(2), "back_prop", [np.zeros((2, 2, 1))], ValueError, "after a forward pass"),
    (lambda: MaxPool2(), "forward", [np.zeros((1, 4, 1))], ValueError, "window must not be larger"),
    (lambda: SoftmaxLayer(4, 2), "forward_prop", [np.zeros(5)], ValueError, "must have 4 elements, but has 5"),
    (lambda: SoftmaxLayer(4, 2), "back_prop", [np.zeros(2), 0.1], ValueError, "after a forward pass"),
    (lambda: Softmax(4, 2), "forward", [np.zeros((2, 2), complex)], TypeError, "dtype complex128"),
]


@pytest.mark.parametrize(("make", "method", "arguments", "kind", "text"), BAD_CALLS)
def test_bad_calls_are_refused_and_change_nothing(make, method, arguments, kind, text):
    layer = make()
    before = weights_of(layer)
    with pytest.raises(kind, match=f"{type(layer).__name__}: .*{text}"):
        getattr(layer, method)(*arguments)
    for mine, old in zip(weights_of(layer), before, strict=True):
        np.testing.assert_array_equal(mine, old)
    assert getattr(layer, "image", None) is None


@pytest.mark.parametrize(
    ("gradient", "rate", "kind", "text"),
    [
        (np.zeros((3, 4, 2)), 0.1, ValueError, r"gradient must have shape \(3, 3, 2\), but has \(3, 4, 2\)"),
        (np.zeros((3, 3)), 0.1, ValueError, "gradient must have shape"),
        (np.zeros((3, 3, 2), object), 0.1, TypeError, "dtype object"),
        (np.zeros((3, 3, 2)), "fast", TypeError, "learning rate"),
        (np.zeros((3, 3, 2)), [0.1, 0.2], ValueError, "learning rate must be one number"),
    ],
)
def test_bad_gradients_change_nothing(gradient, rate, kind, text):
    layer = ConvolutionLayer(2, 3)
    layer.forward_prop(np.ones((5, 5)))
    before = weights_of(layer)
    with pytest.raises(kind, match=text):
        layer.back_prop(gradient, rate)
    np.testing.assert_array_equal(layer.kernels, before[0])
    dense = SoftmaxLayer(25, 2)
    dense.forward_prop(np.ones((5, 5)))
    before = weights_of(dense)
    with pytest.raises(kind, match="gradient|learning rate"):
        dense.back_prop(gradient, rate)
    for mine, old in zip(weights_of(dense), before, strict=True):
        np.testing.assert_array_equal(mine, old)


@pytest.mark.parametrize("value", [np.zeros((2, 3, 3), int), [[[0.0] * 3] * 3] * 2])
def test_kernels_that_cannot_be_updated_are_refused(value):
    layer = ConvolutionLayer(2, 3)
    layer.kernels = value
    layer.forward_prop(np.ones((5, 5)))
    with pytest.raises(TypeError, match="kernels must be a writable float array"):
        layer.back_prop(np.ones((3, 3, 2)), 0.1)
    assert layer.kernels is value


@pytest.mark.parametrize("size", [0, -1, 2.5, "3", True, None])
def test_sizes_must_be_positive_integers(size):
    for make in (
        lambda: ConvolutionLayer(size, 3),
        lambda: ConvolutionLayer(3, size),
        lambda: Conv3x3(size),
        lambda: MaxPoolingLayer(size),
        lambda: SoftmaxLayer(size, 3),
        lambda: Softmax(3, size),
    ):
        with pytest.raises((ValueError, TypeError), match="must be"):
            make()


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="init must be one of"):
        ConvolutionLayer(2, 3, init="he")
    with pytest.raises(ValueError, match="dtype must be float32 or float64, but is int32"):
        SoftmaxLayer(2, 3, dtype="int32")
    with pytest.raises(ValueError, match="channels must be at least 1"):
        ConvolutionLayer(2, 3, channels=0)


def test_inputs_are_not_modified():
    image, g = np.random.default_rng(0).random((6, 6)), np.ones((4, 4, 2))
    image.flags.writeable = g.flags.writeable = False
    layer = ConvolutionLayer(2, 3)
    layer.forward_prop(image)
    layer.back_prop(g, 0.1)
    pool = MaxPoolingLayer(2)
    pool.forward_prop(g)
    pool.back_prop(g[:2, :2])
