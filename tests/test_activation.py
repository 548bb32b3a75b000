"""ReLU, softmax and log-softmax and their gradients, against NumPy and finite differences."""

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fn.softmax(3.0), "at least one axis"),
        (lambda: fn.softmax([1.0], axis=1), "axis must be less than the number of axes 1"),
        (lambda: fn.softmax([1.0], axis=-2), "axis must be at least -1"),
        (lambda: fn.softmax_grad([1.0], [1.0, 2.0]), r"dy must have shape \(2,\)"),
        (lambda: fn.relu_grad([1.0], [1.0, 2.0]), r"dy must have shape \(2,\)"),
    ],
)
def test_bad_calls_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((3, 10), -1), ((3, 10), 0), ((2, 3, 4), 1), ((1, 1), -1)])
def test_softmax_and_log_softmax(shape, axis, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype) * 5
    exponentials = np.exp(x.astype(np.longdouble) - x.max(axis=axis, keepdims=True))
    expected = exponentials / exponentials.sum(axis=axis, keepdims=True)
    tolerance = {"rtol": 1e-5 if dtype == "float32" else 1e-13, "atol": 0}
    y, log_y = fn.softmax(x, axis), fn.log_softmax(x, axis)
    np.testing.assert_allclose(y, expected, **tolerance)
    np.testing.assert_allclose(np.exp(log_y), expected, **tolerance)
    assert y.dtype == log_y.dtype == dtype and y.flags.c_contiguous


def test_softmax_at_the_edges():
    y = fn.softmax([[1e308, 1e308], [0.0, -1e4], [np.nan, 0.0], [-np.inf, 0.0]])
    assert y[0].tolist() == [0.5, 0.5]
    assert y[1, 0] == 1 and y[1, 1] == np.finfo(float).tiny
    assert np.isnan(y[2]).all()
    assert y[3].tolist() == [0, 1]
    assert fn.log_softmax([0.0, -1e4])[1] == -1e4
    assert fn.softmax(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinite_logits_count_as_in_pytorch(dtype):
    """Minus infinity is a mask: no probability. Plus infinity, and a row that is masked as a whole, have none to give."""
    inf, nan = np.inf, np.nan
    x = np.array(
        [[0, -inf, 0, -inf], [-inf] * 4, [0, inf, 0, 1], [inf, -inf, 0, 0], [nan, -inf, 0, 0], [-inf, -inf, -1e4, 3]], dtype
    )
    half, tiny = np.log(np.array(0.5, dtype)), np.finfo(dtype).tiny
    y, log_y = fn.softmax(x), fn.log_softmax(x)
    np.testing.assert_array_equal(y[[0, 5]], np.array([[0.5, 0, 0.5, 0], [0, 0, tiny, 1]], dtype), strict=True)
    np.testing.assert_array_equal(log_y[[0, 5]], np.array([[half, -inf, half, -inf], [-inf, -inf, -10003, 0]], dtype), strict=True)
    assert np.isnan(y[1:5]).all() and np.isnan(log_y[1:5]).all()
    np.testing.assert_array_equal(fn.softmax(x.T, 0), y.T)
    dy = np.array([[1, 2, 3, 4]], dtype)
    np.testing.assert_array_equal(fn.softmax_grad(dy, y[:1]), np.array([[-0.5, 0, 0.5, 0]], dtype))
    np.testing.assert_allclose(fn.log_softmax_grad(dy, log_y[:1]), np.array([[-4, 2, -2, 4]], dtype), rtol=1e-6)
    assert fn.cross_entropy(x[:1], [1]) == inf and fn.cross_entropy(x[:1], [0]) == pytest.approx(np.log(2))
    assert np.isnan(fn.cross_entropy(x[2:3], [0])) and np.isnan(fn.cross_entropy_grad(x[2:3], [0])).all()
    np.testing.assert_array_equal(fn.cross_entropy_grad(x[:1], [1]), np.array([[0.5, -1, 0.5, 0]], dtype))


@pytest.mark.parametrize("units", [3, 10, 40])
def test_infinite_totals_of_the_notebooks_layers(units):
    layer = fastconv.SoftmaxLayer(4, units)
    layer.bias[1] = -np.inf
    p = layer.forward_prop(np.zeros(4))
    assert p[1] == 0 and p.sum() == pytest.approx(1)
    layer.bias[0] = np.inf
    assert np.isnan(layer.forward_prop(np.zeros(4))).all()


def test_many_classes():
    count = 5 * 2**22  # a sum of ones in float32 ends at 2^24
    x = np.zeros((1, count), np.float32)
    np.testing.assert_allclose(fn.softmax(x)[0, :9], np.full(9, 1 / count, np.float32), rtol=1e-6)
    assert fn.log_softmax(x)[0, -1] == pytest.approx(-np.log(count), rel=1e-6)
    x += 1
    np.testing.assert_allclose(fn.softmax_grad(x, x / np.float32(count))[0, :9], 0, atol=1e-13)
    assert fn.log_softmax_grad(x, np.full_like(x, -np.log(count)))[0, 0] == pytest.approx(0, abs=1e-5)


def test_gradients_by_finite_differences():
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    cases = [
        (lambda x: (fn.softmax(x) * g).sum(), fn.softmax_grad(g, fn.softmax(x))),
        (lambda x: (fn.log_softmax(x) * g).sum(), fn.log_softmax_grad(g, fn.log_softmax(x))),
        (lambda x: (fn.relu(x) * g).sum(), fn.relu_grad(g, x)),
    ]
    for f, gradient in cases:
        for index in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[index] = 1e-6
            assert gradient[index] == pytest.approx((f(x + step) - f(x - step)) / 2e-6, rel=1e-6, abs=1e-9)


def test_relu_keeps_nan():
    assert np.isnan(fn.relu([np.nan])).all()
    assert fn.relu(np.array([-1.0, 0.0, 2.0], np.float32)).tolist() == [0, 0, 2]
