"""What picks one of several numbers gives integers back exactly, of every type and size, and finds gradients by them."""

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn

from . import naive

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i8", ">u2"]
POOLS = [
    ((2, 6, 8, 3), 2, None, {}),
    ((1, 7, 7, 2), 3, 2, {"padding": "same"}),
    ((1, 5, 9, 5), (3, 2), (1, 2), {"padding": ((2, 1), (0, 1)), "ceil_mode": True}),
    ((2, 9, 9, 1), 2, 3, {"dilation": 3, "ceil_mode": True, "padding": 1}),
]


def extremes(shape, dtype, seed=0):
    """Return integers of which neighbours, beyond 2**53, are one float64, and the type's least and largest, with ties."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(seed)
    near = [limits.min, limits.min + 1, limits.max - 1, limits.max]
    near += [n for n in (0, 2**53, 2**53 + 1, -(2**53), -(2**53) - 1) if limits.min <= n <= limits.max]
    return np.array([near[i] for i in rng.integers(len(near), size=int(np.prod(shape)))], dtype).reshape(shape)


def axes_of(x, kernel, stride, padding="valid", dilation=1, ceil_mode=False):
    spec = fastconv.shapes.pool_spec("test", x.shape, kernel, stride, padding, dilation, ceil_mode)
    axes = zip(spec.size, spec.kernel, spec.stride, spec.pads, spec.dilation, strict=True)
    return [naive.pool_axis(n, k, s, pads, d, ceil_mode) for n, k, s, pads, d in axes]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["max", "min"])
def test_pooling(name, dtype):
    pool, grad = getattr(fn, f"{name}_pool2d"), getattr(fn, f"{name}_pool2d_grad")
    native = np.dtype(dtype).newbyteorder("=")
    for shape, kernel, stride, options in POOLS:
        x = extremes(shape, dtype)
        axes = axes_of(x, kernel, stride, **options)
        expected, places = naive.pick_pool(x.astype(object), axes, {"max": max, "min": min}[name])
        expected = expected.astype(native)
        y, indices = pool(x, kernel, stride, return_indices=True, **options)
        np.testing.assert_array_equal(y, expected, strict=True)
        np.testing.assert_array_equal(indices, places)
        np.testing.assert_array_equal(pool(x, kernel, stride, **options), expected, strict=True)
        first = pool(np.moveaxis(x, -1, 1), kernel, stride, layout="NCHW", **options)
        np.testing.assert_array_equal(first, np.moveaxis(expected, -1, 1), strict=True)
        out = np.zeros((*expected.shape, 2), native)[..., 0]
        assert pool(x, kernel, stride, out=out, **options) is out
        np.testing.assert_array_equal(out, expected)
        dy = np.random.default_rng(1).integers(-9, 9, y.shape).astype(np.float32) * 12
        for ties in ("first", "all"):
            dx = grad(dy, x, kernel, stride, ties=ties, **options)
            assert dx.dtype == np.result_type(native, np.float32)
            wanted = naive.pick_pool_grad(dy.astype(object), x.astype(object), axes, {"max": max, "min": min}[name], ties)
            np.testing.assert_array_equal(dx, wanted.astype(dx.dtype))


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions(dims):
    x = extremes((2, *(4,) * dims, 3), "int64")
    blocks = x.reshape(2, *(2, 2) * dims, 3)
    y = getattr(fn, f"max_pool{dims}d")(x, 2)
    np.testing.assert_array_equal(y, blocks.max(axis=tuple(range(2, 2 + 2 * dims, 2))), strict=True)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint64"])
def test_adaptive_and_global_pooling(dtype):
    x = extremes((2, 7, 5, 3), dtype)
    axes = [naive.adaptive_axis(7, 3), naive.adaptive_axis(5, 2)]
    expected, places = naive.pick_pool(x.astype(object), axes, max)
    y, indices = fn.adaptive_max_pool(x, (3, 2), return_indices=True)
    np.testing.assert_array_equal(y, expected.astype(dtype), strict=True)
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_array_equal(fn.global_max_pool(x), x.max(axis=(1, 2)), strict=True)
    np.testing.assert_array_equal(fn.global_max_pool(x, "NCHW", True), x.max(axis=(2, 3), keepdims=True), strict=True)
    dx = fn.global_max_pool_grad(np.ones((2, 3)), x)
    np.testing.assert_array_equal(dx.reshape(2, 35, 3).argmax(axis=1), x.reshape(2, 35, 3).argmax(axis=1))
    dx = fn.adaptive_max_pool_grad(np.ones(y.shape), x, (3, 2), ties="all")
    np.testing.assert_array_equal(dx, naive.pick_pool_grad(np.ones(y.shape), x.astype(object), axes, max, "all").astype(float))


@pytest.mark.parametrize("dtype", TYPES)
def test_unpooling_and_relu(dtype):
    x, native = extremes((2, 4, 6, 3), dtype), np.dtype(dtype).newbyteorder("=")
    y, indices = fn.max_pool2d(x, 2, return_indices=True)
    expected = naive.max_unpool(y, indices, x.shape)
    np.testing.assert_array_equal(fn.max_unpool2d(y.astype(dtype), indices, x.shape), expected, strict=True)
    np.testing.assert_array_equal(fn.relu(x), np.maximum(x, 0).astype(native), strict=True)
    np.testing.assert_array_equal(fn.relu(x[:, ::-1], out=np.empty(x.shape, native)), np.maximum(x, 0)[:, ::-1])


def test_all_below_zero_with_padding():
    x = np.full((1, 3, 3, 1), -5, np.int64)
    assert (fn.max_pool2d(x, 3, 1, padding=1) == -5).all() and (fn.min_pool2d(-x, 3, 1, padding=1) == 5).all()
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    assert (fn.max_pool2d(np.full_like(x, least), 3, 1, padding=1) == least).all()
    assert (fn.min_pool2d(np.full_like(x, most), 3, 1, padding="same") == most).all()


@pytest.mark.parametrize(
    ("given", "result"), [("bool", "float64"), ("float16", "float32"), (">f4", "float32"), ("longdouble", "float64")]
)
def test_other_types_are_computed_as_before(given, result):
    x = np.array([1, 0, 0, 1]).astype(given).reshape(1, 4, 1)
    assert fn.max_pool1d(x, 2).dtype == fn.global_max_pool(x, "NWC").dtype == fn.relu(x).dtype == result
    assert fn.max_unpool1d(x, np.arange(4).reshape(1, 4, 1), (1, 4, 1)).dtype == result
    assert fn.conv1d(x, x.reshape(4, 1, 1)).dtype == result


def test_out_must_be_of_the_result_s_type():
    x = np.ones((1, 4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match=r"max_pool2d: out must be a writable uint8 array of shape \(1, 2, 2, 1\), but is float64"):
        fn.max_pool2d(x, 2, out=np.zeros((1, 2, 2, 1)))
    with pytest.raises(ValueError, match="out must not overlap"):
        fn.max_pool2d(x, 2, out=x[:, :2, :2])
    np.testing.assert_array_equal(fn.max_pool2d(x[:0], 2), np.zeros((0, 2, 2, 1), np.uint8), strict=True)


def test_lists_of_integers():
    np.testing.assert_array_equal(fn.max_pool1d([[[1], [2**60 + 1]]], 2), [[[2**60 + 1]]], strict=True)


@pytest.mark.parametrize("layer", [lambda: fastconv.ConvolutionLayer(2, 3, dtype="float32"), lambda: fastconv.MaxPoolingLayer(2)])
def test_the_notebooks_layers_take_swapped_bytes_for_what_they_are(layer):
    x = np.ones((4, 4, 1), np.float32)
    assert layer().forward_prop(x.astype(">f4")).dtype == layer().forward_prop(x).dtype == np.float32
