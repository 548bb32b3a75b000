"""Power-average pooling against its formula, and its gradient against finite differences."""

import numpy as np
import pytest

from fastconv import functional as fn

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_it_is_the_formula(p):
    x = RNG.random((2, 6, 8, 3))
    blocks = x.reshape(2, 3, 2, 4, 2, 3)
    np.testing.assert_allclose(fn.lp_pool(x, 2, p), (blocks**p).sum((2, 4)) ** (1 / p), rtol=1e-12)


def test_an_axis_or_three():
    x = RNG.random((1, 4, 2))
    np.testing.assert_allclose(fn.lp_pool(x, 2, 2, layout="NWC"), np.sqrt((x.reshape(1, 2, 2, 2) ** 2).sum(2)), rtol=1e-12)
    assert fn.lp_pool(np.ones((1, 4, 4, 4, 1)), 2, 1, layout="NDHWC").ravel().tolist() == [8] * 8


@pytest.mark.parametrize("p", [2, 3])
def test_gradient_by_finite_differences(p):
    x, g = RNG.random((1, 4, 4, 2)) + 0.1, RNG.standard_normal((1, 2, 2, 2))
    gradient = fn.lp_pool_grad(g, x, 2, p)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = 1e-6
        slope = ((fn.lp_pool(x + step, 2, p) - fn.lp_pool(x - step, 2, p)) * g).sum() / 2e-6
        assert gradient[index] == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("p", [0, -1, np.nan])
def test_bad_powers_are_refused(p):
    with pytest.raises(ValueError, match="lp_pool"):
        fn.lp_pool(np.ones((1, 4, 4, 1)), 2, p)
