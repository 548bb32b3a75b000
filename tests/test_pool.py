"""Max, min and average pooling and their gradients against the loop twins."""

import numpy as np
import pytest

from fastconv import functional as fn
from fastconv.shapes import pool_spec

from . import naive
from .cases import integers

# input shape, kernel, stride, padding
CASES = [
    ((2, 6, 8, 16), 2, None, "valid"),
    ((2, 7, 9, 3), 2, None, "valid"),
    ((1, 26, 26, 8), 2, None, "valid"),
    ((1, 9, 10, 17), 3, 2, "valid"),
    ((1, 9, 10, 5), 3, 1, 1),
    ((1, 8, 8, 33), (2, 3), (3, 2), ((1, 0), (2, 1))),
    ((2, 5, 5, 1), 5, None, "valid"),
    ((1, 7, 6, 4), 4, 3, "same"),
    ((1, 3, 3, 2), 1, 2, "valid"),
    ((1, 1, 1, 1), 1, None, "valid"),
    ((1, 19, 11, 18), (9, 11), (5, 1), ((1, 0), (0, 5))),  # windows that are summed in blocks
    ((1, 1, 520, 1), (1, 260), 1, "valid"),  # so many windows meet in a pixel that their gradients are added in float64
]
# In float32 every case (CI; else every third); in float64, in which `tests.guarded wide` runs such windows too, every third.
EVERY_CASE = [
    pytest.param(case, "float32", id=f"{case} float32", marks=() if i % 3 == 1 else pytest.mark.slow)
    for i, case in enumerate(CASES)
] + [pytest.param(case, "float64", id=f"{case} float64", marks=pytest.mark.slow) for case in CASES[::3]]


def geometry(shape, kernel, stride, padding):
    spec = pool_spec("test", shape, kernel, stride, padding)
    return spec.output_shape, list(map(naive.pool_axis, spec.size, spec.kernel, spec.stride, spec.pads))


@pytest.mark.parametrize(("case", "dtype"), EVERY_CASE)
@pytest.mark.parametrize("name", ["max", "min"])
def test_pick_and_its_gradient_by_every_rule(name, case, dtype):
    shape, kernel, stride, padding = case
    pool, grad = getattr(fn, f"{name}_pool2d"), getattr(fn, f"{name}_pool2d_grad")
    pick = max if name == "max" else min
    x = integers(shape, dtype, 1, 2)  # few values, many ties
    outputs, axes = geometry(*case)
    y = pool(x, kernel, stride, padding=padding)
    np.testing.assert_array_equal(y, naive.pick_pool(x, axes, pick)[0], strict=True)
    dy = 12 * integers(outputs, dtype, 2)  # 12 divides evenly among most ties
    for ties in ("first", "all", "split"):
        dx = grad(dy, x, kernel, stride, padding=padding, ties=ties)
        expected = naive.pick_pool_grad(dy, x, axes, pick, ties)
        assert dx.dtype == dtype
        if ties == "split":
            np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-4 if dtype == "float32" else 1e-12)
        else:
            np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize(("case", "dtype"), EVERY_CASE)
@pytest.mark.parametrize("include", [False, True])
def test_average_and_its_gradient(include, case, dtype):
    shape, kernel, stride, padding = case
    outputs, axes = geometry(*case)
    x, dy = integers(shape, dtype, 1), integers(outputs, dtype, 2)
    tolerance = {"rtol": 0, "atol": 1e-5 if dtype == "float32" else 1e-14}
    y = fn.avg_pool2d(x, kernel, stride, padding=padding, count_include_pad=include)
    np.testing.assert_allclose(y, naive.avg_pool(x, axes, include), **tolerance)
    dx = fn.avg_pool2d_grad(dy, shape, kernel, stride, padding=padding, count_include_pad=include)
    np.testing.assert_allclose(dx, naive.avg_pool_grad(dy, shape, axes, include), **tolerance)
    assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize("channels", range(1, 36))
def test_every_channel_tail(channels):
    x = integers((1, 4, 4, channels), "float32", channels)
    np.testing.assert_array_equal(fn.max_pool2d(x, 2), x.reshape(1, 2, 2, 2, 2, channels).max(axis=(2, 4)))


@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_wins_and_gets_the_gradient(name):
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    x[0, 0, 1, 0] = x[0, 1, 1, 0] = np.nan
    y = getattr(fn, f"{name}_pool2d")(x, 2)
    assert np.isnan(y[0, 0, 0, 0]) and not np.isnan(y[0].ravel()[1:]).any()
    dx = getattr(fn, f"{name}_pool2d_grad")(np.ones_like(y), x, 2, ties="all")[0, :, :, 0]
    assert dx[0, 1] == dx[1, 1] == 1 and dx[0, 0] == dx[1, 0] == 0
    assert dx.sum() == 5


def test_windows_of_infinities():
    x = np.full((1, 4, 4, 2), -np.inf)
    assert (fn.max_pool2d(x, 2) == -np.inf).all()
    dx = fn.max_pool2d_grad(np.ones((1, 2, 2, 2)), x, 2, ties="first")
    assert dx.sum() == 8 and (dx[0, ::2, ::2] == 1).all()


def test_padding_is_never_the_maximum():
    assert (fn.max_pool2d(np.full((1, 3, 3, 1), -5.0), 3, 1, padding=1) == -5).all()


def test_channels_first():
    x = integers((2, 3, 6, 7), "float64", 1)
    y = fn.max_pool2d(x, 2, layout="NCHW")
    np.testing.assert_array_equal(y, x[:, :, :6, :6].reshape(2, 3, 3, 2, 3, 2).max(axis=(3, 5)), strict=True)
    dx = fn.max_pool2d_grad(y, x, 2, layout="NCHW")
    assert dx.shape == x.shape and dx.sum() == y.sum()
    average = fn.avg_pool2d(x, 2, layout="NCHW")
    assert fn.avg_pool2d_grad(average, x.shape, 2, layout="NCHW").shape == x.shape


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1, but is 0"),
        ({"kernel_size": -2}, ValueError, "kernel_size must be at least 1, but is -2"),
        ({"kernel_size": 2.5}, TypeError, "kernel_size must be an integer, but is 2.5"),
        ({"kernel_size": 5}, ValueError, "spatial axis 0 it covers 5 pixels of 4"),
        ({"kernel_size": 2, "stride": 0}, ValueError, "stride must be at least 1"),
        ({"kernel_size": 2, "padding": 2}, ValueError, "padding must be smaller than the window"),
        ({"kernel_size": 2**62, "padding": 2**61}, ValueError, "must be at most 1099511627776, but is 4611686018427387904"),
        ({"kernel_size": 2, "layout": "CHWN"}, ValueError, "layout must be one of"),
        ({"kernel_size": 2, "x": np.zeros((4, 4))}, ValueError, "x must have 4 axes"),
    ],
)
def test_bad_calls_are_refused(arguments, kind, text):
    call = {"x": np.zeros((1, 4, 4, 1)), **arguments}
    with pytest.raises(kind, match=text):
        fn.max_pool2d(**call)
    with pytest.raises(kind, match=text):
        fn.avg_pool2d(**call)


def test_gradients_of_the_wrong_shape_are_refused():
    x = np.zeros((1, 4, 4, 1))
    with pytest.raises(ValueError, match=r"max_pool2d_grad: dy .* must have shape \(1, 2, 2, 1\), but has \(1, 3, 2, 1\)"):
        fn.max_pool2d_grad(np.zeros((1, 3, 2, 1)), x, 2)
    with pytest.raises(ValueError, match=r"avg_pool2d_grad: dy .* must have shape \(1, 2, 2, 1\)"):
        fn.avg_pool2d_grad(np.zeros((1, 4, 4, 1)), x.shape, 2)
    with pytest.raises(ValueError, match="ties must be one of"):
        fn.max_pool2d_grad(np.zeros((1, 2, 2, 1)), x, 2, ties="last")


def test_windows_that_are_all_cut_to_one_size_count_their_padding():
    """Each window of 3 x 3 here has 2 x 2 pixels of the image, so that the kernel for 2 x 2 windows could be taken for it."""
    x, options = integers((2, 4, 2, 200), "float32", 1), {"padding": ((1, 1), (1, 0))}
    whole = fn.avg_pool2d(x, 3, count_include_pad=True, **options)
    np.testing.assert_array_equal(whole * 9, fn.avg_pool2d(x, 3, divisor_override=1, **options))
