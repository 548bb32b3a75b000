"""The notebooks' functions against loop twins, exactly, for all sizes, types and ranks; and what their text records."""

import numpy as np
import pytest

import fastconv as fc

from . import naive
from .cases import integers

LENGTHS, KERNELS = (1, 2, 5, 8), (1, 2, 3, 4, 5)
SHAPES = [((1, 1), (1, 1)), ((2, 5), (3, 3)), ((4, 6), (2, 4)), ((5, 3), (5, 1)), ((3, 7), (1, 4)), ((6, 6), (4, 5))]
TYPES = ["int8", "uint8", "int64", "uint64", "float32", "float64", "complex128", "bool"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("size", KERNELS)
def test_one_dimension(length, size, dtype):
    if size > 2 * length:
        size = 2 * length
    x, w, g = (integers((n,), "int64", seed).astype(dtype) for n, seed in ((length, 1), (size, 2), (length, 3)))
    y, dx, dw = fc.conv_1d(x, w), fc.input_1d_grads(x, w, g), fc.param_1d_grads(x, w, g)
    np.testing.assert_array_equal(y, naive.conv_same(x, w), strict=True)
    np.testing.assert_array_equal(dx, naive.conv_same_input_grad(x, w, g), strict=True)
    np.testing.assert_array_equal(dw, naive.conv_same_param_grad(x, w, g), strict=True)


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize(("size", "kernel"), SHAPES)
def test_two_dimensions(size, kernel, dtype):
    x, w, g = (integers(shape, dtype, seed) for seed, shape in enumerate((size, kernel, size)))
    np.testing.assert_array_equal(fc.conv_2d(x, w), naive.conv_same(x, w), strict=True)
    np.testing.assert_array_equal(fc.input_2d_grads(x, w, g), naive.conv_same_input_grad(x, w, g), strict=True)
    np.testing.assert_array_equal(fc.param_2d_grads(x, w, g), naive.conv_same_param_grad(x, w, g), strict=True)


@pytest.mark.parametrize("rank", [1, 2])
def test_batches(rank):
    size, kernel = ((7,), (3,)) if rank == 1 else ((4, 7), (3, 2))
    x, w, g = integers((3, *size), "int64", 1), integers(kernel, "int64", 2), integers((3, *size), "int64", 3)
    conv, dx, dw = (getattr(fc, f"{name}_batch") for name in (f"conv_{rank}d", f"input_{rank}d_grads", f"param_{rank}d_grads"))
    np.testing.assert_array_equal(conv(x, w), np.stack([naive.conv_same(image, w) for image in x]), strict=True)
    expected = np.stack([naive.conv_same_input_grad(image, w, grad) for image, grad in zip(x, g)])
    np.testing.assert_array_equal(dx(x, w, g), expected, strict=True)
    np.testing.assert_array_equal(dw(x, w, g), sum(naive.conv_same_param_grad(i, w, d) for i, d in zip(x, g)), strict=True)


def test_what_the_text_records():
    arr, ones = np.array([1, 2, 3, 4, 5]), np.array([1, 1, 1])
    assert fc.conv_1d(arr, ones).tolist() == [3, 6, 9, 12, 9]
    assert fc.input_1d_grads(arr, ones, np.ones(5, int)).tolist() == [2, 3, 3, 3, 2]
    assert fc.param_1d_grads(arr, ones, np.ones(5, int)).tolist() == [10, 15, 14]
    batch = np.array([[1, 2, 3, 4, 5], [0, 1, 2, 3, 4]])
    assert fc.param_1d_grads_batch(batch, ones, np.ones((2, 5), int)).tolist() == [16, 25, 24]
    assert fc.zero_pad_1d(arr, 1).tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_mended_defects():
    """Correlation is no convolution, types aren't cut, rows are padded, gradients of all images are right."""
    arr = np.array([1, 2, 3, 4, 5])
    assert fc.conv_1d(arr, [1, 2, 3]).tolist() == [8, 14, 20, 26, 14]
    assert fc.conv_1d(arr, [0.5, 0.5, 0.5]).tolist() == [1.5, 3, 4.5, 6, 4.5]
    image, kernel = np.array([[1, 2, 3, 4, 5], [5, 6, 7, 8, 9]]), np.array([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    assert fc.conv_2d(image, kernel).tolist() == [[39, 66, 81, 96, 69], [25, 42, 51, 60, 43]]
    assert fc.input_2d_grads(image, kernel, np.ones((2, 5), int)).tolist() == [[6, 9, 9, 9, 6], [10, 15, 15, 15, 10]]
    assert fc.zero_pad_2d(image, 1).shape == (4, 7)
    assert fc.zero_pad_2d(image, (0, 2)).shape == (2, 9)


def test_integers_are_exact_beyond_a_float():
    big = np.array([2**53 + 1, 1, 3], np.int64)
    assert fc.conv_1d(big, [1]).tolist() == big.tolist()
    assert fc.conv_1d(np.array([200, 100], np.uint8), np.array([2], np.uint8)).tolist() == [400 % 256, 200]
    assert fc.conv_1d(np.array([2**63], np.uint64), np.array([1], np.uint64)).tolist() == [2**63]


def test_empty():
    assert fc.conv_1d(np.zeros(0, int), [1, 2]).dtype == np.int64
    assert fc.conv_2d_batch(np.zeros((0, 4, 4)), np.ones((3, 3))).shape == (0, 4, 4)
    assert fc.param_1d_grads(np.zeros(0), [1.0, 2.0], np.zeros(0)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: fc.conv_1d([[1]], [1]), ValueError, "conv_1d: input must have 1 axes, but has 2"),
        (lambda: fc.conv_2d([[1]], [1]), ValueError, "conv_2d: param must have 2 axes, but has 1"),
        (lambda: fc.conv_1d([1], []), ValueError, "conv_1d: the parameters must have at least one element"),
        (lambda: fc.conv_1d(["a"], [1]), TypeError, "conv_1d: input must be an array of real numbers"),
        (lambda: fc.conv_1d_batch([1, 2], [1]), ValueError, "conv_1d_batch: input must have 2 axes"),
        (lambda: fc.input_1d_grads([1, 2], [1], [1]), ValueError, r"out_grad must have shape \(2,\), but has \(1,\)"),
        (lambda: fc.input_2d_grads_batch([[[1]]], [[1]], [[1]]), ValueError, "out_grad must have 3 axes"),
        (lambda: fc.zero_pad_1d([1], -1), ValueError, "zero_pad_1d: n must be at least 0, but is -1"),
        (lambda: fc.zero_pad_1d([1], 1.5), TypeError, "zero_pad_1d: n must be an integer"),
        (lambda: fc.zero_pad_2d([1], 1), ValueError, "zero_pad_2d: arr must have 2 axes"),
        (lambda: fc.CNN_forward(np.zeros((5, 5)), 0, []), ValueError, "at least one layer"),
        (lambda: fc.CNN_forward(np.zeros((5, 5)), 0, [1]), TypeError, "must have forward_prop"),
        (lambda: fc.CNN_forward(np.zeros((2, 2)), 7, [fc.SoftmaxLayer(4, 3)]), ValueError, "label must be one of"),
        (lambda: fc.CNN_forward(np.zeros((2, 2)), 1.0, [fc.SoftmaxLayer(4, 3)]), TypeError, "label must be an integer"),
    ],
)
def test_bad_calls_are_refused(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
