"""out=: each forward function writes there what it would return, and refuses what doesn't fit or overlaps an input."""

import numpy as np
import pytest

from fastconv import functional as fn

from .cases import integers

X, W, B = integers((2, 6, 7, 3), "float64", 1), integers((3, 2, 3, 5), "float64", 2), integers((5,), "float64", 3)
FIRST = {"layout": "NCHW"}
CALLS = {
    "conv2d": lambda x, **o: fn.conv2d(x, W, B, **o),
    "conv2d NCHW": lambda x, **o: fn.conv2d(np.moveaxis(x, -1, 1), np.moveaxis(W, (2, 3), (1, 0)), B, **FIRST, **o),
    "conv_transpose2d": lambda x, **o: fn.conv_transpose2d(x, integers((2, 2, 4, 3), "float64", 4), stride=2, **o),
    "conv_transpose2d NCHW": lambda x, **o: fn.conv_transpose2d(
        np.moveaxis(x, -1, 1), np.ones((3, 4, 2, 2)), np.ones(4), **FIRST, **o
    ),
    "max_pool2d": lambda x, **o: fn.max_pool2d(x, 2, **o),
    "max_pool2d NCHW": lambda x, **o: fn.max_pool2d(np.moveaxis(x, -1, 1), 2, **FIRST, **o),
    "min_pool2d": lambda x, **o: fn.min_pool2d(x, 2, **o),
    "avg_pool2d": lambda x, **o: fn.avg_pool2d(x, 3, 2, **o),
    "lp_pool": lambda x, **o: fn.lp_pool(x, 2, **o),
    "adaptive_avg_pool": lambda x, **o: fn.adaptive_avg_pool(x, 2, **o),
    "adaptive_max_pool": lambda x, **o: fn.adaptive_max_pool(x, 2, **o),
    "linear": lambda x, **o: fn.linear(x.reshape(4, -1), np.ones((63, 5)), B, **o),
    "linear, large": lambda x, **o: fn.linear(x.reshape(4, -1), np.ones((63, 90)), **o),
    "relu": fn.relu,
    "softmax": lambda x, **o: fn.softmax(x, 1, **o),
    "log_softmax": fn.log_softmax,
}


@pytest.mark.parametrize("name", CALLS)
def test_the_result_is_written_there(name):
    call = CALLS[name]
    expected = call(X)
    out = np.full(expected.shape, np.nan)
    assert call(X, out=out) is out
    np.testing.assert_array_equal(out, expected)
    strided = np.full((*expected.shape[:-1], 2 * expected.shape[-1]), np.nan)[..., ::2]
    assert call(X, out=strided) is strided
    np.testing.assert_array_equal(strided, expected)
    swapped = np.full(expected.shape, np.nan)[..., ::-1]
    np.testing.assert_array_equal(call(X, out=swapped), expected)


@pytest.mark.parametrize("name", CALLS)
def test_what_does_not_fit_is_refused_and_left_as_it_was(name):
    call = CALLS[name]
    shape = call(X).shape
    read_only = np.zeros(shape)
    read_only.flags.writeable = False
    bad = [np.zeros((*shape, 1)), np.zeros(shape, np.float32), np.zeros(shape, ">f8"), read_only]
    for out in bad:
        with pytest.raises(ValueError, match=f"{name.split()[0].strip(',')}: out must be a writable float64 array of shape"):
            call(X, out=out)
        assert not out.any()
    for out in ([0.0], 1.0, "x"):
        with pytest.raises(TypeError, match="out must be a writable float64 array"):
            call(X, out=out)


@pytest.mark.parametrize("name", CALLS)
def test_an_overlap_is_refused(name):
    call = CALLS[name]
    shape = call(X).shape
    room = np.zeros(max(X.size, int(np.prod(shape))) + 1)
    x = room[: X.size].reshape(X.shape)
    x[...] = X
    out = room[-int(np.prod(shape)) :].reshape(shape)
    with pytest.raises(ValueError, match="out must not overlap an input in memory"):
        call(x, out=out)
    np.testing.assert_array_equal(x, X)


def test_weights_and_bias_are_inputs_too():
    w = np.ones((6, 7, 3, 8))
    with pytest.raises(ValueError, match="overlap"):
        fn.conv2d(X, w, out=w.reshape(-1)[:16].reshape(2, 1, 1, 8))
    bias = np.ones(8)
    with pytest.raises(ValueError, match="overlap"):
        fn.conv2d(X[:1], w, bias, out=bias.reshape(1, 1, 1, 8))


def test_neighbours_do_not_overlap():
    room = np.zeros((2, *X.shape))
    room[0] = X
    np.testing.assert_array_equal(fn.relu(room[0], out=room[1]), np.maximum(X, 0))
    both = np.zeros((*X.shape, 2))
    both[..., 0] = X
    np.testing.assert_array_equal(fn.relu(both[..., 0], out=both[..., 1]), np.maximum(X, 0))


def test_what_shares_memory_without_being_an_array():
    x = np.ones((1, 4, 4, 1))
    for given in (memoryview(x), x.view(np.recarray)):
        with pytest.raises(ValueError, match="out must not overlap an input in memory"):
            fn.max_pool2d(given, 2, out=x[:, :2, :2])
    assert (x == 1).all()


def test_elements_that_share_a_place():
    window = np.lib.stride_tricks.sliding_window_view(np.zeros(9), 4, writeable=True)
    for out in (window, np.lib.stride_tricks.as_strided(np.zeros(1), (6, 4), (0, 0))):
        with pytest.raises(ValueError, match="out must have a place in memory for each element, but has"):
            fn.relu(np.ones((6, 4)), out=out)
        assert not out.any()
