"""Max unpooling against the loop twin, and its gradient."""

import numpy as np
import pytest

from fastconv import functional as fn

from . import naive
from .cases import integers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "kernel"), [((2, 8, 3), 2), ((1, 6, 8, 2), 2), ((1, 4, 4, 6, 1), 2)])
def test_it_equals_the_loops(shape, kernel, dtype):
    dims, x = len(shape) - 2, integers(shape, dtype, 1)
    y, indices = getattr(fn, f"max_pool{dims}d")(x, kernel, return_indices=True)
    back = getattr(fn, f"max_unpool{dims}d")(y, indices, shape)
    np.testing.assert_array_equal(back, naive.max_unpool(y, indices, shape), strict=True)
    np.testing.assert_array_equal(getattr(fn, f"max_unpool{dims}d_grad")(x, indices), y, strict=True)


def test_what_is_no_place_is_refused():
    y = np.ones((1, 1, 1, 1), np.float32)
    for place in (-1, 4):
        with pytest.raises(ValueError, match="max_unpool2d"):
            fn.max_unpool2d(y, np.full(y.shape, place), (1, 2, 2, 1))
