"""However many widths images have, few kernels are compiled; and these few do every width."""

import numpy as np
import pytest

from fastconv.kernels.arrays import long_sums as block_sums
from fastconv.kernels.contraction.dot import DotOutputPlan
from fastconv.kernels.contraction.narrow import NarrowInputGradPlan, NarrowOutputPlan
from fastconv.kernels.depthwise.output import DepthwiseInputGradPlan, DepthwiseOutputPlan
from fastconv.kernels.depthwise.weight_grad import DepthwiseWeightGradPlan
from fastconv.kernels.layers.pool import ALL, MAX
from fastconv.kernels.layers.pool_plan import PoolPlan
from fastconv.kernels.reference.generic import GenericInputGradPlan, GenericOutputPlan, GenericWeightGradPlan
from fastconv.kernels.simd.vector import lanes_of
from fastconv.kernels.table import TABLE, choose
from fastconv.runtime.jit import _identity
from fastconv.shapes import conv_spec, pool_spec

from . import naive
from .cases import Case, integers
from .guarded import in_slices

WIDTHS = range(5, 69)
MOST = 4
"""So many kernels of its own a convolution may compile for each operation."""
# Input shape but for the width, weights, stride, padding, and groups.
CONVOLUTIONS = {
    "5x5": ((1, 0, 0, 32), (5, 5, 32, 32), 1, "valid"),
    "5x5 same": ((1, 0, 0, 32), (5, 5, 32, 32), 1, "same"),
    "3x3": ((1, 0, 0, 64), (3, 3, 64, 64), 1, "same"),
    "3x3, more filters": ((1, 0, 0, 16), (3, 3, 16, 32), 1, "same"),
    "3x3, two groups": ((2, 0, 0, 64), (3, 3, 32, 64), 1, "same", 2),
    "7x7": ((1, 0, 0, 16), (7, 7, 16, 16), 1, "same"),
    "7x7, stride 2": ((1, 0, 0, 8), (7, 7, 8, 64), 2, 3),
    "3x3, stride 2": ((1, 0, 0, 32), (3, 3, 32, 64), 2, "same"),
    "3x3 of few channels": ((4, 0, 0, 10), (3, 3, 10, 17), 1, "same"),
    "1x1": ((1, 0, 0, 64), (1, 1, 64, 128), 1, "valid"),
    "1-D": ((8, 0, 32), (9, 32, 32), 1, "same"),
    "1-D, stride 2": ((8, 0, 8), (3, 8, 8), 2, "same"),
    "3-D": ((1, 6, 7, 0, 8), (3, 3, 3, 8, 16), 1, "same"),
    "3-D patches": ((1, 6, 8, 0, 8), (2, 2, 2, 8, 16), 2, "valid"),
    "depthwise": ((1, 0, 0, 32), (3, 3, 1, 32), 1, "same", 32),
    "depthwise, few channels": ((4, 0, 0, 5), (3, 3, 1, 5), 1, "same", 5),
    "depthwise 5x5": ((1, 0, 0, 32), (5, 5, 1, 32), 1, "same", 32),
    "depthwise 7x7": ((1, 0, 0, 144), (7, 7, 1, 144), 1, "same", 144),
    "depthwise 1-D": ((8, 0, 32), (9, 1, 32), 1, "same", 32),
    "groups of 2": ((1, 0, 0, 32), (3, 3, 2, 32), 1, "same", 16),
    "few filters": ((1, 0, 0, 64), (3, 3, 64, 1), 1, "same"),
    "few filters 1x1": ((4, 0, 0, 64), (1, 1, 64, 3), 1, "valid"),
    "few channels": ((1, 0, 0, 1), (3, 3, 1, 32), 1, "valid"),
    "three channels": ((1, 0, 0, 3), (5, 5, 3, 64), 1, "same"),
    "groups of 8": ((1, 0, 0, 32), (3, 3, 8, 32), 1, "same", 4),
}


def kernels_of(plan, operands):
    """Return what tells the kernels apart that a plan would call and that are compiled for its numbers; none is run."""
    found = set()

    def run(task):
        for part in task.parts():
            if part.kernel.py_func.__closure__:
                found.add(repr(_identity(part.kernel.py_func)))

    plan(run, *operands)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", TABLE)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_many_widths_need_few_kernels(name, operation, dtype):
    shape, weights, stride, padding, *groups = CONVOLUTIONS[name]
    found = set()
    for width in WIDTHS:
        spec = conv_spec("test", tuple(n or width for n in shape), weights, stride, padding, 1, *groups)
        x, w, y = (np.empty(np.prod(s), dtype) for s in (spec.input_shape, spec.weight_shape, spec.output_shape))
        operands = {"output": (x, w, None, y), "input_grad": (y, w, x), "weight_grad": (x, y, w)}[operation]
        found |= kernels_of(choose("test", operation, spec, np.dtype(dtype)), operands)
    assert 0 < len(found) <= MOST, sorted(found)


@pytest.mark.parametrize("padding", ["valid", "same", "full"])
@pytest.mark.parametrize("stride", [1, 2])
def test_narrow_tiles_do_every_width(stride, padding):
    """Lines shorter than a tile, as long, and longer: every height of the last one, and every cut at either end."""
    for width in range(5, 34):
        case = Case(f"width {width}", (1, 1, width, 2), (1, 5, 2, 3), (1, stride), padding)
        x, w, dy = integers(case.x, "float32", 1), integers(case.w, "float32", 2), integers(case.spec.output_shape, "float32", 3)
        y, dx = np.full(dy.shape, np.nan, np.float32), np.full(x.shape, np.nan, np.float32)
        dtype = np.dtype("float32")
        NarrowOutputPlan(case.spec, dtype)(in_slices, x.reshape(-1), w.reshape(-1), None, y.reshape(-1))
        NarrowInputGradPlan(case.spec, dtype)(in_slices, dy.reshape(-1), w.reshape(-1), dx.reshape(-1))
        np.testing.assert_array_equal(y, naive.conv(x, w, np.zeros(3), *case.naive_geometry), case.name)
        np.testing.assert_array_equal(dx, naive.conv_input_grad(dy, w, case.x, *case.naive_geometry), case.name)


@pytest.mark.slow
@pytest.mark.parametrize("results", [1, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dot_tiles_do_every_width(dtype, results):
    """As above, for convolutions of few results a pixel, no more than a vector has lanes."""
    results = min(results, lanes_of(np.dtype(dtype)))
    for width in range(3, 36):
        case = Case(f"width {width}", (2, 4, width, 37), (3, 3, 37, results), 1, "same")
        x, w, dy = (integers(shape, dtype, seed) for seed, shape in enumerate((case.x, case.w, case.spec.output_shape)))
        y, right = np.full(dy.size, np.nan, dtype), np.full(dy.size, np.nan, dtype)
        for plan, into in ((DotOutputPlan, y), (GenericOutputPlan, right)):
            plan(case.spec, np.dtype(dtype))(in_slices, x.reshape(-1), w.reshape(-1), None, into)
        np.testing.assert_array_equal(y, right, case.name)


SLIDING = {
    "3x3": ((3, 3, 1, 19), 1, "same"),
    "3x3, few channels": ((3, 3, 1, 3), 1, "valid"),
    "3x3, stride 2": ((3, 3, 1, 19), 2, 1),
    "3x3, wide borders": ((3, 3, 1, 19), 1, 2),
    "5x5": ((5, 5, 1, 19), 1, 2),
    "groups of 4": ((3, 3, 4, 32), 1, "same"),
}


@pytest.mark.slow
@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("name", SLIDING)
def test_sliding_tiles_do_every_width(name, long, monkeypatch):
    """As above, for depthwise and grouped convolutions, with sums in one number and in blocks."""
    weights, stride, padding = SLIDING[name]
    dtype = np.dtype("float32")
    if long:
        monkeypatch.setattr(block_sums, "ONE_SUM", 2)
        monkeypatch.setattr(block_sums, "TILE_TERMS", 4)
    for width in (*range(3, 34), 43):
        height = 40 if width == 4 else 5  # more blocks of lines than are added up in float32
        case = Case(f"width {width}", (2, height, width, weights[3]), weights, stride, padding, 1, weights[3] // weights[2])
        x, w, dy = integers(case.x, "float32", 1), integers(case.w, "float32", 2), integers(case.spec.output_shape, "float32", 3)
        for plan, generic, operands, result in (
            (DepthwiseOutputPlan, GenericOutputPlan, (x, w, None), dy),
            (DepthwiseInputGradPlan, GenericInputGradPlan, (dy, w), x),
            (DepthwiseWeightGradPlan, GenericWeightGradPlan, (x, dy), w),
        ):
            found, right = np.full(result.size, np.nan, np.float32), np.full(result.size, np.nan, np.float32)
            for kernel, into in ((plan, found), (generic, right)):
                kernel(case.spec, dtype)(in_slices, *(a if a is None else a.reshape(-1) for a in operands), into)
            np.testing.assert_array_equal(found, right, f"{case.name} {plan.__name__}")


POOLS = {"2": (2, None, "valid"), "2, stride 1": (2, 1, "same"), "3, stride 2": (3, 2, 1), "3, within the image": (3, 2, "valid")}


@pytest.mark.parametrize("name", POOLS)
def test_many_widths_need_few_pooling_kernels(name):
    found = {"max": set(), "its gradient": set(), "average": set()}
    for width in WIDTHS:
        spec = pool_spec("test", (1, width, width, 32), *POOLS[name])
        x, y = (np.empty(np.prod(s), np.float32) for s in (spec.input_shape, spec.output_shape))
        plan = PoolPlan(spec)
        found["max"] |= kernels_of(plan.pick, (MAX, x, y))
        found["its gradient"] |= kernels_of(plan.pick_grad, (MAX, ALL, y, x, x))
        found["average"] |= kernels_of(plan.average, (0, x, y))
    for operation, kernels in found.items():
        assert 0 < len(kernels) <= MOST, operation
