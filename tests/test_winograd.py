"""Winograd's convolution: its matrices, its rounding errors, what isn't finite, bits by pieces of work, and when it is chosen."""

import numpy as np
import pytest

from fastconv import functional as fn
from fastconv.kernels.table import TABLE, choose
from fastconv.kernels.winograd.matrices import GRADIENT, INPUT, OUTPUT, WEIGHT_GRADIENT, WEIGHTS, toom_cook, transform
from fastconv.kernels.winograd.output import WinogradInputGradPlan, WinogradOutputPlan
from fastconv.kernels.winograd.weight_grad import WinogradWeightGradPlan
from fastconv.shapes import conv_spec

from . import naive
from .cases import Case

PLANS = {"output": WinogradOutputPlan, "input_grad": WinogradInputGradPlan, "weight_grad": WinogradWeightGradPlan}
# The shapes of tests/guarded.py, so that nothing is compiled twice.
FEW = Case("few tiles", (1, 7, 6, 20), (3, 3, 20, 40), 1, ((1, 0), (2, 1)))
MANY = Case("many tiles, groups", (1, 15, 18, 34), (3, 3, 17, 34), 1, ((3, 0), (0, 2)), 1, 2)
PARTS = Case("weight gradient in parts", (4, 15, 18, 34), (3, 3, 17, 34), 1, ((3, 0), (0, 2)), 1, 2)


def serial(task):
    task(0, task.units)


def one_by_one(task):
    for unit in reversed(range(task.units)):
        task(unit, unit + 1)


def operands(case, dtype="float32"):
    """Return random x, w, dy of a case."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal(shape).astype(dtype) for shape in (case.x, case.w, case.spec.output_shape))


def run(case, operation, algorithm="winograd", m=4, run=serial, dtype="float32"):
    """Return the result of one plan on random operands."""
    x, w, dy = operands(case, dtype)
    arguments, shape = {
        "output": ((x, w, None), case.spec.output_shape), "input_grad": ((dy, w), case.x), "weight_grad": ((x, dy), case.w)
    }[operation]  # fmt: skip
    if algorithm == "winograd":
        plan = PLANS[operation](case.spec, np.dtype(dtype), None, m)
    else:
        plan = next(row for row in TABLE[operation] if row.name == algorithm).plan(case.spec, np.dtype(dtype))
    result = np.full(shape, np.nan, dtype)
    plan(run, *(None if a is None else a.reshape(-1) for a in arguments), result.reshape(-1))
    return result


def exact(case, operation):
    """Return the result in float64, by loops, from the float32 operands."""
    x, w, dy = (a.astype(np.float64) for a in operands(case))
    if operation == "output":
        return naive.conv(x, w, None, *case.naive_geometry)
    if operation == "input_grad":
        return naive.conv_input_grad(dy, w, case.x, *case.naive_geometry)
    return naive.conv_weight_grad(x, dy, case.w, *case.naive_geometry)


@pytest.mark.parametrize("m", [2, 4])
def test_the_matrices_convolve(m):
    rng = np.random.default_rng(m)
    x, w, dy = rng.standard_normal(m + 2), rng.standard_normal(3), rng.standard_normal(m)
    inputs, gradient, weights, output, back = (transform(m, kind).matrix for kind in range(5))
    assert tuple(range(5)) == (INPUT, GRADIENT, WEIGHTS, OUTPUT, WEIGHT_GRADIENT)
    np.testing.assert_allclose(output @ ((inputs @ x) * (weights @ w)), np.correlate(x, w, "valid"), atol=1e-13)
    np.testing.assert_allclose(back @ ((inputs @ x) * (gradient @ dy)), np.correlate(x, dy, "valid"), atol=1e-13)
    for matrix, factored in zip(toom_cook(m), (output, weights, inputs), strict=True):
        np.testing.assert_allclose(factored, matrix, atol=1e-14)


@pytest.mark.parametrize("operation", PLANS)
@pytest.mark.parametrize("case", [FEW, MANY], ids=lambda case: case.name)
def test_errors_are_at_most_eight_times_those_of_plain_sums(case, operation):
    right = exact(case, operation)
    direct = abs(run(case, operation, "direct") - right).max()
    winograd = abs(run(case, operation) - right).max()
    assert 0 < winograd <= 8 * direct < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("operation", PLANS)
def test_tiles_of_two_by_two(operation):
    np.testing.assert_allclose(run(FEW, operation, m=2), exact(FEW, operation), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("case", "operation"), [(FEW, "output"), (MANY, "output"), (MANY, "input_grad"), (MANY, "weight_grad"), (PARTS, "weight_grad")]
)
def test_bits_do_not_depend_on_the_pieces(case, operation):
    np.testing.assert_array_equal(run(case, operation, run=one_by_one), run(case, operation))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_what_is_not_finite_stays_where_it_is(value):
    """Sums of a tile would spread it, or overflow, so the result is the other kernel's, to the last bit."""
    x, w, dy = operands(FEW)
    x[0, 3, 3, 5] = value
    options = {"padding": FEW.padding}
    for other, call in (
        ("narrow", lambda algorithm: fn.conv2d(x, w, algorithm=algorithm, **options)),
        ("direct", lambda algorithm: fn.conv2d_weight_grad(x, dy, w.shape, algorithm=algorithm, **options)),
    ):
        np.testing.assert_array_equal(call("winograd"), call(other))
    dy[0, 0, 0, 0] = value
    dx = fn.conv2d_input_grad(dy, w, x.shape, algorithm="winograd", **options)
    np.testing.assert_array_equal(dx, fn.conv2d_input_grad(dy, w, x.shape, algorithm="narrow", **options))
    assert np.isfinite(dx[0, 3:]).all() and not (np.isfinite(dx).all() and value != 3e38)


# images, height, channels, filters, groups: the tile of output, input gradient and weight gradient; 0: another kernel.
CHOSEN = [
    ((4, 56, 64, 64, 1), (4, 4, 4)),
    ((4, 28, 128, 128, 1), (4, 4, 4)),
    ((4, 14, 256, 256, 1), (4, 4, 4)),
    ((4, 7, 512, 512, 1), (4, 4, 4)),
    ((64, 26, 32, 64, 1), (4, 4, 4)),
    ((8, 29, 29, 65, 1), (4, 4, 4)),
    ((4, 14, 512, 512, 8), (4, 4, 4)),
    ((1, 4, 128, 128, 1), (0, 4, 4)),  # few pixels: the weights' transforms cost more than they save
    ((4, 6, 64, 64, 1), (0, 4, 4)),
    ((1, 14, 32, 32, 1), (0, 0, 0)),  # too little work
    ((64, 28, 1, 32, 1), (0, 0, 0)),  # too few channels
    ((64, 28, 8, 32, 1), (0, 0, 0)),
    ((4, 28, 256, 256, 32), (0, 0, 0)),
    ((4, 14, 512, 512, 512), (0, 0, 0)),
    ((1, 14, 1040, 64, 1), (0, 4, 4)),  # many channels: rounding errors
]


@pytest.mark.parametrize(("layer", "tiles"), CHOSEN, ids=lambda v: "x".join(map(str, v)))
def test_which_layers_are_done_by_winograd(layer, tiles):
    images, height, channels, filters, groups = layer
    spec = conv_spec("test", (images, height, height, channels), (3, 3, channels // groups, filters), 1, 1, 1, groups)
    names = [choose("test", operation, spec, np.dtype(np.float32)).name for operation in TABLE]
    assert tuple(int(name.split("_")[-2]) if "winograd" in name else 0 for name in names) == tiles
    assert not any("winograd" in choose("test", operation, spec, np.dtype(np.float64)).name for operation in TABLE)


@pytest.mark.parametrize(
    "change", [{"stride": 2}, {"dilation": 2}, {"w": (3, 2, 16, 16)}, {"w": (5, 5, 16, 16)}, {"w": (3, 3, 16, 8)}]
)
def test_what_it_cannot_do(change):
    x, w = np.ones((1, 8, 8, 16)), np.ones(change.pop("w", (3, 3, 16, 16)))
    with pytest.raises(ValueError, match="conv2d: algorithm 'winograd' can't do 1 groups of 16 channels and"):
        fn.conv2d(x, w, algorithm="winograd", **change)
