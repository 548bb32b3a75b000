"""Weights that are packed once, for many calls of a plan."""

import numpy as np
import pytest

from fastconv.kernels.gemm.product import ProductPlan
from fastconv.kernels.plan import Packed
from fastconv.kernels.table import TABLE
from fastconv.runtime.threads import parallel_for

from .cases import Case

CASES = [
    Case("tails", (2, 7, 9, 5), (3, 2, 5, 35), 1, 1),
    Case("groups", (1, 6, 7, 24), (3, 3, 8, 45), 2, 1, 1, 3),
    Case("few filters", (1, 8, 9, 64), (3, 3, 64, 3), 1, 1),
    Case("Winograd, many tiles", (2, 20, 21, 17), (3, 3, 17, 33), 1, 1),
    Case("Winograd, few tiles", (1, 7, 7, 70), (3, 3, 70, 130), 1, 1),
    Case("long sums", (1, 3, 4, 600), (1, 1, 600, 20)),
]


def packing(case):
    return [row for row in TABLE["output"] if row.accepts(case.spec) and hasattr(row.plan(case.spec, np.dtype("f")), "pack")]


@pytest.mark.parametrize("case, name", [(case, row.name) for case in CASES for row in packing(case)])
def test_packed_weights_give_the_same_bits(case, name):
    rng = np.random.default_rng(0)
    x, w, bias = (rng.standard_normal(np.prod(shape)).astype("f") for shape in (case.x, case.w, case.w[-1:]))
    plan = next(row for row in TABLE["output"] if row.name == name).plan(case.spec, np.dtype("f"))
    expected, y = (np.empty(np.prod(case.spec.output_shape), "f") for _ in range(2))
    plan(parallel_for, x, w, bias, expected)
    packed = plan.pack(parallel_for, w)
    assert isinstance(packed, Packed) and packed.weights is w
    for _ in range(2):
        y[:] = np.nan
        plan(parallel_for, x, packed, bias, y)
        assert y.tobytes() == expected.tobytes()
    x *= 2
    plan(parallel_for, x, packed, None, y)
    plan(parallel_for, x, w, None, expected)
    assert y.tobytes() == expected.tobytes()


def test_every_tiled_algorithm_packs():
    assert {row.name for case in CASES for row in packing(case)} == {"winograd", "narrow", "dot", "direct"}


def test_what_is_not_finite_is_computed_from_the_weights_as_they_were():
    case = next(case for case in CASES if case.name == "Winograd, many tiles")
    plan = next(row for row in TABLE["output"] if row.name == "winograd").plan(case.spec, np.dtype("f"))
    x, w = np.ones(np.prod(case.x), "f"), np.ones(np.prod(case.w), "f")
    x[40] = np.inf
    expected, y = (np.empty(np.prod(case.spec.output_shape), "f") for _ in range(2))
    plan(parallel_for, x, w, None, expected)
    plan(parallel_for, x, plan.pack(parallel_for, w), None, y)
    assert np.isfinite(y).sum() > y.size / 2
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("m, k, n", [(1, 5, 3), (20, 700, 37), (300, 33, 64)])
def test_dense(m, k, n, transposed):
    rng = np.random.default_rng(1)
    plan = ProductPlan(m, k, n, np.dtype("f"), transposed)
    x, w, bias = (rng.standard_normal(size).astype("f") for size in (m * k, k * n, n))
    expected, y = np.empty(m * n, "f"), np.empty(m * n, "f")
    plan(parallel_for, x, w, bias, expected)
    plan(parallel_for, x, plan.pack(parallel_for, w), bias, y)
    assert y.tobytes() == expected.tobytes()
