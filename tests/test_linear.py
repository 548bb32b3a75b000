"""Dense layers: products of matrices and their gradients, against NumPy."""

import numpy as np
import pytest

from fastconv import functional as fn

from .cases import integers

SHAPES = [(1, 1, 1), (1, 7, 10), (5, 17, 33), (60, 9, 16), (130, 40, 3), (3, 300, 50)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), SHAPES)
def test_linear_and_its_gradients(rows, inputs, outputs, dtype):
    x, w, b = integers((rows, inputs), dtype, 1), integers((inputs, outputs), dtype, 2), integers((outputs,), dtype, 3)
    dy = integers((rows, outputs), dtype, 4)
    np.testing.assert_array_equal(fn.linear(x, w, b), x @ w + b, strict=True)
    np.testing.assert_array_equal(fn.linear(x, w), x @ w, strict=True)
    np.testing.assert_array_equal(fn.linear_input_grad(dy, w), dy @ w.T, strict=True)
    np.testing.assert_array_equal(fn.linear_weight_grad(x, dy), x.T @ dy, strict=True)


def test_linear_of_nothing():
    assert fn.linear(np.zeros((0, 3)), np.zeros((3, 2))).shape == (0, 2)
    assert fn.linear(np.zeros((2, 0)), np.zeros((0, 2)), [1.0, 2.0]).tolist() == [[1, 2], [1, 2]]
    assert fn.linear_weight_grad(np.zeros((0, 3)), np.zeros((0, 2))).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fn.linear(np.zeros(3), np.zeros((3, 2))), "x must have 2 axes"),
        (lambda: fn.linear(np.zeros((1, 3)), np.zeros((4, 2))), r"w must have shape \(3, 2\), but has \(4, 2\)"),
        (lambda: fn.linear(np.zeros((1, 3)), np.zeros((3, 2)), np.zeros(3)), r"bias must have shape \(2,\), but has \(3,\)"),
        (lambda: fn.linear_input_grad(np.zeros((1, 3)), np.zeros((3, 2))), r"dy must have shape \(1, 2\)"),
        (lambda: fn.linear_weight_grad(np.zeros((2, 3)), np.zeros((3, 2))), r"dy must have shape \(2, 2\)"),
    ],
)
def test_bad_calls_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
