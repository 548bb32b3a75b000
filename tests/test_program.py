"""Plans' tasks as programs: all their work is in the tasks, so that a program runs again on whatever its arrays hold by then."""

import numpy as np
import pytest

from fastconv.kernels.gemm.linear import LinearPlan
from fastconv.kernels.layers.pool import ALL, MAX, MIN, SPLIT
from fastconv.kernels.layers.pool_plan import PoolPlan
from fastconv.kernels.table import TABLE
from fastconv.runtime.program import Program
from fastconv.runtime.team import Team
from fastconv.runtime.threads import parallel_for
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


def cases_of(operation, row):
    """Return a few cases that a row of the table takes, of those on which it is tested anyway."""
    if row.name == "winograd":
        return WINOGRAD
    grid = PLANE_CASES if row.name == "plane" else CASES
    taken = [case for case in grid if row.accepts(case.spec)]
    return taken[:1] + [case for case in taken[1:] if any(name in case.name for name in NAMES)][:3]


ROWS = [(operation, row) for operation, rows in TABLE.items() for row in rows if row.automatic]
FLOAT32 = np.dtype(np.float32)


def compare(team, plan, shapes, result_shape):
    """Collect the tasks of plan(run, *operands, result), run them as a program on two fillings of the operands, and compare."""
    operands = [np.zeros(int(np.prod(shape)), FLOAT32) for shape in shapes]
    result, expected = (np.full(int(np.prod(result_shape)), np.nan, FLOAT32) for _ in range(2))
    tasks = []
    plan(tasks.append, *operands, result)
    assert np.isnan(result).all()
    program = Program(tasks, team.threads)
    for seed in (1, 2):
        for place, operand in enumerate(operands):
            operand[:] = integers(operand.shape, FLOAT32, 10 * seed + place)
        result[:] = np.nan
        assert team.run(program)
        plan(parallel_for, *operands, expected)
        np.testing.assert_array_equal(result, expected)
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("operation, row", ROWS, ids=lambda value: getattr(value, "name", value))
def test_every_automatic_row(team, operation, row):
    cases = cases_of(operation, row)
    assert cases
    for case in cases:
        spec = case.spec
        x, w, y = spec.input_shape, spec.weight_shape, spec.output_shape
        shapes, result = {
            "output": ((x, w, y[-1:]), y),
            "input_grad": ((y, w), x),
            "weight_grad": ((x, y), w),
        }[operation]
        compare(team, row.plan(spec, FLOAT32), shapes, result)
        if operation == "output":
            plan = row.plan(spec, FLOAT32)
            compare(team, lambda run, x, w, y: plan(run, x, w, None, y), (x, w), y)


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
    compare(team, lambda run, x, y: plan.pick(run, MAX, x, y), (x,), y)
    compare(team, lambda run, x, y: plan.average(run, 0, x, y), (x,), y)
    compare(team, lambda run, dy, dx: plan.average_grad(run, 0, dy, dx), (y,), x)
    for pick, ties in ((MAX, ALL), (MIN, SPLIT)):
        compare(team, lambda run, dy, x, dx: plan.pick_grad(run, pick, ties, dy, x, dx), (y, x), x)
