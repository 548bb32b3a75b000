"""Arrays as users have them: lists, other types, strided, reversed, read-only, unaligned, byte-swapped; none is modified."""

import numpy as np
import pytest

from fastconv import functional as fn

from .cases import integers

X, W = integers((2, 6, 7, 3), "float64", 1), integers((3, 2, 3, 5), "float64", 2)
Y = fn.conv2d(X, W)


def strided(array):
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def reversed_view(array):
    return np.ascontiguousarray(array[:, ::-1])[:, ::-1]


def transposed(array):
    return np.ascontiguousarray(array.T).T


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    view = room[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def byte_swapped(array):
    return array.astype(array.dtype.newbyteorder())


def in_a_subclass(array):
    class Mine(np.ndarray):
        pass

    return array.view(Mine)


VIEWS = [strided, reversed_view, transposed, read_only, unaligned, byte_swapped, in_a_subclass, np.asfortranarray]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_any_memory_layout(view):
    x, w = view(X), view(W)
    y = fn.conv2d(x, w)
    np.testing.assert_array_equal(y, Y, strict=True)
    assert type(y) is np.ndarray and y.flags.c_contiguous and y.flags.writeable
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(fn.conv2d_input_grad(view(Y), w, X.shape), fn.conv2d_input_grad(Y, W, X.shape))
    np.testing.assert_array_equal(fn.conv2d_weight_grad(x, view(Y), W.shape), fn.conv2d_weight_grad(X, Y, W.shape))
    np.testing.assert_array_equal(fn.max_pool2d(x, 2), fn.max_pool2d(X, 2))


def test_read_only_inputs_are_not_copied_nor_written():
    x = read_only(X)
    fn.conv2d(x, W)
    assert not x.flags.writeable
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize(
    ("x_type", "w_type", "result"),
    [
        ("float32", "float32", "float32"),
        ("float16", "float16", "float32"),
        ("float32", "float16", "float32"),
        ("float32", "float64", "float64"),
        ("int8", "float32", "float32"),
        ("int64", "float32", "float64"),
        ("uint8", "uint8", "float64"),
        ("bool", "bool", "float64"),
    ],
)
def test_types_promote_as_numpy(x_type, w_type, result):
    x, w = abs(X).astype(x_type), abs(W).astype(w_type)
    y = fn.conv2d(x, w)
    assert y.dtype == result
    np.testing.assert_array_equal(y, fn.conv2d(x.astype(np.float64), w.astype(np.float64)))


def test_lists():
    np.testing.assert_array_equal(fn.conv2d(X.tolist(), W.tolist()), Y, strict=True)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="x is not a rectangular array"):
        fn.conv2d([[1, 2], [3]], W)


def test_denormals_and_signed_zeros():
    x = np.full((1, 3, 3, 1), 5e-324)
    assert (fn.conv2d(x, np.ones((1, 1, 1, 1))) == x).all()


def test_wrong_arguments_are_refused_by_the_public_name():
    with pytest.raises(TypeError, match="^conv2d: got an unexpected keyword argument 'strides'$"):
        fn.conv2d(X, W, strides=2)
    with pytest.raises(TypeError, match="^max_pool3d: missing a required argument: 'kernel_size'$"):
        fn.max_pool3d(X)
    with pytest.raises(TypeError, match="^conv1d_input_grad: too many positional arguments$"):
        fn.conv1d_input_grad(X, W, X.shape, 2)
