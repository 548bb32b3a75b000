"""Pooling over whole images, against NumPy."""

import numpy as np
import pytest

from fastconv import functional as fn

from .cases import integers

LAYOUTS = {3: "NWC", 4: "NHWC", 5: "NDHWC"}
SHAPES = [(2, 5, 3), (2, 6, 7, 17), (1, 3, 4, 5, 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_they_equal_numpy(shape, dtype):
    x, axes = integers(shape, dtype, 1), tuple(range(1, len(shape) - 1))
    np.testing.assert_array_equal(fn.global_max_pool(x, LAYOUTS[x.ndim]), x.max(axes), strict=True)
    np.testing.assert_allclose(fn.global_avg_pool(x, LAYOUTS[x.ndim]), x.mean(axes, dtype=np.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape):
    dy, pixels = integers((shape[0], shape[-1]), "float64", 2), int(np.prod(shape[1:-1]))
    spread = np.broadcast_to(dy.reshape(shape[0], *[1] * (len(shape) - 2), shape[-1]), shape)
    np.testing.assert_allclose(fn.global_avg_pool_grad(dy, shape, LAYOUTS[len(shape)]), spread / pixels, rtol=1e-13)
    x = np.random.default_rng(0).permutation(np.prod(shape)).astype(float).reshape(shape)
    largest = x == x.max(tuple(range(1, len(shape) - 1)), keepdims=True)
    np.testing.assert_array_equal(fn.global_max_pool_grad(dy, x, LAYOUTS[x.ndim]), np.where(largest, spread, 0))


@pytest.mark.parametrize(("ties", "expected"), [("first", [6, 0, 0]), ("all", [6, 6, 0]), ("split", [3, 3, 0])])
def test_ties(ties, expected):
    assert fn.global_max_pool_grad([[6.0]], [[[2.0], [2.0], [1.0]]], "NWC", ties=ties).ravel().tolist() == expected


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="global_avg_pool"):
        fn.global_avg_pool(np.ones((2, 3)))
    with pytest.raises(ValueError, match="global_max_pool_grad: dy .* must have shape"):
        fn.global_max_pool_grad(np.ones((1, 2)), np.ones((1, 4, 4, 1)))
