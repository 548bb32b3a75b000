"""NaN, infinity and overflow anywhere in any operand: they reach exactly those results that the sums' definitions have them in."""

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn
from fastconv import signal
from fastconv.kernels.table import TABLE

from . import naive, naive_signal
from .cases import CASES, PLANE_CASES, Case, integers

SPECIAL = (np.nan, np.inf, -np.inf)
WINOGRAD = [Case("3x3, groups", (1, 5, 6, 32), (3, 3, 16, 32), 1, 1, 1, 2), Case("3x3, valid", (1, 6, 5, 16), (3, 3, 16, 17))]


def planted(array, rng, most=2):
    """Return a copy with NaN or infinity in a few places, or in none."""
    copy = array.copy()
    for _ in range(rng.integers(0, most + 1)):
        value = rng.choice(SPECIAL)
        if array.dtype.kind == "c":
            value = rng.choice([complex(value, 0), complex(0, value), complex(1, value)])
        copy[tuple(rng.integers(0, n) for n in array.shape)] = value
    return copy


def check(result, expected):
    """Compare where each result is NaN, plus and minus infinity, and the others; of complex numbers where they are not finite."""
    assert result.shape == expected.shape and result.dtype == expected.dtype
    finite = np.isfinite(expected)
    if expected.dtype.kind == "c":
        np.testing.assert_array_equal(np.isfinite(result), finite)
        result, expected = result[finite], expected[finite]
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)


# fastconv.signal


@pytest.fixture(params=["sums", "transforms"])
def way(request, monkeypatch):
    """Let "auto" try sums or transforms first, whatever the sizes."""
    seconds = 0.0 if request.param == "transforms" else np.inf
    monkeypatch.setattr("fastconv.signal.cost.fft_seconds", lambda p: seconds)


@pytest.mark.parametrize(
    ("x_shape", "x_place", "w_shape"),
    [
        ((2, 64), (1, 0), (1, 64)),
        ((64, 3), (5, 2), (64, 1)),
        pytest.param((2, 3, 40), (1, 2, 7), (1, 1, 40), marks=pytest.mark.slow),
        pytest.param((2, 40, 3), (1, 39, 1), (1, 40, 2), marks=pytest.mark.slow),
        ((40, 40), (39, 39), (20, 20)),
    ],
)
@pytest.mark.parametrize("value", [*SPECIAL, 1j * np.inf])
def test_a_transform_is_looked_at_as_a_whole(x_shape, x_place, w_shape, value, way):
    for dtype in ("complex64", "complex128") if np.iscomplex(value) else ("float32", "float64", "complex128"):
        x, w = np.zeros(x_shape, dtype), np.ones(w_shape, dtype)
        x[x_place] = value
        with np.errstate(invalid="ignore"):
            seen = signal.convolve(~np.isfinite(x), np.ones_like(w, bool))
        for y in (signal.convolve(x, w), signal.convolve(w, x), signal.correlate(x, w)):
            np.testing.assert_array_equal(~np.isfinite(y), seen)


def test_anything_anywhere_in_both_inputs(way):
    rng = np.random.default_rng(1)
    for _ in range(150):
        dims = int(rng.integers(1, 4))
        most = {1: 40, 2: 7, 3: 4}[dims]
        arrays = []
        for _ in range(2):
            shape, dtype = rng.choice([1, 2, most - 1, most], dims), rng.choice(["float16", "float32", "float64", "complex64"])
            arrays.append(planted(rng.integers(-2, 3, shape).astype(dtype), rng))
        mode, name = rng.choice(["full", "same"]), rng.choice(["convolve", "correlate"])
        with np.errstate(invalid="ignore"):
            check(getattr(signal, name)(*arrays, mode), getattr(naive_signal, name)(*arrays, mode))
            if dims == 2:
                options = (mode, *[("fill", 0), ("fill", 2), ("wrap", 0), ("symm", 0)][rng.integers(4)])
                name = f"{name}2d"
                check(getattr(signal, name)(*arrays, *options), getattr(naive_signal, name)(*arrays, *options))


@pytest.mark.parametrize(("dtype", "large"), [("float32", 1e30), ("float64", 1e300), ("complex64", 1e30)])
def test_what_overflows_in_a_transform_only_is_summed(dtype, large, way):
    x, w = np.zeros((2, 64), dtype), np.zeros((1, 64), dtype)
    x[1, 3], w[0, 5] = large, large
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x[1, 3] * w[0, 5]
    y = signal.convolve(x, w)
    assert not np.isfinite(y[1, 8]) and np.isinf(y[1, 8].real) == np.isinf(expected.real)
    y[1, 8] = 0
    assert not y.any()
    x, w = np.full((1, 100), np.finfo(dtype).max / 2, dtype), np.ones((1, 3), dtype)  # the transform's sum overflows, no sum of 3
    x[0, ::3] = x[0, 1::3] = 0
    np.testing.assert_array_equal(signal.convolve(x, w, "valid"), np.full((1, 98), x[0, 2]))


def test_transforms_that_are_asked_for_warn_wherever_something_spread():
    x, w = np.zeros((3, 64)), np.ones((1, 64))
    x[2, 0] = np.nan
    for call in (signal.convolve, signal.correlate):
        with pytest.warns(RuntimeWarning, match="spreads NaN"):
            assert np.isnan(call(x, w, method="fft")).sum(axis=1).tolist() == [0, 0, 127]
    y = signal.convolve(np.array([[np.nan, 1.0]]), [[2.0]], method="fft")  # nothing to transform, so nothing spreads
    np.testing.assert_array_equal(y, [[np.nan, 2.0]])
    x = np.full(40, 60000, np.float16)  # too large for half precision, not for the transform
    assert np.isinf(signal.convolve(x, x, method="fft")).all()


def test_integers_that_a_transform_would_lose_are_summed():
    for dtype, bits in (("int64", 62), ("uint64", 63), ("int32", 31)):
        x = np.array([[2 ** (bits // 2), 1]], dtype)
        np.testing.assert_array_equal(signal.convolve(x, x, method="fft")[0, 1:], [2 ** (bits // 2 + 1), 1])
    for dtype in ("int64", "uint64", "int32"):
        x = np.array([2**40, 3] if dtype != "int32" else [2**31 - 1] * 9, dtype)
        for call in (signal.convolve, signal.correlate):
            np.testing.assert_array_equal(call(x, x), call(x, x, method="direct"))
    x = np.array([2**40, 3], np.uint64)
    np.testing.assert_array_equal(signal.convolve(x, x, method="fft"), np.convolve(x, x))  # 2**80 wraps around to 0


def test_zeros_outside_meet_a_kernel_that_is_not_finite():
    """As in SciPy's convolve2d, where outside is as good as inside; convolve has no products with what is outside."""
    x, w = np.ones((3, 4)), np.ones((2, 2))
    w[0, 1] = np.inf
    for mode in ("full", "same", "valid"):
        with np.errstate(invalid="ignore"):
            check(signal.convolve2d(x, w, mode), naive_signal.convolve2d(x, w, mode))
            check(signal.correlate2d(x, w, mode), naive_signal.correlate2d(x, w, mode))
            check(signal.convolve(x, w, mode), naive_signal.convolve(x, w, mode))
    assert np.isnan(signal.convolve2d(np.ones((0, 3)), w)).all()


# fastconv.functional


@pytest.mark.parametrize("operation", TABLE)
@pytest.mark.parametrize("case", [*CASES[1::3], *PLANE_CASES[1:2], *WINOGRAD], ids=lambda case: case.name)
def test_every_kernel_agrees_with_the_loops(case, operation):
    rng, dims = np.random.default_rng(2), len(case.x) - 2
    arrays = {
        "output": [integers(case.x, "float32", 1), integers(case.w, "float32", 2)],
        "input_grad": [integers(case.spec.output_shape, "float32", 4), integers(case.w, "float32", 2)],
        "weight_grad": [integers(case.x, "float32", 1), integers(case.spec.output_shape, "float32", 4)],
    }[operation]
    arrays = [planted(array, rng) for array in arrays]
    ending, shapes, twin = {
        "output": ("", [], lambda x, w, *geometry: naive.conv(x, w, None, *geometry)),
        "input_grad": ("_input_grad", [case.x], naive.conv_input_grad),
        "weight_grad": ("_weight_grad", [case.w], naive.conv_weight_grad),
    }[operation]
    with np.errstate(invalid="ignore"):
        expected = twin(*arrays, *shapes, *case.naive_geometry)
    for row in TABLE[operation]:
        if row.name != "fft" and row.accepts(case.spec):
            options = {**case.geometry, "algorithm": row.name}
            check(getattr(fn, f"conv{dims}d{ending}")(*arrays, *shapes, **options), expected)


def test_transposed_convolutions_and_the_notebooks_functions():
    rng = np.random.default_rng(3)
    for _ in range(6):
        x, w, dy = (planted(integers(shape, "float32", 5), rng, 1) for shape in ((1, 9, 10, 4), (3, 3, 4, 4), (1, 11, 12, 4)))
        geometry = ((1, 1), (1, 1), ((0, 0),) * 2)
        with np.errstate(invalid="ignore"):
            check(fn.conv_transpose2d(x, w), naive.conv_input_grad(x, w, dy.shape, *geometry, 1))
            check(fn.conv_transpose2d_input_grad(dy, w, x.shape), naive.conv(dy, w, None, *geometry, 1))
            check(fn.conv_transpose2d_weight_grad(x, dy, w.shape), naive.conv_weight_grad(dy, x, w.shape, *geometry, 1))
        image, kernel, gradient = (planted(integers(shape, "float64", 6), rng, 1) for shape in ((30, 31), (4, 3), (30, 31)))
        with np.errstate(invalid="ignore"):
            check(fastconv.conv_2d(image, kernel), naive.conv_same(image, kernel))
            grads = fastconv.input_2d_grads(image, kernel, gradient), fastconv.param_2d_grads(image, kernel, gradient)
            check(grads[0], naive.conv_same_input_grad(image, kernel, gradient))
            check(grads[1], naive.conv_same_param_grad(image, kernel, gradient))


def test_dense_layers():
    rng = np.random.default_rng(4)
    for rows, inputs, outputs in ((3, 5, 7), (40, 33, 50), (65, 70, 17)):
        x, w, dy = (integers(shape, "float32", 7) for shape in ((rows, inputs), (inputs, outputs), (rows, outputs)))
        for _ in range(4):
            x, w, dy = (planted(array, rng, 1) for array in (x, w, dy))
            with np.errstate(invalid="ignore"):
                for result, a, b in (
                    (fn.linear(x, w), x, w),
                    (fn.linear_input_grad(dy, w), dy, w.T),
                    (fn.linear_weight_grad(x, dy), x.T, dy),
                ):
                    check(result, (a[:, :, None] * b[None]).sum(axis=1))


@pytest.mark.parametrize(
    "name", [f"conv{t}{n}d{e}" for t in ("", "_transpose") for n in (1, 2, 3) for e in ("", "_input_grad", "_weight_grad")]
)
def test_the_docstrings_warn_of_transforms(name):
    assert "NaN and infinity spread" in " ".join(getattr(fn, name).__doc__.split())


def test_no_way_warns_where_another_does_not():
    """NumPy's sums and transforms warn of NaN and overflow, kernels can't; all are silent (pytest makes errors of warnings)."""
    x, w, bias = (np.full(shape, np.inf, np.float32) for shape in ((1, 5, 6, 2), (3, 3, 2, 2), (2,)))
    w[0], x[0, 0], bias[0] = 1e38, -1e38, -np.inf
    for options in ({}, {"algorithm": "fft"}, {"padding": 2, "padding_mode": "reflect"}):
        y = fn.conv2d(x, w, bias, **options)
        fn.conv2d_input_grad(y, w, x.shape, **options)
        fn.conv2d_weight_grad(x, y, w.shape, **options)
    fn.conv_transpose2d(x, w, bias)
    for rows in (w[0], np.full((60, 60), np.inf, np.float32)):
        a = rows.reshape(len(rows), -1)
        fn.linear(a, a.T, np.full(len(a), -np.inf, np.float32))
        fn.linear_grad(a @ a.T if len(a) > 9 else np.full((len(a), len(a)), np.inf, np.float32), a, a.T)
    half = np.full((4, 4), 60000, np.float16)
    assert np.isinf(fastconv.conv_2d(half, half)).all() and np.isinf(signal.convolve2d(half, half)).any()
