"""Every kernel of pooling, dense layers, softmax and the notebooks' steps against its loop twin, with all its memory guarded."""

from __future__ import annotations

from itertools import product

import numpy as np

from .guarded import guarded, in_slices


def check_pools(back: bool, dtypes: list[str], every: int = 1) -> int:
    """Run every pooling kernel on some windows and channel tails; return how many ran."""
    from fastconv.kernels.layers.pool import ALL, FIRST, MAX, MIN, SPLIT
    from fastconv.kernels.layers.pool_plan import PoolPlan
    from fastconv.shapes import pool_spec

    from . import naive
    from .cases import integers

    count = 0
    shapes = [((2, 4, 6, n), 2, None, "valid") for n in (1, 3, 4, 8, 11, 16, 17, 33)]
    shapes += [((1, 7, 6, 5), 3, 2, 1), ((1, 6, 6, 3), (2, 4), (3, 1), ((1, 0), (3, 2)))]
    shapes += [((2, 9, 13, 19), (9, 12), None, ((1, 0), (2, 3))), ((1, 1, 300, 1), (1, 150), 1, "same")]  # sums in blocks
    for (shape, window, stride, padding), dtype in product(shapes[::every], dtypes):
        spec = pool_spec("test", shape, window, stride, padding)
        plans, axes = (
            {i: PoolPlan(spec, i) for i in (False, True)},
            list(map(naive.pool_axis, spec.size, spec.kernel, spec.stride, spec.pads)),
        )
        x = guarded(integers(shape, dtype, 1), back)
        dy = guarded(12 * integers(spec.output_shape, dtype, 2), back)
        for pick, chosen in ((MAX, max), (MIN, min)):
            y = guarded(np.full(spec.output_shape, np.nan, dtype), back)
            plans[False].pick(in_slices, pick, x.reshape(-1), y.reshape(-1))
            np.testing.assert_array_equal(y, naive.pick_pool(x, axes, chosen)[0])
            y, places = (guarded(np.full(spec.output_shape, -1, kind), back) for kind in (dtype, np.int64))
            plans[False].pick_index(in_slices, pick, x.reshape(-1), y.reshape(-1), places.reshape(-1))
            for mine, theirs in zip((y, places), naive.pick_pool(x, axes, chosen)):
                np.testing.assert_array_equal(mine, theirs)
            count += 1
            for ties, rule in ((ALL, "all"), (FIRST, "first"), (SPLIT, "split")):
                dx = guarded(np.full(shape, np.nan, dtype), back)
                plans[False].pick_grad(in_slices, pick, ties, dy.reshape(-1), x.reshape(-1), dx.reshape(-1))
                expected = naive.pick_pool_grad(dy, x, axes, chosen, rule)
                np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-4 if rule == "split" else 0)
                count += 2
        for include in (False, True):
            y, dx = (guarded(np.full(s, np.nan, dtype), back) for s in (spec.output_shape, shape))
            plans[include].average(in_slices, 0, x.reshape(-1), y.reshape(-1))
            plans[include].average_grad(in_slices, 0, dy.reshape(-1), dx.reshape(-1))
            np.testing.assert_allclose(y, naive.avg_pool(x, axes, include), rtol=0, atol=1e-5)
            np.testing.assert_allclose(dx, naive.avg_pool_grad(dy, shape, axes, include), rtol=0, atol=1e-4)
            count += 2
    return count


def check_dense(back: bool, dtypes: list[str], every: int = 1) -> int:
    """Run the dense kernels, batches and one row with softmax; return how many ran."""
    from fastconv.dropin.planned import PlannedDenseSoftmax
    from fastconv.kernels.gemm.linear import LinearPlan

    from .cases import integers

    count = 0
    shapes = [(1, 5, 3), (7, 9, 10), (60, 17, 33), (3, 40, 1), (113, 6, 16), (270, 230, 33), (7, 1300, 5), (1300, 5, 9)]
    for (rows, inputs, outputs), dtype in product(shapes[::every], dtypes):
        plan = LinearPlan(rows, inputs, outputs, np.dtype(dtype))
        x, w, b, dy = (
            guarded(integers(shape, dtype, seed), back)
            for seed, shape in enumerate(((rows, inputs), (inputs, outputs), (outputs,), (rows, outputs)))
        )
        for run, operands, expected in (
            (plan.output, (x, w, b), x @ w + b),
            (plan.input_grad, (dy, w), dy @ w.T),
            (plan.weight_grad, (x, dy), x.T @ dy),
        ):
            result = guarded(np.full(expected.shape, np.nan, dtype), back)
            run(in_slices, *(operand.reshape(-1) for operand in operands), result.reshape(-1))
            np.testing.assert_array_equal(result, expected, f"dense {rows} {inputs} {outputs}")
            count += 1
    for (inputs, outputs), dtype in product([(1, 1), (8, 10), (37, 10), (64, 16), (33, 17), (19, 70)], dtypes):
        rng = np.random.default_rng(inputs)
        x, w, b, dy = (
            guarded(rng.standard_normal(shape).astype(dtype), back)
            for shape in ((inputs,), (inputs, outputs), (outputs,), (outputs,))
        )
        plan = PlannedDenseSoftmax(outputs, np.dtype(dtype))
        totals, p = plan.output(x, w, b)
        logits = x.astype(np.float64) @ w + b
        softmax = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        dz = softmax * (dy - dy @ softmax)
        dx, w_after, b_after = w @ dz, w - 0.5 * np.outer(x, dz), b - 0.5 * dz
        result = plan.step(dy, totals, x, w, b, 0.5)
        close = {"rtol": 0, "atol": 1e-4 if dtype == "float32" else 1e-12}
        for mine, theirs in ((totals, logits), (p, softmax), (result, dx), (w, w_after), (b, b_after)):
            np.testing.assert_allclose(mine, theirs, **close)
            count += 1
    return count


def check_steps(back: bool, dtypes: list[str], every: int = 1) -> int:
    """Run the layers' kernels, which do a whole image in one call; return how many ran."""
    from fastconv.kernels.fused.conv_step import WeightStep, WholeOutput
    from fastconv.shapes import conv_spec

    from . import naive
    from .cases import integers

    count, geometry = 0, ((1, 1), (1, 1), ((0, 0), (0, 0)), 1)
    shapes = [((5, 6, 1), (9, 3, 3, 1)), ((7, 7, 3), (17, 2, 2, 3)), ((4, 9, 1), (1, 4, 4, 1)), ((6, 5, 12), (8, 3, 3, 12))]
    for (image, kernels), dtype in product(shapes[::every], map(np.dtype, dtypes)):
        spec = conv_spec("test", (1, *image), (*kernels[1:], kernels[0]))
        x, w, dy = (
            guarded(integers(shape, dtype, seed), back) for seed, shape in enumerate(((1, *image), kernels, spec.output_shape))
        )
        y, dw = guarded(np.full(spec.output_shape, np.nan, dtype), back), guarded(np.full(kernels, np.nan, dtype), back)
        WholeOutput(spec, dtype, filters_first=True)(x.reshape(-1), w.reshape(-1), y.reshape(-1))
        np.testing.assert_array_equal(y, naive.conv(x, np.moveaxis(w, 0, -1), None, *geometry))
        expected = np.moveaxis(naive.conv_weight_grad(x, dy, spec.weight_shape, *geometry), -1, 0)
        stepped = w - 0.5 * expected
        WeightStep(spec, dtype, filters_first=True)(x.reshape(-1), dy.reshape(-1), w.reshape(-1), dw.reshape(-1), 0.5)
        np.testing.assert_array_equal(dw, expected)
        np.testing.assert_array_equal(w, stepped)
        count += 2
    return count


def check_softmax(back: bool, dtypes: list[str]) -> int:
    """Run softmax, its logarithm and their gradients on rows of one number and more; return how many ran."""
    from fastconv.kernels.layers.softmax import log_softmax, log_softmax_grad, softmax, softmax_grad
    from fastconv.runtime.task import Task

    count = 0
    for columns, dtype in product((1, 3, 17), dtypes):
        rng = np.random.default_rng(columns)
        x, dy = (guarded(rng.standard_normal((5, columns)).astype(dtype), back) for _ in range(2))
        right = np.exp(x, dtype=np.float64) / np.exp(x, dtype=np.float64).sum(1, keepdims=True)
        for kernel, gradient, expected, slope in (
            (softmax, softmax_grad, right, right * (dy - (dy * right).sum(1, keepdims=True))),
            (log_softmax, log_softmax_grad, np.log(right), dy - right * dy.sum(1, keepdims=True, dtype=np.float64)),
        ):
            y, dx = (guarded(np.full(x.shape, np.nan, dtype), back) for _ in range(2))
            in_slices(Task(kernel, (x.reshape(-1), y.reshape(-1), columns), 5))
            in_slices(Task(gradient, (dy.reshape(-1), y.reshape(-1), dx.reshape(-1), columns), 5))
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
            np.testing.assert_allclose(dx, slope, rtol=0, atol=1e-5)
            count += 2
    return count


def check_peak(back: bool, dtypes: list[str]) -> int:
    """Run the loops that the machine's peak and its memory are measured with; return how many ran."""
    from fastconv.kernels.peak import ROWS, VECTORS, copy, multiply_add
    from fastconv.kernels.simd.vector import lanes_of
    from fastconv.runtime.task import Task

    for dtype in dtypes:
        w = np.arange(VECTORS * lanes_of(np.dtype(dtype)), dtype=dtype)
        y = guarded(np.full(ROWS * w.size, np.nan, dtype), back)
        multiply_add(guarded(np.full(1, 2, dtype), back), guarded(w, back), y, 5)
        np.testing.assert_array_equal(y, np.tile(10 * w, ROWS))
    source, target = guarded(np.arange(3 * 16.0), back), guarded(np.full(3 * 16, np.nan), back)
    in_slices(Task(copy, (source, target, 16), 3))
    np.testing.assert_array_equal(source, target)
    return len(dtypes) + 1


def check_all(back: bool, dtypes: list[str], every: int = 1) -> int:
    """Run all of these, on every so manieth shape; return how many ran."""
    count = sum(check(back, dtypes, every) for check in (check_pools, check_dense, check_steps))
    return count + check_softmax(back, dtypes) + check_peak(back, dtypes)
