"""Activations and residuals of a convolution's result, and the vector functions that they are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn
from fastconv.kernels.epilogue.activations import ACTIVATIONS
from fastconv.kernels.simd import exponential
from fastconv.kernels.simd.vector import lanes, vload, vstore
from fastconv.kernels.table import TABLE
from fastconv.runtime.jit import jit

from . import naive
from .cases import Case, integers

GIVEN = [
    None,
    *(name for name in ACTIVATIONS if name != "clip"),
    ("clip", -1.5, 2),
    ("leaky_relu", 0.25),
    ("hard_sigmoid", 0.2, 0.5),
]
CASES = [
    Case("direct", (2, 7, 9, 5), (3, 2, 5, 35), 1, 1),
    Case("winograd", (1, 13, 12, 32), (3, 3, 32, 33), 1, 1),
    Case("few filters", (1, 8, 9, 64), (1, 1, 64, 3)),
    Case("first layer", (2, 20, 21, 1), (5, 5, 1, 16)),
    Case("plane", (1, 9, 40, 1), (3, 3, 1, 1)),
    Case("depthwise", (1, 8, 9, 20), (3, 3, 1, 20), 1, 1, 1, 20),
]


def vectorised(function):
    """Return a function of an array that applies a vector function, in float64, to each element."""

    @jit
    def run(x, y):
        for i in range(0, len(x), lanes(x)):
            v = vload(x, i)
            vstore(y, i, exponential.vnarrow_like(v, function(exponential.vwide(v))))

    def call(x):
        padded = np.zeros(-(-len(x) // 64) * 64, x.dtype)
        padded[: len(x)] = x
        y = np.empty_like(padded)
        run(padded, y)
        return y[: len(x)]

    return call


FUNCTIONS = {"vexp": np.exp, "vtanh": np.tanh, "verf": np.vectorize(math.erf, otypes=[float])}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_within_an_ulp_over_all_of_float32(name):
    step = 100_003 if name == "verf" else 1_009
    x = np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x, np.float32([0, -0.0, np.inf, -np.inf, np.nan, 88.7, 88.8, -87.4, -103.9, -104.1, 1e-45, 0.625, 1, -1])])
    y = vectorised(getattr(exponential, name))(x)
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(rounded))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(rounded))
    finite = np.isfinite(rounded)
    error = np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite])).astype(np.float64)
    assert error.max() < 0.51
    assert np.signbit(y[x == 0]).tolist() == np.signbit(rounded[x == 0]).tolist()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_within_four_ulp_in_float64(name):
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(-700, 700, 3000), rng.uniform(-7, 7, 3000), rng.uniform(-1, 1, 3000), [0.0, np.nan, np.inf, -np.inf]]
    )
    y, exact = vectorised(getattr(exponential, name))(x), FUNCTIONS[name](x)
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(y[~finite], exact[~finite])
    assert (np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(exact[finite]))).max() <= 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_are_finished(case, dtype):
    rng, tolerance = np.random.default_rng(1), 1e-5 if dtype == "float32" else 1e-13
    x, w, bias = (rng.standard_normal(shape).astype(dtype) for shape in (case.x, case.w, case.w[-1:]))
    options = {"stride": case.spec.stride, "padding": case.spec.pads, "groups": case.spec.groups}
    y = fn.conv2d(x, w, bias, **options)
    residual = rng.standard_normal(y.shape).astype(dtype)
    for activation in GIVEN if case.name == "plane" else ["relu"]:  # the others compile a kernel for each
        name, *numbers = activation if isinstance(activation, tuple) else (activation,)
        for added in (None, residual):
            found = fn.conv2d(x, w, bias, activation=activation, residual=added, **options)
            expected = naive.activate(name, y if added is None else y + added, *numbers)
            np.testing.assert_allclose(found, expected, tolerance, tolerance, err_msg=str(activation))


@pytest.mark.parametrize("row", [row.name for row in TABLE["output"]])
def test_every_algorithm_finishes(row):
    cases = [case for case in CASES if next(r for r in TABLE["output"] if r.name == row).accepts(case.spec)]
    cases = cases or [Case("grouped", (1, 5, 6, 16), (3, 3, 4, 16), 1, 0, 1, 4)]
    for case in cases:
        x, w, residual = (integers(shape, "float64", seed) for seed, shape in enumerate((case.x, case.w, case.spec.output_shape)))
        options = {"padding": case.spec.pads, "groups": case.spec.groups, "algorithm": row}
        expected = np.maximum(naive.conv(x, w, None, *case.naive_geometry) + residual, 0)
        np.testing.assert_allclose(fn.conv2d(x, w, activation="relu", residual=residual, **options), expected, 0, 1e-9)


def test_channels_first_and_out():
    x, w = integers((2, 3, 8, 9), "float32", 0), integers((20, 3, 3, 3), "float32", 1)
    residual, out = integers((2, 20, 6, 7), "float32", 2), np.empty((2, 20, 6, 7), np.float32)
    expected = np.maximum(fn.conv2d(x, w, layout="NCHW") + residual, 0)
    assert fn.conv2d(x, w, layout="NCHW", activation="relu", residual=residual, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_one_and_three_dimensions():
    x, w = integers((2, 30, 3), "float32", 0), integers((3, 3, 20), "float32", 1)
    np.testing.assert_array_equal(fn.conv1d(x, w, activation="relu6"), np.clip(fn.conv1d(x, w), 0, 6))
    x, w = integers((1, 6, 7, 8, 3), "float32", 0), integers((3, 2, 2, 3, 20), "float32", 1)
    np.testing.assert_array_equal(fn.conv3d(x, w, activation="relu"), np.maximum(fn.conv3d(x, w), 0))


def test_bits_are_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 30, 31, 32)).astype("f"), rng.standard_normal((1, 1, 32, 48)).astype("f")
    results = []
    for threads in (1, 2, 3):
        fastconv.set_num_threads(threads)
        results.append(fn.conv2d(x, w, activation="gelu").tobytes())
    assert len(set(results)) == 1


def test_what_is_not_finite_reaches_only_its_own_results():
    """The border's zeros, multiplied by an infinite weight, are left out as without an activation, which would hide it."""
    x, w = np.ones((1, 6, 7, 20), np.float32), np.ones((3, 3, 20, 17), np.float32)
    w[0, 0, 0, 0] = np.inf
    for activation in ("tanh", "relu", "relu6"):
        plain = fn.conv2d(x, w, padding=1)
        name, *numbers = activation if isinstance(activation, tuple) else (activation,)
        np.testing.assert_allclose(fn.conv2d(x, w, padding=1, activation=activation), naive.activate(name, plain, *numbers), 1e-6)
    x[0, 3, 3, 5] = np.nan
    spread = np.isnan(fn.conv2d(x, np.ones_like(w), padding=1))
    for activation in ("relu", "tanh", "relu6"):
        np.testing.assert_array_equal(np.isnan(fn.conv2d(x, np.ones_like(w), padding=1, activation=activation)), spread)


def test_nothing_to_compute():
    w, bias = np.ones((2, 2, 0, 3)), np.array([-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(fn.conv2d(np.ones((1, 3, 3, 0)), w, bias, activation="relu")[0, 0, 0], [0, 0, 2])
    assert fn.conv2d(np.ones((0, 3, 3, 1)), np.ones((2, 2, 1, 3)), activation="relu").shape == (0, 2, 2, 3)


@pytest.mark.parametrize(
    "options, kind, message",
    [
        ({"activation": "rely"}, ValueError, "activation must be None, one of .*'rely'"),
        ({"activation": 3}, TypeError, "activation must be None, one of"),
        ({"activation": "clip"}, ValueError, r"'clip' must be \('clip', least, most\)"),
        ({"activation": ("clip", 1)}, ValueError, r"'clip' must be \('clip', least, most\), but is \('clip', 1\)"),
        ({"activation": ("clip", 2, 1)}, ValueError, "least <= most, but has 2 and 1"),
        ({"activation": ("relu", 1)}, ValueError, "'relu' must be 'relu', but is"),
        ({"activation": ("leaky_relu", "x")}, TypeError, "'leaky_relu' must have a number for slope, but has 'x'"),
        ({"activation": ("leaky_relu", math.nan)}, ValueError, "must have a number for slope, but has nan"),
        ({"activation": ()}, TypeError, "activation must be None, one of"),
        ({"residual": np.ones((1, 3, 3, 2))}, ValueError, r"residual \(channels last\) must have shape \(1, 3, 3, 4\)"),
        ({"residual": "x"}, TypeError, "residual"),
    ],
)
def test_mistakes_are_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        fn.conv2d(np.ones((1, 4, 4, 2)), np.ones((2, 2, 2, 4)), **options)


def test_out_must_not_be_the_residual():
    residual = np.ones((1, 3, 3, 4))
    with pytest.raises(ValueError, match="out must not overlap an input"):
        fn.conv2d(np.ones((1, 4, 4, 2)), np.ones((2, 2, 2, 4)), residual=residual, out=residual)
