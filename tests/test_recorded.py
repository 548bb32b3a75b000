"""Plans recorded as programs: all their work is in the calls, so that a program runs again on whatever its arrays hold by then."""

import numpy as np
import pytest

from fastconv.kernels.gemm.linear import LinearPlan
from fastconv.kernels.layers.pool import ALL, MAX, MIN, SPLIT
from fastconv.kernels.layers.pool_plan import PoolPlan
from fastconv.kernels.table import TABLE
from fastconv.runtime.recorder import Recorder
from fastconv.runtime.team import Team
from fastconv.runtime.threads import split
from fastconv.shapes import adaptive_spec, pool_spec

from .cases import CASES, PLANE_CASES, Case, integers

WINOGRAD = [Case("few tiles", (1, 7, 6, 20), (3, 3, 20, 40), 1, 1), Case("many tiles", (1, 15, 18, 34), (3, 3, 17, 34), 1, 1, 1, 2)]
NAMES = ("strided", "larger than the kernel", "one row of a kernel", "tail", "patches")
"""Besides the first case that a kernel takes, those with these words in their names: with phases that no tap reaches, and tails."""


@pytest.fixture(scope="module")
def team():
    team = Team(1)
    yield team
    team.stop()


def cases_of(operation, kernel):
    """Return a few cases that a row of the table takes, of those on which it is tested anyway."""
    if kernel.algorithm == "winograd":
        return WINOGRAD
    grid = PLANE_CASES if kernel.algorithm == "plane" else CASES
    taken = [case for case in grid if kernel.accepts(case.spec)]
    return taken[:1] + [case for case in taken[1:] if any(name in case.name for name in NAMES)][:3]


ROWS = [(operation, kernel) for operation, rows in TABLE.items() for kernel in rows if kernel.automatic]
FLOAT32 = np.dtype(np.float32)


def compare(team, run, shapes, result_shape):
    """Record run(split, *operands, result), run the program on two fillings of the operands, and compare with run at once."""
    operands = [np.zeros(int(np.prod(shape)), FLOAT32) for shape in shapes]
    result, expected = (np.full(int(np.prod(result_shape)), np.nan, FLOAT32) for _ in range(2))
    recorder = Recorder(team.threads)
    run(recorder, *operands, result)
    assert np.isnan(result).all()
    program = recorder.program()
    for seed in (1, 2):
        for place, operand in enumerate(operands):
            operand[:] = integers(operand.shape, FLOAT32, 10 * seed + place)
        result[:] = np.nan
        assert team.run(program)
        run(split, *operands, expected)
        np.testing.assert_array_equal(result, expected)
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("operation, kernel", ROWS, ids=lambda value: getattr(value, "algorithm", value))
def test_every_automatic_row(team, operation, kernel):
    cases = cases_of(operation, kernel)
    assert cases
    for case in cases:
        spec = case.spec
        x, w, y = spec.input_shape, spec.weight_shape, spec.output_shape
        shapes, result = {
            "output": ((x, w, y[-1:]), y),
            "input_grad": ((y, w), x),
            "weight_grad": ((x, y), w),
        }[operation]
        compare(team, kernel.plan(spec, FLOAT32), shapes, result)
        if operation == "output":
            plan = kernel.plan(spec, FLOAT32)
            compare(team, lambda split, x, w, y: plan(split, x, w, None, y), (x, w), y)


def test_dense(team):
    rows, inputs, outputs = 7, 9, 10
    plan, x, w, y = LinearPlan(rows, inputs, outputs, FLOAT32), (rows, inputs), (inputs, outputs), (rows, outputs)
    compare(team, plan.output, (x, w, (outputs,)), y)
    compare(team, plan.input_grad, (y, w), x)
    compare(team, plan.weight_grad, (x, y), w)


@pytest.mark.parametrize(
    "spec",
    [
        pool_spec("test", (2, 4, 6, 5), 2, None, "valid"),
        pool_spec("test", (1, 7, 6, 5), 2, 3, 0),
        pool_spec("test", (1, 7, 6, 5), 3, 2, 1),
        adaptive_spec("test", (1, 5, 7, 9), (3, 4)),
    ],
    ids=["covered", "gaps", "overlapping", "adaptive"],
)
def test_pools(team, spec):
    plan, x, y = PoolPlan(spec), spec.input_shape, spec.output_shape
    compare(team, lambda split, x, y: plan.pick(split, MAX, x, y), (x,), y)
    compare(team, lambda split, x, y: plan.average(split, 0, x, y), (x,), y)
    compare(team, lambda split, dy, dx: plan.average_grad(split, 0, dy, dx), (y,), x)
    for pick, ties in ((MAX, ALL), (MIN, SPLIT)):
        compare(team, lambda split, dy, x, dx: plan.pick_grad(split, pick, ties, dy, x, dx), (y, x), x)
