"""Sums of many float32 numbers come out right; `python -m tests.sums` measures more of them, and longer ones."""

import numpy as np
import pytest

from fastconv import functional as fn

from . import sums_convolutions, sums_layers, sums_networks  # noqa: F401  # the first two add to SUMS, too
from .sums import DATA, LIMIT, SUMS, error_of

CASES = [case for case in SUMS if case.quick]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_sums_of_many_terms_are_right(case):
    for exponent in (10, min(17, case.most)):  # 9, 11, 12, 13: with 1, 4, 8 or 16 lanes, as much as ever is added in one number
        for data in DATA:
            assert error_of(case, exponent, data) <= LIMIT, (exponent, data)


def test_averages_of_very_many_pixels():
    assert fn.avg_pool1d(np.ones((1, 2**25, 1), np.float32), 2**25)[0, 0, 0] == 1
    assert abs(fn.global_avg_pool(np.full((1, 512, 512, 1), 0.1, np.float32))[0, 0] - 0.1) < 1e-7


def test_what_is_not_finite_stays_what_it_is_in_blocks():
    x = np.ones((1, 3000, 4), np.float32)
    x[0, 700, 1], x[0, 10, 2], x[0, 11, 2], x[0, 2999, 3] = np.inf, np.inf, -np.inf, np.nan
    np.testing.assert_array_equal(fn.global_avg_pool(x, "NWC"), [[1, np.inf, np.nan, np.nan]])
    np.testing.assert_array_equal(fn.linear_grad(x[0], x[0, :, :1], np.ones((1, 4)))[2], [3000, np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(fn.linear(x[0].T, np.ones((3000, 2), np.float32))[:, 0], [3000, np.inf, np.nan, np.nan])


@pytest.mark.filterwarnings("ignore:fit. x goes:UserWarning")
def test_the_variance_of_numbers_of_which_the_first_is_far_away():
    x = np.random.default_rng(0).normal(0, 1, (2**16, 1)).astype(np.float32)
    x[0] = 1e5
    np.testing.assert_allclose(
        sums_networks.normalized(x).get_weights()["0.running_var"], x.var(dtype=np.float64, ddof=1), rtol=1e-6
    )
