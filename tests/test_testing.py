"""The checks for users: they pass what is right, and name where it isn't."""

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn
from fastconv.testing import gradcheck, verify

from . import naive


def conv_gradients(dy, x, w):
    return fn.conv2d_input_grad(dy, w, x.shape), fn.conv2d_weight_grad(x, dy, w.shape)


def drawn(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_gradcheck_passes_every_gradient_of_a_real_network():
    assert gradcheck(fn.conv2d, conv_gradients, [drawn(1, 5, 4, 2), drawn(3, 2, 2, 3)])
    assert gradcheck(lambda x: fn.max_pool2d(x, 2), lambda dy, x: fn.max_pool2d_grad(dy, x, 2), [drawn(1, 4, 4, 2)])
    assert gradcheck(lambda x: fn.lp_pool(x, 2, 3), lambda dy, x: fn.lp_pool_grad(dy, x, 2, 3), [drawn(1, 4, 4, 2)])
    assert gradcheck(
        lambda x: fn.lp_pool(x, 3, 2.5, 2, padding=1),
        lambda dy, x: fn.lp_pool_grad(dy, x, 3, 2.5, 2, padding=1),
        [drawn(1, 5, 4, 2)],
    )
    for name in ("softmax", "log_softmax"):
        forward, grad = getattr(fn, name), getattr(fn, f"{name}_grad")
        assert gradcheck(forward, lambda dy, x, f=forward, g=grad: g(dy, f(x)), [drawn(3, 4)])
    labels = np.array([0, 2])
    assert gradcheck(fn.cross_entropy, lambda dy, x, y: (dy * fn.cross_entropy_grad(x, y), None), [drawn(2, 3), labels])
    assert gradcheck(fn.linear, lambda dy, x, w, b: fn.linear_grad(dy, x, w), [drawn(3, 2), drawn(2, 4), drawn(4)])
    assert gradcheck(
        lambda x, w: fn.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
        lambda dy, x, w: (
            fn.conv_transpose2d_input_grad(dy, w, x.shape, stride=2, padding=1, output_padding=1),
            fn.conv_transpose2d_weight_grad(x, dy, w.shape, stride=2, padding=1, output_padding=1),
        ),
        [drawn(1, 3, 2, 3), drawn(3, 2, 2, 3)],
    )
    assert gradcheck(
        lambda x: fn.global_avg_pool(x), lambda dy, x: fn.global_avg_pool_grad(dy, x.shape), [drawn(2, 3, 2, 2)]
    )  # fmt: skip
    assert gradcheck(fn.global_max_pool, fn.global_max_pool_grad, [drawn(2, 3, 2, 2)])
    assert gradcheck(fn.relu, fn.relu_grad, [drawn(7)])


def test_gradcheck_names_the_wrong_element():
    def wrong(dy, x, w):
        dx, dw = conv_gradients(dy, x, w)
        dw[1, 0, 1, 2] += 1
        return dx, dw

    with pytest.raises(AssertionError, match=r"input 1: 1 of 36 differ, most at \(1, 0, 1, 2\): the gradient .*finite differences"):
        gradcheck(fn.conv2d, wrong, [drawn(1, 5, 4, 2), drawn(3, 2, 2, 3)])
    with pytest.raises(ValueError, match="a gradient for each of 2 inputs, but gives 1"):
        gradcheck(fn.conv2d, lambda dy, x, w: dy, [drawn(1, 5, 4, 2), drawn(3, 2, 2, 3)])
    with pytest.raises(ValueError, match=r"gradient of input 0 must have shape \(3,\), but has \(2,\)"):
        gradcheck(fn.relu, lambda dy, x: dy[:2], [drawn(3)])


@pytest.mark.parametrize(
    ("slow", "fast", "image"),
    [
        (naive.ConvolutionLayer(4, 3), fastconv.ConvolutionLayer(4, 3), drawn(8, 9)),
        (naive.MaxPoolingLayer(2), fastconv.MaxPoolingLayer(2), drawn(6, 7, 3)),
        (naive.SoftmaxLayer(12, 5), fastconv.SoftmaxLayer(12, 5), drawn(2, 2, 3)),
    ],
    ids=["convolution", "pooling", "softmax"],
)
def test_verify_passes_our_layers_and_leaves_them_as_they_were(slow, fast, image, capsys):
    fast.forward_prop(image)  # a layer in use
    before = {key: np.copy(value) for key, value in vars(fast).items() if isinstance(value, np.ndarray)}
    ratios = verify(slow, fast, image)
    assert set(ratios) == {"forward", "backward"} and min(ratios.values()) > 0
    assert "times as fast forward" in capsys.readouterr().out
    for key, value in before.items():
        np.testing.assert_array_equal(getattr(fast, key), value)


def test_verify_names_where_layers_part():
    class Wrong(fastconv.MaxPoolingLayer):
        def back_prop(self, dE_dY):
            return 2 * super().back_prop(dE_dY)

    with pytest.raises(AssertionError, match="return from the backward pass: .* differ, most at"):
        verify(naive.MaxPoolingLayer(2), Wrong(2), drawn(4, 4, 1))
    with pytest.raises(AssertionError, match="the outputs of"):
        verify(naive.MaxPoolingLayer(2), fastconv.MaxPoolingLayer(4), drawn(8, 8, 1))
    with pytest.raises(TypeError, match="a layer must have forward_prop and back_prop or forward and backprop, but object hasn't"):
        verify(object(), fastconv.MaxPoolingLayer(2), drawn(4, 4, 1))
