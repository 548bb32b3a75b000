"""Convolution and its gradients: every kernel of the table against the loop twins, exactly, on small integers."""

import numpy as np
import pytest

from fastconv import functional as fn
from fastconv.functional.layout import from_last, to_last, weights_from_last
from fastconv.kernels.plane import pieces as plane
from fastconv.kernels.table import TABLE

from . import naive
from .cases import CASES, NARROW_CASES, PLANE_CASES, Case, integers
from .guarded import in_slices
from .guarded_convolutions import check_narrow

DTYPES = ("float32", "float64")
FUNCTIONS = {
    3: (fn.conv1d, fn.conv1d_input_grad, fn.conv1d_weight_grad),
    4: (fn.conv2d, fn.conv2d_input_grad, fn.conv2d_weight_grad),
    5: (fn.conv3d, fn.conv3d_input_grad, fn.conv3d_weight_grad),
}
PLANES = [
    pytest.param(operation, case, id=f"{case.name}-{operation}")
    for operation, kernels in TABLE.items()
    for case in PLANE_CASES
    if kernels[0].accepts(case.spec)
]
ROWS = [(operation, row) for operation, kernels in TABLE.items() for row in kernels]
# As many cases as it takes to run every kernel; CI runs all in float32, and `tests.guarded wide` in float64, too.
TO_RUN_ALL = ("first layer", "3x3 same, deep", "1x1", "grouped, 1-D", "depthwise, 3-D", "one filter", "plane, same", "3-D strided")


def quick(case: Case, *more: str):
    """Return a parameter that only the slow tests take, unless the case is one of those that run every kernel."""
    return pytest.param(case, *more, marks=() if case.name in TO_RUN_ALL else pytest.mark.slow)


EVERY_CASE = [
    pytest.param(case, dtype, marks=() if case.name in TO_RUN_ALL and dtype == "float32" else pytest.mark.slow)
    for dtype in DTYPES
    for case in CASES
    if dtype == "float32" or case.name in TO_RUN_ALL
]
QUICK_DTYPES = ["float32", pytest.param("float64", marks=pytest.mark.slow)]
ran: set[tuple[str, str, str]] = set()


def compute(case: Case, operation: str, algorithm: str, dtype: str):
    """Return (fastconv's result, the loop twin's) for one operation on small integers."""
    x, w, bias = integers(case.x, dtype, 1), integers(case.w, dtype, 2), integers(case.w[-1:], dtype, 3)
    dy = integers(case.spec.output_shape, dtype, 4)
    forward, input_grad, weight_grad = FUNCTIONS[len(case.x)]
    options = {**case.geometry, "algorithm": algorithm}
    if operation == "output":
        return forward(x, w, bias, **options), naive.conv(x, w, bias, *case.naive_geometry)
    if operation == "input_grad":
        return input_grad(dy, w, case.x, **options), naive.conv_input_grad(dy, w, case.x, *case.naive_geometry)
    return weight_grad(x, dy, case.w, **options), naive.conv_weight_grad(x, dy, case.w, *case.naive_geometry)


@pytest.mark.parametrize("dtype", QUICK_DTYPES)
@pytest.mark.parametrize(("operation", "case"), PLANES)
def test_planes(case, operation, dtype):
    result, expected = compute(case, operation, "plane", dtype)
    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("case", [NARROW_CASES[0], *map(quick, NARROW_CASES[1:])], ids=lambda case: case.name)
def test_narrow_lines(case):
    for dtype in DTYPES if case is NARROW_CASES[0] else DTYPES[:1]:
        assert check_narrow(case, dtype, lambda array: array) == 2


def correlation(x, w, pads):
    """Return the correlation of one image with w, and w's gradient where the gradient is 1, by NumPy's shifted arrays."""
    x = np.pad(x[0, :, :, 0].astype(np.float64), pads)
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[:2])
    return np.tensordot(windows, w[:, :, 0, 0].astype(np.float64)), windows.sum((0, 1))


@pytest.mark.parametrize("pad", [0, 1, 3])
def test_planes_in_many_pieces(pad, monkeypatch):
    """Pieces within the image and at its edges, of an odd number of rows; a later piece must not need an earlier one's."""
    monkeypatch.setattr(plane, "PIECE", (5, 40))
    case = Case("pieces", (1, 47, 333, 1), (3, 3, 1, 1), 1, pad)
    x, w = integers(case.x, "float32", 1), integers(case.w, "float32", 2)
    ones = np.ones(case.spec.output_shape, np.float32)
    y, dw = correlation(x, w, pad)
    for operation, operands, expected in (("output", (x, w, None), y), ("weight_grad", (x, ones), dw)):
        plans = [row.plan(case.spec, np.dtype("float32")) for row in TABLE[operation] if row.name == "plane"]
        result = np.full(expected.size, np.nan, np.float32)
        plans[0](in_slices, *(a if a is None else a.reshape(-1) for a in operands), result)
        np.testing.assert_array_equal(result, expected.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [(3, 2), (3, 1), (8, 5)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_windows(kernel, dtype, value):
    """At the image's edges, tiles' edges, and in between; a row of the image is added to no row of a tile that it isn't for."""
    for row, column in [(0, 0), (3, 17), (6, 63), (11, 128), (12, 179)]:
        x, w = np.zeros((1, 13, 180, 1), dtype), np.ones((*kernel, 1, 1), dtype)
        x[0, row, column] = value
        y = fn.conv2d(x, w, padding="full", algorithm="plane")[0, :, :, 0]
        expected = np.zeros_like(y)
        expected[row : row + kernel[0], column : column + kernel[1]] = value
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("operation", "row"), ROWS, ids=lambda v: getattr(v, "name", v))
@pytest.mark.parametrize(("case", "dtype"), EVERY_CASE, ids=lambda v: getattr(v, "name", v))
def test_kernel_equals_loops(case, operation, row, dtype):
    if not row.accepts(case.spec):
        with pytest.raises(ValueError, match=f"algorithm '{row.name}' can't do"):
            compute(case, operation, row.name, dtype)
        return
    result, expected = compute(case, operation, row.name, dtype)
    ran.add((operation, row.name, dtype))
    assert result.dtype == dtype
    assert result.flags.c_contiguous and result.flags.writeable
    if row.name in ("fft", "winograd"):  # transforms round
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-3 if dtype == "float32" else 1e-11)
    else:
        np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("dtype", QUICK_DTYPES)
def test_every_kernel_was_run(dtype):
    assert {key for key in ran if key[2] == dtype} == {(operation, row.name, dtype) for operation, row in ROWS}


@pytest.mark.parametrize("case", [quick(case) for case in CASES if case.groups == 1], ids=lambda case: case.name)
def test_gradients_are_adjoint(case):
    """<conv(x, w), g> = <x, dX> = <w, dW>, exactly on integers."""
    x, w = integers(case.x, "float32", 5), integers(case.w, "float32", 6)
    g = integers(case.spec.output_shape, "float32", 7)
    forward, input_grad, weight_grad = FUNCTIONS[len(case.x)]

    def product(a, b):
        return np.vdot(a.astype(np.float64), b.astype(np.float64))

    expected = product(forward(x, w, **case.geometry), g)
    assert expected == product(x, input_grad(g, w, case.x, **case.geometry))
    assert expected == product(w, weight_grad(x, g, case.w, **case.geometry))


@pytest.mark.parametrize("dtype", QUICK_DTYPES)
def test_every_tile_height(dtype):
    """Lines of 1 to 30 pixels, so that tiles of every height run, whole and overlapping (in float64 every fourth)."""
    for width in range(1, 31, 1 if dtype == "float32" else 4):
        case = Case(f"width {width}", (1, 2, width, 2), (1, 1, 2, 5))
        result, expected = compute(case, "output", "direct", dtype)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", QUICK_DTYPES)
def test_every_channel_tail(dtype):
    """1 to 40 filters: every count of lanes in the last vector, one vector and two (in float64 every third)."""
    for filters in range(1, 41, 1 if dtype == "float32" else 3):
        case = Case(f"{filters} filters", (1, 3, 6, 2), (2, 2, 2, filters))
        for operation in TABLE:
            result, expected = compute(case, operation, "direct", dtype)
            np.testing.assert_array_equal(result, expected, err_msg=f"{operation}, {filters} filters")


@pytest.mark.parametrize("case", [CASES[5], CASES[18], CASES[-2]], ids=lambda case: case.name)
def test_layouts_agree(case):
    first = {3: "NCW", 4: "NCHW", 5: "NCDHW"}[len(case.x)]
    x, w, g = integers(case.x, "float32", 1), integers(case.w, "float32", 2), integers(case.spec.output_shape, "float32", 3)
    forward, input_grad, weight_grad = FUNCTIONS[len(case.x)]
    xc, wc, gc = from_last(x, True), weights_from_last(w, True), from_last(g, True)
    np.testing.assert_array_equal(
        to_last(forward(xc, wc, layout=first, **case.geometry), True), forward(x, w, **case.geometry), strict=True
    )
    np.testing.assert_array_equal(
        to_last(input_grad(gc, wc, xc.shape, layout=first, **case.geometry), True),
        input_grad(g, w, case.x, **case.geometry),
        strict=True,
    )
    np.testing.assert_array_equal(
        weight_grad(xc, gc, wc.shape, layout=first, **case.geometry),
        weights_from_last(weight_grad(x, g, case.w, **case.geometry), True),
        strict=True,
    )


@pytest.mark.parametrize(("dtype", "epsilon"), [("float32", 2.0**-24), ("float64", 2.0**-53)])
def test_real_values_within_the_derived_bound(dtype, epsilon):
    """A sum of n products is within n * epsilon * sum(|products|) of the exact one."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 9, 14, 24)).astype(dtype), rng.standard_normal((3, 3, 24, 32)).astype(dtype)
    exact = naive.conv(x.astype(np.longdouble), w.astype(np.longdouble), None, (1, 1), (1, 1), ((1, 1), (1, 1)), 1)
    size = naive.conv(abs(x).astype(np.float64), abs(w).astype(np.float64), None, (1, 1), (1, 1), ((1, 1), (1, 1)), 1)
    error = abs(fn.conv2d(x, w, padding=1) - exact)
    bound = 3 * 3 * 24 * epsilon * size
    assert (bound < abs(exact).max()).all()
    assert (error <= bound).all()


def test_many_images_and_big_weight_gradients_in_parts():
    """Enough work for threads, blocks of lines, and partial weight gradients: still exact."""
    case = Case("parts", (40, 26, 26, 3), (3, 3, 3, 16), 1, 1)
    x, w = integers(case.x, "float32", 1, 2), integers(case.w, "float32", 2, 2)
    g = integers(case.spec.output_shape, "float32", 3, 2)
    y = fn.conv2d(x, w, padding=1)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), (1, 2))
    np.testing.assert_array_equal(y, np.einsum("nijcab,abcf->nijf", windows, w, optimize=True))
    dw = fn.conv2d_weight_grad(x, g, case.w, padding=1)
    np.testing.assert_array_equal(dw, np.einsum("nijcab,nijf->abcf", windows.astype(np.float64), g, optimize=True))


@pytest.mark.parametrize("shape", [(0, 5, 5, 2), (2, 5, 5, 0)])
def test_zero_images_and_zero_channels(shape):
    w = np.ones((3, 3, shape[-1], 4))
    y = fn.conv2d(np.zeros(shape), w, [1.0, 2.0, 3.0, 4.0])
    assert y.shape == (shape[0], 3, 3, 4)
    assert (y == [1.0, 2.0, 3.0, 4.0]).all()
    assert fn.conv2d_input_grad(y, w, shape).shape == shape
    assert not fn.conv2d_weight_grad(np.zeros(shape), y, w.shape).any()


def test_zero_filters():
    assert fn.conv2d(np.zeros((1, 5, 5, 2)), np.ones((3, 3, 2, 0))).shape == (1, 3, 3, 0)


def test_nan_and_infinity_stay_where_they_are():
    x = np.zeros((1, 6, 6, 1))
    x[0, 0, 0, 0], x[0, 5, 5, 0] = np.nan, np.inf
    y = fn.conv2d(x, np.ones((2, 2, 1, 1)))[0, :, :, 0]
    assert np.isnan(y[0, 0]) and np.isinf(y[4, 4])
    y[0, 0] = y[4, 4] = 0
    assert not y.any()


BAD = [
    ({"x": np.zeros((5, 5, 1))}, ValueError, "conv2d: x must have 4 axes NHWC, but has 3"),
    ({"w": np.zeros((3, 3, 1))}, ValueError, "conv2d: w must have 4 axes"),
    ({"w": np.zeros((3, 3, 2, 4))}, ValueError, "weights' channels x groups must be the input's channels, but 2 x 1 is not 1"),
    ({"w": np.zeros((7, 3, 1, 4))}, ValueError, "window must not be larger .* spatial axis 0 it covers 7 pixels of 5"),
    ({"w": np.zeros((0, 3, 1, 4))}, ValueError, "at least one pixel per axis"),
    ({"bias": np.zeros(3)}, ValueError, r"bias must have shape \(4,\), but has \(3,\)"),
    ({"stride": 0}, ValueError, "stride must be at least 1, but is 0"),
    ({"stride": -1}, ValueError, "stride must be at least 1, but is -1"),
    ({"stride": 1.5}, TypeError, "stride must be an integer, but is 1.5"),
    ({"stride": True}, TypeError, "stride must be an integer, but is True"),
    ({"stride": (1, 2, 3)}, ValueError, "stride must be one integer or 2, but has 3"),
    ({"dilation": 0}, ValueError, "dilation must be at least 1, but is 0"),
    ({"dilation": 2**40}, ValueError, "window must not be larger"),
    ({"dilation": 2**62}, ValueError, "dilation must be at most 1099511627776, but is 4611686018427387904"),
    ({"padding": -1}, ValueError, "padding must be at least 0, but is -1"),
    ({"padding": 2**62}, ValueError, "padding must be at most 1099511627776"),
    ({"padding": 2**40}, ValueError, "is larger than 1099511627776 elements"),
    ({"padding": 10_000}, ValueError, "is over 1000 times as large as the operands"),
    ({"padding_mode": "mirror"}, ValueError, "padding_mode must be one of"),
    ({"padding": "causal"}, ValueError, "padding 'causal' needs one spatial axis, but there are 2"),
    ({"x": None}, TypeError, "x must be an array of real numbers"),
    ({"padding": "SAME"}, ValueError, "padding must be an integer, pairs, or one of"),
    ({"padding": ((1, 1),)}, ValueError, "padding must have one entry per axis"),
    ({"groups": 3}, ValueError, "groups must divide channels, but 3 does not divide 1"),
    ({"groups": 0}, ValueError, "groups must be at least 1"),
    ({"layout": "NWHC"}, ValueError, "layout must be one of"),
    ({"algorithm": "magic"}, ValueError, "algorithm must be 'auto' or one of"),
    ({"x": np.zeros((1, 5, 5, 1), object)}, TypeError, "x must be an array of real numbers, but has dtype object"),
    ({"x": np.full((1, 5, 5, 1), "a")}, TypeError, "x must be an array of real numbers"),
    ({"x": np.zeros((1, 5, 5, 1), complex)}, TypeError, "x must be an array of real numbers"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_calls_are_refused(change, kind, text):
    good = {"x": np.zeros((1, 5, 5, 1)), "w": np.zeros((3, 3, 1, 4)), "bias": None}
    with pytest.raises(kind, match=text):
        fn.conv2d(**{**good, **change})


def test_gradients_of_the_wrong_shape_are_refused():
    x, w = np.zeros((1, 5, 5, 1)), np.zeros((3, 3, 1, 4))
    with pytest.raises(ValueError, match=r"conv2d_input_grad: dy \(channels last\) must have shape \(1, 3, 3, 4\)"):
        fn.conv2d_input_grad(np.zeros((1, 3, 4, 4)), w, x.shape)
    with pytest.raises(ValueError, match=r"conv2d_weight_grad: dy \(channels last\) must have shape \(1, 3, 3, 4\)"):
        fn.conv2d_weight_grad(x, np.zeros((2, 3, 3, 4)), w.shape)
    with pytest.raises(ValueError, match="input_shape must have 4 entries"):
        fn.conv2d_input_grad(np.zeros((1, 3, 3, 4)), w, (5, 5, 1))
    with pytest.raises(ValueError, match="conv2d_input_grad: an array of .* is larger than"):
        fn.conv2d_input_grad(np.zeros((1, 3, 3, 4)), w, (1, 2**62, 2**62, 1))
