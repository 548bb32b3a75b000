"""Adaptive pooling and its gradients against the loop twins."""

import numpy as np
import pytest

from fastconv import functional as fn

from . import naive
from .cases import integers

LAYOUTS = {3: "NWC", 4: "NHWC", 5: "NDHWC"}
CASES = [((2, 7, 3), (3,)), ((1, 5, 8, 2), (2, 3)), ((2, 3, 4, 17), (5, 4)), ((1, 4, 3, 5, 2), (2, 3, 1))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "sizes"), CASES)
def test_they_equal_the_loops(shape, sizes, dtype):
    axes, layout = list(map(naive.adaptive_axis, shape[1:-1], sizes)), LAYOUTS[len(shape)]
    x = integers(shape, dtype, 1)
    maxima, places = naive.pick_pool(x, axes, max)
    y, indices = fn.adaptive_max_pool(x, sizes, layout, return_indices=True)
    np.testing.assert_array_equal(y, maxima, strict=True)
    np.testing.assert_array_equal(indices, places, strict=True)
    np.testing.assert_array_equal(fn.adaptive_avg_pool(x, sizes, layout), naive.avg_pool(x, axes, False).astype(dtype), strict=True)
    dy = integers(y.shape, dtype, 2)
    np.testing.assert_array_equal(fn.adaptive_max_pool_grad(dy, x, sizes, layout), naive.pick_pool_grad(dy, x, axes, max, "first"))
    expected = naive.avg_pool_grad(dy, shape, axes, False)
    np.testing.assert_allclose(fn.adaptive_avg_pool_grad(dy, shape, layout), expected, rtol=0, atol=1e-5)


def test_as_many_outputs_as_pixels_change_nothing():
    x = integers((2, 4, 5, 3), "float32", 1)
    np.testing.assert_array_equal(fn.adaptive_avg_pool(x, (4, 5)), x)
    np.testing.assert_array_equal(fn.adaptive_max_pool(x, (4, 5)), x)


@pytest.mark.parametrize("function", [fn.adaptive_avg_pool, fn.adaptive_max_pool])
@pytest.mark.parametrize("sizes", [(0, 2), (2,), (2, 2, 2), (-1, 2)])
def test_bad_sizes_are_refused(function, sizes):
    with pytest.raises(ValueError, match=function.__name__):
        function(np.ones((1, 4, 4, 1)), sizes)
