"""Inputs that crashed, hung or fooled other libraries, one by one."""

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn

from .cases import integers

X, W = np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 2))
REFUSED = [
    # PyTorch's CVE-2025-2953: a division by zero ended the process
    ("stride 0", ValueError, "stride must be at least 1", lambda: fn.conv2d(X, W, stride=0)),
    ("stride 0, pooling", ValueError, "stride must be at least 1", lambda: fn.max_pool2d(X, 2, 0)),
    ("stride 0, transposed", ValueError, "stride must be at least 1", lambda: fn.conv_transpose2d(X, W[..., :1], stride=0)),
    (
        "stride 0 in one axis",
        ValueError,
        "stride must be at least 1",
        lambda: fn.conv3d(X[..., None], np.ones((1,) * 5), stride=(1, 0, 1)),
    ),
    # int64 overflow of kernel times dilation (pytorch#142454), and of sizes
    ("kernel x dilation", ValueError, "window must not be larger", lambda: fn.conv2d(X, W, dilation=2**39)),
    ("kernel x dilation over int64", ValueError, "dilation must be at most", lambda: fn.conv2d(X, W, dilation=2**62)),
    ("dilation over int64, pooling", ValueError, "dilation must be at most", lambda: fn.max_pool2d(X, 2, dilation=2**63)),
    ("dilation, transposed", ValueError, "larger than", lambda: fn.conv_transpose2d(X, W[..., :1], dilation=2**39)),
    ("padding 2**62", ValueError, "padding must be at most", lambda: fn.conv3d(X[..., None], np.ones((1,) * 5), padding=2**62)),
    ("padding that takes all memory", ValueError, "times as large as the operands", lambda: fn.conv2d(X, W, padding=50_000)),
    (
        "unpooling into all memory",
        ValueError,
        "as large as the operands",
        lambda: fn.max_unpool1d([[[1.0]]], [[[0]]], (1, 2**30, 1)),
    ),
    ("a gradient that takes all memory", ValueError, "larger than", lambda: fn.conv2d_input_grad(X, W, (2**20, 2**20, 5, 1))),
    ("adaptive output of all memory", ValueError, "as large as the operands", lambda: fn.adaptive_avg_pool(X, 2**15)),
    (
        "kernel larger than the padded input",
        ValueError,
        "must not be larger than the padded input",
        lambda: fn.conv2d(X, np.ones((8, 3, 1, 1)), padding=1),
    ),
    ("kernel of no pixels", ValueError, "at least one pixel per axis", lambda: fn.conv2d(X, np.ones((0, 3, 1, 1)))),
    ("dilation 0", ValueError, "dilation must be at least 1", lambda: fn.conv2d(X, W, dilation=0)),
    ("groups that do not divide", ValueError, "groups must divide channels", lambda: fn.conv2d(X, W, groups=2)),
    ("groups 0", ValueError, "groups must be at least 1", lambda: fn.conv2d(X, W, groups=0)),
    ("a bias of the wrong length (pytorch#85656)", ValueError, "bias must have shape", lambda: fn.conv2d(X, W, np.ones(3))),
    ("a bias of the wrong rank", ValueError, "bias must have shape", lambda: fn.conv2d(X, W, np.ones((2, 1)))),
    # TensorFlow's CVE-2021-29579 and CVE-2021-37674: pooling gradients of mismatched shape read out of bounds
    ("pooling gradient, larger", ValueError, "dy .* must have shape", lambda: fn.max_pool2d_grad(np.ones((1, 3, 3, 1)), X, 2)),
    ("pooling gradient, empty", ValueError, "dy .* must have shape", lambda: fn.max_pool2d_grad(np.ones((0, 2, 2, 1)), X, 2)),
    (
        "average pooling gradient (tf#64642)",
        ValueError,
        "dy .* must have shape",
        lambda: fn.avg_pool2d_grad(np.ones((1, 3, 2, 1)), X.shape, 2),
    ),
    ("input gradient", ValueError, "dy .* must have shape", lambda: fn.conv2d_input_grad(np.ones((1, 9, 9, 2)), W, X.shape)),
    (
        "input shape of the wrong rank",
        ValueError,
        "must have 4 entries",
        lambda: fn.conv2d_input_grad(np.ones((1, 3, 3, 2)), W, (5, 5)),
    ),
    ("negative input shape", ValueError, r"input_shape\[1\] must be at least 0", lambda: fn.avg_pool2d_grad(X, (1, -5, 5, 1), 2)),
    # a window of padding only: index -1 was written to the stack (pytorch#1465, #40131)
    (
        "a window of padding only",
        ValueError,
        "each window must cover a pixel",
        lambda: fn.max_pool1d(np.ones((1, 1, 1)), 2, 1, padding=2, dilation=3),
    ),
    ("padding of the whole window", ValueError, "padding must be smaller than the window", lambda: fn.max_pool2d(X, 2, padding=2)),
    (
        "foreign indices",
        ValueError,
        "indices must be from 0 to 8",
        lambda: fn.max_unpool2d(np.ones((1, 1, 1, 1)), [[[[9]]]], (1, 3, 3, 1)),
    ),
    (
        "negative indices",
        ValueError,
        "indices must be from 0",
        lambda: fn.max_unpool2d(np.ones((1, 1, 1, 1)), [[[[-1]]]], (1, 3, 3, 1)),
    ),
    (
        "indices of another shape",
        ValueError,
        "indices .* must have shape",
        lambda: fn.max_unpool2d(np.ones((1, 1, 1, 1)), [[[[0], [1]]]], (1, 3, 3, 1)),
    ),
    (
        "indices that are no integers",
        TypeError,
        "indices must be integers",
        lambda: fn.max_unpool2d(np.ones((1, 1, 1, 1)), [[[[0.5]]]], (1, 3, 3, 1)),
    ),
    (
        "pooling an image of no pixels (pytorch#94696)",
        ValueError,
        "larger than the padded input",
        lambda: fn.max_pool2d(np.ones((1, 0, 5, 1)), 2),
    ),
    (
        "output_padding",
        ValueError,
        "output_padding must be smaller",
        lambda: fn.conv_transpose2d(X, W[..., :1], stride=2, output_padding=2),
    ),
    ("transposed to nothing", ValueError, "at least one pixel per axis", lambda: fn.conv_transpose2d(X, W[..., :1], padding=9)),
    (
        "reflecting nothing",
        ValueError,
        "needs a pixel to repeat",
        lambda: fn.conv2d(np.ones((1, 0, 5, 1)), W, padding=2, padding_mode="reflect"),
    ),
    ("a flag in words", TypeError, "return_indices must be True or False", lambda: fn.max_pool2d(X, 2, return_indices="no")),
    ("another flag", TypeError, "keepdims must be True or False, but is 'no'", lambda: fn.global_max_pool(X, keepdims="no")),
    ("and another", TypeError, "keepdims must be True or False, but is None", lambda: fn.global_avg_pool(X, keepdims=None)),
    ("padding by hand of all memory", ValueError, "zero_pad_2d: an array .* mistake", lambda: fastconv.zero_pad_2d([[1]], 50_000)),
    ("and more than that", ValueError, "zero_pad_1d: .* is larger than", lambda: fastconv.zero_pad_1d([1], 2**40)),
    ("divisor 0", ValueError, "divisor_override must not be 0", lambda: fn.avg_pool2d(X, 2, divisor_override=0)),
    ("a label that is no class", ValueError, "labels must be from 0 to 1", lambda: fn.cross_entropy([[0.0, 1.0]], [2])),
    ("an axis that is none", ValueError, "axis must be less", lambda: fn.softmax(X, axis=4)),
]


@pytest.mark.parametrize(("kind", "text", "call"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(kind, text, call):
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_pooling_windows_of_one_value(value):
    """All -inf or NaN: the index must be within the window (pytorch#1465)."""
    x = np.full((1, 4, 6, 3), value)
    for pool in (fn.max_pool2d, fn.min_pool2d):
        y, indices = pool(x, (2, 3), return_indices=True)
        np.testing.assert_array_equal(y, np.full((1, 2, 2, 3), value))
        np.testing.assert_array_equal(indices[0, :, :, 0], [[0, 3], [12, 15]])
    dx = fn.max_pool2d_grad(np.ones((1, 2, 2, 3)), x, (2, 3))
    assert dx.sum() == 12 and (dx[0, ::2, ::3] == 1).all()
    if value == -np.inf:
        np.testing.assert_array_equal(fn.max_pool2d(x, 3, 1, padding=1), np.full((1, 4, 6, 3), value))


def test_overlapping_windows_add_their_gradients():
    """Flux.jl#1197."""
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1] = 1
    assert fn.max_pool2d_grad(np.ones((1, 2, 2, 1)), x, 2, 1)[0, 1, 1, 0] == 4


def test_no_channels_and_no_images():
    """pytorch#142209: what has no elements has a shape all the same."""
    assert fn.conv2d(np.ones((0, 5, 5, 1)), W).shape == (0, 3, 3, 2)
    np.testing.assert_array_equal(
        fn.conv2d(np.ones((1, 5, 5, 0)), np.ones((3, 3, 0, 2)), [3, 4]), np.tile([3.0, 4.0], (1, 3, 3, 1))
    )
    assert fn.conv2d(X, np.ones((3, 3, 1, 0))).shape == (1, 3, 3, 0)
    assert fn.conv2d_weight_grad(np.ones((0, 5, 5, 1)), np.ones((0, 3, 3, 2)), W.shape).sum() == 0
    assert fn.conv2d_input_grad(np.ones((1, 3, 3, 0)), np.ones((3, 3, 1, 0)), X.shape).sum() == 0
    assert fn.max_pool2d(np.ones((0, 4, 4, 2)), 2).shape == (0, 2, 2, 2)
    assert fn.max_pool2d(np.ones((1, 4, 4, 0)), 2).shape == (1, 2, 2, 0)
    assert fn.conv_transpose2d(np.ones((0, 2, 2, 1)), W[..., :1]).shape == (0, 4, 4, 1)
    np.testing.assert_array_equal(fn.conv2d(np.ones((1, 0, 0, 1)), W, padding=2)[0, :, :, 0], np.zeros((2, 2)))


def test_an_image_that_is_changed_between_the_passes_changes_nothing_but_the_gradient():
    """The notebooks' layers keep a reference to their input, and so do ours: the gradient is the changed image's, never a crash."""
    layer, image = fastconv.ConvolutionLayer(2, 3), np.ones((6, 6))
    layer.forward_prop(image)
    image[:] = 2
    np.testing.assert_array_equal(layer.back_prop(np.ones((4, 4, 2)), 0.1), np.full((2, 3, 3), 32.0))


def test_backward_twice_gives_the_same():
    """chainer#2062: the second backward pass had other indices."""
    pool, image = fastconv.MaxPoolingLayer(2), integers((6, 6, 2), "float64", 1)
    y = pool.forward_prop(image)
    np.testing.assert_array_equal(pool.back_prop(y), pool.back_prop(y))


def test_permuted_and_broadcast_inputs():
    """pytorch#47054, #55781: views were read as if they were contiguous."""
    x = integers((3, 2, 6, 5), "float32", 1)
    y = fn.conv2d(x.transpose(1, 2, 3, 0), np.ones((2, 2, 3, 4), np.float32))
    np.testing.assert_array_equal(y, fn.conv2d(np.ascontiguousarray(x.transpose(1, 2, 3, 0)), np.ones((2, 2, 3, 4), np.float32)))
    one = np.broadcast_to(np.float64(3), (2, 5, 5, 1))
    np.testing.assert_array_equal(fn.conv2d(one, W), np.full((2, 3, 3, 2), 27.0))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_from_any_layout_and_number_of_threads(dtype, threads):
    random, before = np.random.default_rng(0), fastconv.get_num_threads()
    x, w, b = (random.standard_normal(shape).astype(dtype) for shape in ((4, 30, 31, 8), (3, 3, 8, 19), (19,)))
    first = {"layout": "NCHW", "padding": 1}
    x_first, w_first = np.ascontiguousarray(np.moveaxis(x, -1, 1)), np.ascontiguousarray(np.moveaxis(w, (2, 3), (1, 0)))
    fastconv.set_num_threads(1)
    y = fn.conv2d(x, w, b, padding=1)
    dx, dw = fn.conv2d_input_grad(y, w, x.shape, padding=1), fn.conv2d_weight_grad(x, y, w.shape, padding=1)
    pooled = fn.avg_pool2d(x, 3, 2)
    fastconv.set_num_threads(threads)
    try:
        strided = np.repeat(x, 2, axis=2)[:, :, ::2]
        for image in (x, strided, x[::-1][::-1], np.asfortranarray(x), np.moveaxis(x_first, 1, -1)):
            assert fn.conv2d(image, w, b, padding=1).tobytes() == y.tobytes()
            assert fn.conv2d_weight_grad(image, y, w.shape, padding=1).tobytes() == dw.tobytes()
            assert fn.avg_pool2d(image, 3, 2).tobytes() == pooled.tobytes()
        y_first = fn.conv2d(x_first, w_first, b, **first)
        assert np.moveaxis(y_first, 1, -1).tobytes() == y.tobytes()
        assert np.moveaxis(fn.conv2d_input_grad(y_first, w_first, x_first.shape, **first), 1, -1).tobytes() == dx.tobytes()
        dw_first = fn.conv2d_weight_grad(x_first, y_first, w_first.shape, **first)
        assert np.moveaxis(dw_first, (0, 1), (-1, -2)).tobytes() == dw.tobytes()
        assert np.moveaxis(fn.avg_pool2d(x_first, 3, 2, layout="NCHW"), 1, -1).tobytes() == pooled.tobytes()
    finally:
        fastconv.set_num_threads(before)
