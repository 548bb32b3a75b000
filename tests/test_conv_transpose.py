"""Transposed convolutions and their gradients against the loop twin, exactly, on small integers."""

import numpy as np
import pytest

from fastconv import functional as fn

from . import naive
from .cases import integers

# input, weights (*kernel, channels a group, filters of the convolution), stride, padding, output padding, dilation, groups
CASES = [
    ((2, 5, 3), (3, 4, 3), 2, 1, 1, 1, 1),
    ((1, 4, 5, 2), (3, 3, 5, 2), 1, 0, 0, 1, 1),
    ((2, 3, 4, 6), (2, 3, 2, 6), (2, 3), ((0, 1), (1, 1)), (1, 0), (1, 2), 2),
    ((1, 2, 3, 2, 2), (2, 1, 2, 3, 2), 2, 0, 0, 1, 1),
]


def per_axis(value, count):
    return (value,) * count if isinstance(value, int) else value


def geometry(case):
    """Return the twin's (stride, dilation, pads, output padding, groups)."""
    x, _, stride, padding, extra, dilation, groups = case
    count = len(x) - 2
    pads = tuple((p, p) if isinstance(p, int) else p for p in per_axis(padding, count))
    return per_axis(stride, count), per_axis(dilation, count), pads, per_axis(extra, count), groups


def function(case, ending=""):
    return getattr(fn, f"conv_transpose{len(case[0]) - 2}d{ending}")


def options(case):
    return dict(zip(("stride", "padding", "output_padding", "dilation", "groups"), case[2:]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_equals_the_loops(case, dtype):
    x, w = integers(case[0], dtype, 1), integers(case[1], dtype, 2)
    bias = integers((case[1][-2] * case[-1],), dtype, 3)
    expected = naive.conv_transpose(x, w, bias, *geometry(case))
    np.testing.assert_array_equal(function(case)(x, w, bias, **options(case)), expected, strict=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_adjoint(case):
    """<y, g> = <x, dX> = <w, dW>, exactly on integers."""
    x, w = integers(case[0], "float32", 1), integers(case[1], "float32", 2)
    y = function(case)(x, w, **options(case))
    g = integers(y.shape, "float32", 3)
    dx = function(case, "_input_grad")(g, w, x.shape, **options(case))
    dw = function(case, "_weight_grad")(x, g, w.shape, **options(case))
    assert np.vdot(y, g) == np.vdot(x, dx) == np.vdot(w, dw)


def test_it_is_the_gradient_of_a_convolution():
    y, w = integers((2, 4, 5, 3), "float32", 1), integers((3, 3, 2, 3), "float32", 2)
    expected = fn.conv2d_input_grad(y, w, (2, 9, 11, 2), stride=2)
    np.testing.assert_array_equal(fn.conv_transpose2d(y, w, stride=2), expected)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"output_padding": 2, "stride": 2}, "conv_transpose2d: output_padding"),
        ({"stride": 0}, "conv_transpose2d: stride must be at least 1"),
        ({"groups": 2}, "conv_transpose2d"),
    ],
)
def test_bad_calls_are_refused(change, text):
    with pytest.raises(ValueError, match=text):
        fn.conv_transpose2d(np.ones((1, 4, 4, 3)), np.ones((3, 3, 2, 3)), **change)
