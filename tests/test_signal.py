"""fastconv.signal against loops: exactly on small integers of every type; bad input; memory layouts; what FFTs may do."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import signal
from fastconv.signal import cost, fourier
from fastconv.signal.problem import problem

from . import naive_signal
from .test_inputs import VIEWS, read_only, strided

MODES = ("full", "same", "valid")
BOUNDARIES = [("fill", 0), ("fill", 3), ("wrap", 0), ("symm", 0)]
REAL = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "longdouble",
]
TYPES = [*REAL, "complex64", "complex128", "clongdouble"]
SHAPES = {
    1: [((1,), (1,)), ((7,), (3,)), ((7,), (4,)), ((3,), (8,)), ((5,), (5,)), ((100,), (3,)), ((70,), (33,)), ((33,), (70,))],
    2: [
        ((1, 1), (1, 1)), ((6, 7), (3, 3)), ((6, 7), (2, 4)), ((2, 4), (6, 7)), ((3, 9), (5, 2)), ((4, 37), (3, 4)),
        ((9, 1), (4, 1)), ((1, 9), (1, 4)), ((3, 3), (1, 7)), ((5, 20), (1, 1)), ((2, 2), (7, 9)),
    ],
    3: [((3, 4, 5), (2, 3, 2)), ((2, 3, 2), (3, 4, 5)), ((3, 4, 5), (1, 5, 1)), ((2, 3, 21), (2, 1, 3))],
    4: [((2, 3, 2, 3), (1, 2, 2, 2)), ((1, 2, 2, 2), (2, 3, 2, 3))],
}  # fmt: skip
PAIRS = [pair for pairs in SHAPES.values() for pair in pairs]


def numbers(shape, dtype, seed):
    """Return small integers of the type, so small that sums are exact in half precision."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    least = 0 if dtype.kind in "bu" else -2
    if dtype.kind == "c":
        return (rng.integers(least, 3, shape) + 1j * rng.integers(least, 3, shape)).astype(dtype)
    return rng.integers(least, 3, shape).astype(dtype)


def fits(x, w):
    """Return whether "valid" is."""
    pairs = list(zip(x.shape, w.shape))
    return all(n >= k for n, k in pairs) or all(n <= k for n, k in pairs)


looped: dict[tuple, np.ndarray] = {}
"""What the loops say, which take their time, of each problem that several tests have."""


def twin(name, x, w, mode, *options):
    """Return what the loops say."""
    key = name, mode, *options, *((a.dtype, a.shape, a.tobytes()) for a in (x, w))
    if key not in looped:
        looped[key] = getattr(naive_signal, name)(x, w, mode, *options)
        looped[key].flags.writeable = False
    return looped[key]


def check(name, x, w, mode, *options, method=()):
    """Compare one call with its twin: type, shape, and every bit; return the result."""
    y = getattr(signal, name)(x, w, mode, *options, *method)
    expected = twin(name, x, w, mode, *options)
    np.testing.assert_array_equal(y, expected, strict=True)
    assert y.flags.c_contiguous and y.flags.writeable and not np.shares_memory(x, y) and not np.shares_memory(w, y)
    return y


def refused_if_it_does_not_fit(name, x, w):
    with pytest.raises(
        ValueError, match=f"{name}: for mode 'valid' one array must be at least as large as the other on every axis"
    ):
        getattr(signal, name)(x, w, "valid")


@pytest.fixture(params=["engine", "plain"])
def way(request, monkeypatch):
    """Do all sums by the engine, where it can, or by NumPy."""
    monkeypatch.setattr(
        "fastconv.signal.direct.engine_is_faster",
        (lambda p: p.engine_type is not None) if request.param == "engine" else (lambda p: False),
    )


# The same as the loops


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("dtype", [pytest.param(t, marks=() if t in ("int16", "float32") else pytest.mark.slow) for t in TYPES])
def test_sums(name, dtype, way):
    for x_shape, w_shape in PAIRS:
        x, w = numbers(x_shape, dtype, 1), numbers(w_shape, dtype, 2)
        for mode in MODES:
            if mode == "valid" and not fits(x, w):
                refused_if_it_does_not_fit(name, x, w)
            else:
                check(name, x, w, mode, method=("direct",))


@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
@pytest.mark.parametrize(
    "dtype",
    [
        "uint8",
        "float32",
        *(pytest.param(t, marks=pytest.mark.slow) for t in ("bool", "int64", "float16", "float64", "complex64", "complex128")),
    ],
)
def test_images(name, dtype, way):
    for x_shape, w_shape in SHAPES[2]:
        x, w = numbers(x_shape, dtype, 1), numbers(w_shape, dtype, 2)
        for mode, (boundary, fillvalue) in itertools.product(MODES, BOUNDARIES):
            if mode == "valid" and not fits(x, w):
                refused_if_it_does_not_fit(name, x, w)
            else:
                check(name, x, w, mode, boundary, bool(fillvalue) if dtype == "bool" else fillvalue)


@pytest.mark.parametrize("name", ["convolve", "correlate", "convolve2d", "correlate2d"])
def test_types_promote_as_numpy(name, way):
    for x_type, w_type in itertools.product(TYPES, TYPES):
        method = () if name.endswith("2d") else ("direct",)
        check(name, numbers((3, 5), x_type, 1), numbers((2, 2), w_type, 2), "same", method=method)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("mode", MODES)
def test_transforms(name, dtype, mode):
    for x_shape, w_shape in PAIRS:
        x, w = numbers(x_shape, dtype, 1), numbers(w_shape, dtype, 2)
        if mode != "valid" or fits(x, w):
            y = getattr(signal, name)(x, w, mode, "fft")
            expected = twin(name, x, w, mode)
            assert y.dtype == expected.dtype and y.shape == expected.shape and y.flags.c_contiguous
            if expected.dtype.kind in "biu":
                np.testing.assert_array_equal(y, expected)
            else:
                least = np.finfo(np.float64 if expected.dtype.itemsize > 16 else expected.dtype).eps
                assert np.abs(y - expected).max() <= 16 * least * np.linalg.norm(x.astype("D")) * np.linalg.norm(w.astype("D"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("method", ["direct", "fft", "auto"])
def test_floats(dtype, method, way):
    rng, tolerance = np.random.default_rng(3), 8 * np.finfo(dtype).eps
    for x_shape, w_shape in PAIRS:
        x, w = ((rng.standard_normal(s) + 1j * rng.standard_normal(s)).astype("D") for s in (x_shape, w_shape))
        x, w = (a.astype(dtype) if np.dtype(dtype).kind == "c" else a.real.astype(dtype) for a in (x, w))
        exact = naive_signal.correlate(x.astype("D"), w.astype("D"), "same")
        bound = tolerance * np.linalg.norm(x) * np.linalg.norm(w)
        assert np.abs(signal.correlate(x, w, "same", method) - exact).max() <= bound


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
def test_boundaries_have_two_names(boundary):
    other = {"fill": "pad", "wrap": "circular", "symm": "symmetric"}[boundary]
    x, w = numbers((4, 5), "int64", 1), numbers((3, 2), "int64", 2)
    np.testing.assert_array_equal(signal.convolve2d(x, w, "same", other, 2), signal.convolve2d(x, w, "same", boundary, 2))


def test_scalars_are_multiplied():
    assert signal.convolve(3, 4.5) == 13.5
    assert signal.correlate(2j, 1 + 3j) == 6 + 2j
    assert signal.convolve(np.int8(3), np.int8(4)).dtype == np.int8
    assert signal.choose_conv_method(3, 4) == "direct"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_small_problem(data):
    name = data.draw(st.sampled_from(["convolve", "correlate", "convolve2d", "correlate2d"]))
    dims = 2 if name.endswith("2d") else data.draw(st.integers(1, 3))
    sizes = st.tuples(*[st.integers(1, 9 if dims < 3 else 4)] * dims)
    x = numbers(data.draw(sizes), data.draw(st.sampled_from(TYPES)), data.draw(st.integers(0, 99)))
    w = numbers(data.draw(sizes), data.draw(st.sampled_from(TYPES)), data.draw(st.integers(0, 99)))
    mode = data.draw(st.sampled_from(MODES if fits(x, w) else MODES[:2]))
    if name.endswith("2d"):
        check(name, x, w, mode, *data.draw(st.sampled_from([("fill", 0), ("fill", 1), ("wrap", 0), ("symm", 0)])))
    else:
        check(name, x, w, mode, method=("direct",))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 999), st.sampled_from(["direct", "fft"]))
def test_convolution_commutes_and_is_linear(n, k, seed, method):
    rng = np.random.default_rng(seed)
    x, z, w = rng.standard_normal(n), rng.standard_normal(n), rng.standard_normal(k)
    y = signal.convolve(x, w, method=method)
    np.testing.assert_allclose(signal.convolve(w, x, method=method), y, rtol=0, atol=1e-10)
    np.testing.assert_allclose(signal.convolve(x + z, w, method=method), y + signal.convolve(z, w), rtol=0, atol=1e-10)


# Integers are exact


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_integers_wrap_around(dtype, way):
    rng, limits = np.random.default_rng(4), np.iinfo(dtype)
    for bits in (3, 8, 11, 12, 24, 26, 27, 32, 63):  # both sides of what float32 and float64 hold
        low, high = max(limits.min, -(2**bits)), min(limits.max, 2**bits)
        x, w = (rng.integers(low, high, size, dtype, endpoint=True) for size in (40, 4))
        x[0], w[0] = low, high
        check("convolve", x, w, "full")
        check("correlate2d", x.reshape(5, 8), w.reshape(2, 2), "same", "wrap")


def test_the_automatic_choice_is_exact_for_integers():
    rng, methods = np.random.default_rng(5), set()
    for bits in (2, 8, 14, 18, 20, 22, 30):
        x, w = (rng.integers(-(2**bits), 2**bits, 2**14) for _ in range(2))
        methods.add(signal.choose_conv_method(x, w))
        np.testing.assert_array_equal(signal.convolve(x, w, "same"), np.convolve(x, w, "same"))
    assert methods == {"direct", "fft"}
    x = np.full(2**13, 2**19 - 1)  # an FFT gets a fifth of these wrong
    np.testing.assert_array_equal(signal.correlate(x, x), np.correlate(x, x, "full"))


def test_the_error_bound_is_one():
    rng = np.random.default_rng(6)
    for size in (10, 1000, 10000):
        x, w = (rng.choice([-1, 1], size) * 2**10 for _ in range(2))
        p = problem(x, w, (0,), (2 * size - 1,))
        real = np.fft.irfft(np.fft.rfft(x, 2 * size) * np.fft.rfft(w, 2 * size), 2 * size)[:-1]
        assert np.abs(real - np.convolve(x, w)).max() < fourier.error_bound(p)


# Long signals, in blocks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_have_the_small_errors_of_transforms(dtype):
    rng = np.random.default_rng(10)
    for n, k in ((100_003, 401), (50_000, 20), (3, 50_001), (2**17, 9000)):
        x, w = rng.standard_normal(n).astype(dtype), rng.standard_normal(k).astype(dtype)
        p = problem(x, w, (0,), (n + k - 1,))
        assert cost.blocks_are_faster(p)
        y, reliable = fourier.by_blocks(p)
        assert reliable and y.dtype == dtype
        norms = np.linalg.norm(x) * np.linalg.norm(w)
        assert (
            np.abs(y - fourier.by_fft(problem(x.astype("g"), w.astype("g"), (0,), y.shape))[0]).max() < np.finfo(dtype).eps * norms
        )


def test_a_block_keeps_to_itself_what_is_not_finite():
    x, w = np.ones(200_000), np.full(500, 0.5)
    x[120_000] = np.nan
    y, reliable = fourier.by_blocks(problem(x, w, (0,), (200_499,)))
    assert not reliable and 500 < np.isnan(y).sum() < 40_000
    assert np.isnan(signal.convolve(x, w)).sum() == 500


def test_kernels_longer_than_any_block():
    x = np.ones(300_000)
    assert not cost.blocks_are_faster(problem(x, x[:200_000], (0,), (499_999,)))
    with pytest.raises(ValueError, match="too few for 200000 weights"):
        fourier.by_blocks(problem(x, x[:200_000], (0,), (499_999,)))


def test_integers_in_blocks_are_exact():
    x, w = (np.random.default_rng(11).integers(-100, 100, n) for n in (70_000, 900))
    p = problem(x, w, (0,), (70_899,))
    assert signal.choose_conv_method(x, w) == "fft" and cost.blocks_are_faster(p)
    np.testing.assert_array_equal(fourier.by_blocks(p)[0], np.convolve(x, w))


# NaN and infinity


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_sums_keep_what_is_not_finite_where_it_is(dtype, way):
    x, w = np.ones((6, 70), dtype), numbers((3, 4), dtype, 7)
    w[w == 0] = 1
    x[3, 35], x[0, 2] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        seen = signal.convolve(~np.isfinite(x), np.ones_like(w, bool))
    for y in (signal.convolve(x, w, method="direct"), signal.convolve2d(x, w)):
        np.testing.assert_array_equal(~np.isfinite(y), seen)
    assert not np.isnan(signal.convolve(np.float64([1, np.inf, 1] + [0] * 20), [1.0, 2.0])).any()


def test_a_kernel_that_is_not_finite_meets_only_what_is_there(way):
    np.testing.assert_array_equal(signal.convolve([1.0, 2.0, 3.0], [np.inf, 1.0]), [np.inf, np.inf, np.inf, 3.0])


def test_transforms_spread_nan_only_when_asked_for():
    x, w = np.ones(4096), np.ones(2048)
    x[4000] = np.nan
    assert signal.choose_conv_method(x, w) == "fft"
    assert np.isnan(signal.convolve(x, w)).sum() == 2048
    with pytest.warns(RuntimeWarning, match="spreads NaN") as caught:
        assert np.isnan(signal.correlate(x, w, method="fft")).all()
    assert caught[0].filename == __file__


# The choice of the method


def test_the_model_chooses_the_method():
    rng = np.random.default_rng(8)
    assert signal.choose_conv_method(np.ones((512, 512)), np.ones((3, 3))) == "direct"
    assert signal.choose_conv_method(np.ones((512, 512)), np.ones((200, 200))) == "fft"
    assert signal.choose_conv_method(np.ones((512, 512), bool), np.ones((200, 200), bool)) == "direct"
    x, w = rng.standard_normal((300, 300)), rng.standard_normal((100, 100))
    np.testing.assert_array_equal(signal.convolve(x, w, "same"), signal.convolve(x, w, "same", "fft"))
    np.testing.assert_array_equal(signal.convolve(x, w[:3], "same"), signal.convolve(x, w[:3], "same", "direct"))


def test_the_method_can_be_measured():
    method, seconds = signal.choose_conv_method(np.ones(300), np.ones(30), "same", measure=True)
    assert set(seconds) == {"direct", "fft"} and min(seconds.values()) == seconds[method] > 0
    assert signal.choose_conv_method(np.ones(0), np.ones(3), "same", measure=True)[0] == "direct"


def test_the_choice_does_not_depend_on_the_number_of_threads():
    rng, before = np.random.default_rng(9), fastconv.get_num_threads()
    x, w = rng.standard_normal(200_000), rng.standard_normal(700)
    assert cost.blocks_are_faster(problem(x, w, (0,), (200_699,))) and signal.choose_conv_method(x, w) == "fft"
    try:
        results = []
        for threads in (1, 2, 3):
            fastconv.set_num_threads(threads)
            results.append(signal.convolve(x, w))
    finally:
        fastconv.set_num_threads(before)
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


def test_good_lengths_are_the_next_products_of_2_3_and_5():
    products = sorted(2**a * 3**b * 5**c for a in range(14) for b in range(9) for c in range(6))
    for least in range(1, 3000):
        assert fourier.good_length(least) == next(n for n in products if n >= least)


def test_every_cost_is_positive():
    p = problem(np.ones((4, 5)), np.ones((2, 3)), (0, 0), (5, 7))
    four = problem(np.ones((2, 2, 2, 2)), np.ones((1, 2, 1, 2)), (0, 0, 0, 0), (2, 3, 2, 3))
    for seconds in (cost.engine_seconds, cost.plain_seconds, cost.fft_seconds, cost.blocks_seconds):
        assert seconds(p) > 0 and seconds(four) > 0
    assert p.engine_type == np.float64 and four.engine_type is None and not cost.engine_is_faster(four)


# Input


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
@pytest.mark.parametrize("dtype", ["int16", "float32", "complex128", "longdouble"])
def test_any_memory_layout(view, dtype, way):
    x, w = numbers((5, 8), dtype, 1), numbers((3, 2), dtype, 2)
    a, b = view(x), view(w)
    for name in ("convolve", "correlate", "convolve2d", "correlate2d"):
        y = getattr(signal, name)(a, b, "same")
        np.testing.assert_array_equal(y, getattr(naive_signal, name)(x, w, "same"), strict=True)
        assert type(y) is np.ndarray and y.flags.c_contiguous and y.flags.writeable
    np.testing.assert_allclose(signal.convolve(a, b, "same", "fft"), naive_signal.convolve(x, w, "same"), atol=1e-4)
    np.testing.assert_array_equal(a, x)
    np.testing.assert_array_equal(b, w)


def test_lists_and_read_only_arrays():
    np.testing.assert_array_equal(signal.convolve([1, 2], [3, 4]), [3, 10, 8], strict=True)
    x = read_only(np.arange(6.0).reshape(2, 3))
    for boundary, fillvalue in BOUNDARIES:
        signal.correlate2d(x, strided(x), "same", boundary, fillvalue)
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))


FUNCTIONS = [signal.convolve, signal.correlate, signal.convolve2d, signal.correlate2d]
BAD = [
    ((["a"], [1]), {}, TypeError, "in1 must be an array of real numbers, but has dtype <U1"),
    (([[1]], [[None]]), {}, TypeError, "in2 must be an array of real numbers, but has dtype object"),
    ((np.array([["2000-01-01"]], "M8[D]"), [[1]]), {}, TypeError, "in1 must be an array of real numbers"),
    ((np.ma.ones((1, 1)), [[1]]), {}, TypeError, "in1 must be an array without a mask, but is a MaskedArray"),
    (([[1, 2], [3]], [[1]]), {}, ValueError, "in1 is not a rectangular array"),
    (([[1]], [[1]], "all"), {}, ValueError, r"mode must be one of \('full', 'same', 'valid'\), but is 'all'"),
    (([[1]], [[1]], 2), {}, ValueError, "mode must be one of .* but is 2"),
    (([[1]], [[1]], ["full"]), {}, ValueError, "mode must be one of"),
    ((np.ones((2, 3)), np.ones((3, 2)), "valid"), {}, ValueError, r"on every axis, but the shapes are \(2, 3\) and \(3, 2\)"),
    (([[1]], [1]), {}, ValueError, "must have .* axes, but have"),
    ((1, 2, "all"), {}, ValueError, "mode must be one of"),
]
BAD_ND = [
    (([1], [[1]]), {}, ValueError, "in1 and in2 must have the same number of axes, but have 1 and 2"),
    ((3, [2]), {}, ValueError, "the same number of axes, but have 0 and 1"),
    (([1], [1], "full", "best"), {}, ValueError, r"method must be one of \('auto', 'direct', 'fft'\), but is 'best'"),
    (([], [1]), {}, ValueError, r"in1 and in2 must not be empty, but have shapes \(0,\) and \(1,\)"),
    (([1], [], "same"), {}, ValueError, "must not be empty"),
    ((np.ones((0, 2)), np.ones((1, 1)), "valid"), {}, ValueError, "must not be empty"),
]
BAD_2D = [
    (([1], [1]), {}, ValueError, r"in1 and in2 must have 2 axes, but have shapes \(1,\) and \(1,\)"),
    (([[1]], [[1]]), {"boundary": "reflect"}, ValueError, "boundary must be one of .* but is 'reflect'"),
    (([[1]], [[1]]), {"fillvalue": [1, 2]}, ValueError, r"must be scalar or an array with one element, but has shape \(2,\)"),
    (([[1]], [[1]]), {"fillvalue": 1j}, ValueError, "could not cast `fillvalue` directly to the output type int64: 1j"),
    (([[1.0]], [[1]]), {"fillvalue": 1j}, ValueError, "output type float64"),
    (([[1]], [[1]]), {"fillvalue": "1"}, ValueError, "could not cast"),
    (([[1]], [[1]]), {"fillvalue": np.nan}, ValueError, "could not cast"),
    ((np.ones((1, 1), "u1"),) * 2, {"fillvalue": 256}, ValueError, "output type uint8: 256"),
    ((np.ones((1, 1), "u1"),) * 2, {"fillvalue": -1}, ValueError, "output type uint8: -1"),
    ((np.ones((0, 3)), np.ones((2, 2))), {"boundary": "wrap"}, ValueError, r"nothing to wrap in an image of shape \(0, 3\)"),
    ((np.ones((0, 3)), np.ones((0, 2))), {}, ValueError, "two empty arrays have no full convolution"),
]
CASES = [(f, case) for f in FUNCTIONS for case in BAD + (BAD_2D if f.__name__.endswith("2d") else BAD_ND)]


@pytest.mark.parametrize("function, case", CASES, ids=lambda item: item.__name__ if callable(item) else "")
def test_bad_input(function, case):
    arguments, options, error, message = case
    with pytest.raises(error, match=message) as caught:
        function(*arguments, **options)
    assert str(caught.value).startswith(f"{function.__name__}: ")


def test_sizes_are_checked_before_any_work():
    huge = np.broadcast_to(np.float32(1), (2**21, 2**21))
    for function in FUNCTIONS:
        with pytest.raises(ValueError, match="is larger than"):
            function(huge, np.ones((1, 1)))


def test_empty_arrays():
    assert signal.convolve([], [1.0], "same").shape == (0,)
    assert signal.correlate(np.ones((0, 3)), np.ones((2, 2)), "same", "fft").shape == (0, 3)
    np.testing.assert_array_equal(signal.convolve2d(np.ones((0, 3)), np.ones((2, 2))), np.zeros((1, 4)), strict=True)
    np.testing.assert_array_equal(signal.convolve2d(np.ones((2, 2)), np.ones((0, 3)), "same"), np.zeros((2, 2)), strict=True)
    assert signal.convolve2d(np.ones((0, 3)), np.ones((2, 2)), "same", "symm").shape == (0, 3)


def test_fill_values_are_cut_to_integers():
    np.testing.assert_array_equal(signal.convolve2d([[1]], [[1, 2]], fillvalue=1.7), [[3, 3]], strict=True)
    np.testing.assert_array_equal(signal.convolve2d([[1]], [[1, 2]], fillvalue=[[3]]), [[7, 5]], strict=True)
    np.testing.assert_array_equal(signal.convolve2d(np.ones((1, 1), "i1"), [[1.0, 2.0]], fillvalue=0.5), [[2.0, 2.5]], strict=True)
    np.testing.assert_array_equal(signal.convolve2d([[1]], [[1, 2]], "full", "wrap", 1j), [[3, 3]], strict=True)
