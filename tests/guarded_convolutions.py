"""Every kernel of a convolution against its loop twin, with all its memory guarded, on small integers: exactly."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import product
from unittest import mock

import numpy as np

from fastconv.runtime import memory

from .guarded import guarded, in_slices

QUICK = ("first layer, 10 filters", "asymmetric", "depthwise", "plane, same")
BLOCKS = (*QUICK, "3x3 same, deep", "one filter", "grouped, 4 channels each", "1x1, blocks of pixels")


def convolution_cases(scope: str):
    """Yield shapes: "quick", "part" and "blocks": a few, "single": a fifth, "full": all, "wide": also every tail."""
    from .cases import CASES, PLANE_CASES, Case

    if scope in ("full", "wide"):
        yield from CASES
        yield from PLANE_CASES
    else:
        names = BLOCKS if scope in ("blocks", "part") else QUICK
        yield from (case for case in CASES if case.name in names or (scope == "single" and case in CASES[::5]))
        yield from [*PLANE_CASES[:3], PLANE_CASES[-1]] if scope in ("blocks", "part") else PLANE_CASES[:1]
    if scope == "wide":
        for n in (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47):
            yield Case(f"{n} filters", (2, 4, 7, 2), (2, 3, 2, n))
            yield Case(f"{n} channels", (1, 4, 6, n), (3, 3, n, 4), 1, 1)
            yield Case(f"{n} pixels", (1, 2, n, 1), (1, 1, 1, 3))
            yield Case(f"plane, {n} pixels more", (1, 4, 16 + n, 1), (3, 3, 1, 1), 1, 1)


def check_convolutions(back: bool, scope: str, dtypes: list[str]) -> int:
    """Run every kernel of the table on every case; return how many ran."""
    from fastconv.kernels.table import TABLE

    from . import naive
    from .cases import CASES, PLANE_CASES, integers

    count = 0
    for case, dtype in product(convolution_cases(scope), map(np.dtype, dtypes)):
        if scope == "full" and dtype == np.float64 and case in CASES and case not in CASES[::3]:
            continue  # compiling takes long, and "wide" runs them all
        spec, geometry = case.spec, case.naive_geometry
        x, w, bias, dy = (
            guarded(integers(shape, dtype, seed), back)
            for seed, shape in enumerate((case.x, case.w, case.w[-1:], spec.output_shape))
        )
        expected = {
            "output": naive.conv(x, w, bias, *geometry),
            "input_grad": naive.conv_input_grad(dy, w, case.x, *geometry),
            "weight_grad": naive.conv_weight_grad(x, dy, case.w, *geometry),
        }
        for operation, kernels in TABLE.items():
            operands = {"output": (x, w, bias), "input_grad": (dy, w), "weight_grad": (x, dy)}[operation]
            for row in kernels:
                wanted = row.automatic and (row.name == "plane" or case not in PLANE_CASES)
                if wanted and row.accepts(spec):
                    result = guarded(np.full(expected[operation].shape, np.nan, dtype), back)
                    row.plan(spec, dtype)(in_slices, *(operand.reshape(-1) for operand in operands), result.reshape(-1))
                    label = f"{case.name} {operation} {row.name}"
                    if operation == "output":
                        count += check_packed(row.plan(spec, dtype), (x, w, bias), result, label)
                    if row.name == "winograd":
                        np.testing.assert_allclose(
                            result, expected[operation], 0, 1e-3 if dtype == "float32" else 1e-11, err_msg=label
                        )
                    else:
                        np.testing.assert_array_equal(result, expected[operation], label)
                    count += 1
    return count


@contextmanager
def short_blocks():
    """Let sums be made in blocks of a few terms, as otherwise only those of many are."""
    from fastconv.kernels.arrays import long_sums
    from fastconv.kernels.plane import output as conv_plane

    short = mock.patch.multiple(long_sums, ONE_SUM=2, BLOCK_TERMS=4, TILE_TERMS=4)
    with short, mock.patch.object(conv_plane, "BLOCK_ROWS", conv_plane.MOST_ROWS):
        yield


def check_packed(plan, operands, expected, label: str) -> int:
    """Run a plan that packs weights once with packed ones: the bits must be the same; return whether it does."""
    if not hasattr(plan, "pack"):
        return 0
    x, w, bias = (operand.reshape(-1) for operand in operands)
    result = guarded(np.full(expected.shape, np.nan, expected.dtype), memory.allocator.back)
    plan(in_slices, x, plan.pack(in_slices, w), bias, result.reshape(-1))
    np.testing.assert_array_equal(result, expected, f"{label}, packed")
    return 1


def check_blocks(back: bool) -> int:
    """Run all on a few cases with sums in blocks of a few terms, as otherwise only those of many have; return how many ran."""
    from . import guarded_layers
    from .cases import NARROW_CASES
    from .guarded_training import check_one_pass

    with short_blocks():
        count = check_convolutions(back, "blocks", ["float32"]) + guarded_layers.check_dense(back, ["float32"])
        count += sum(check_narrow(case, "float32", partial(guarded, back=back)) for case in NARROW_CASES)
        return count + check_weight_parts(back, ["float32"]) + guarded_layers.check_steps(back, ["float32"]) + check_one_pass(back)


def check_narrow(case, dtype: str, guard) -> int:
    """Run the plans of "narrow", which tables choose for much work only, on one case; return how many ran."""
    from fastconv.kernels.contraction.narrow import NarrowInputGradPlan, NarrowOutputPlan

    from . import naive
    from .cases import integers

    spec, geometry = case.spec, case.naive_geometry
    x, w, bias, dy = (
        guard(integers(shape, dtype, seed)) for seed, shape in enumerate((case.x, case.w, case.w[-1:], spec.output_shape))
    )
    for plan, operands, expected in (
        (NarrowOutputPlan, (x, w, bias), naive.conv(x, w, bias, *geometry)),
        (NarrowInputGradPlan, (dy, w), naive.conv_input_grad(dy, w, case.x, *geometry)),
    ):
        result = guard(np.full(expected.shape, np.nan, dtype))
        plan(spec, np.dtype(dtype))(in_slices, *(operand.reshape(-1) for operand in operands), result.reshape(-1))
        np.testing.assert_array_equal(result, expected, f"{case.name} {plan.__name__}")
    return 2


def check_winograd(back: bool, scope: str, dtypes: list[str]) -> int:
    """Run Winograd's plans, few tiles and many, with tails of pixels and channels, pads and groups; return how many ran."""
    from fastconv.kernels.winograd import weight_grad as winograd_weight_grad
    from fastconv.kernels.winograd.output import WinogradInputGradPlan, WinogradOutputPlan
    from fastconv.kernels.winograd.weight_grad import WinogradWeightGradPlan

    from . import naive
    from .cases import Case, integers

    def short_spans(*arguments):
        """Add up gradients in float64 after few tiles, as is done after very many."""
        with mock.patch.multiple(winograd_weight_grad, SPAN=2, WINOGRAD_CHUNK=0):
            return WinogradWeightGradPlan(*arguments)

    count, tiles = 0, (2, 4) if scope == "wide" else (4,)
    cases = [
        Case("few tiles", (1, 7, 6, 20), (3, 3, 20, 40), 1, ((1, 0), (2, 1))),
        Case("many tiles, groups", (1, 15, 18, 34), (3, 3, 17, 34), 1, ((3, 0), (0, 2)), 1, 2),
        Case("few tiles, channels in pieces", (1, 7, 6, 101), (3, 3, 101, 40), 1, 0),
        Case("many tiles, channels in pieces", (1, 18, 17, 101), (3, 3, 101, 16), 1, 1),
    ]
    if scope == "wide":
        cases += [Case(f"{n} pixels", (2, n, 11 - n, 16 + n), (3, 3, 16 + n, 17), 1, 1) for n in range(1, 11)]
        cases += [Case("large", (3, 30, 29, 16), (3, 3, 16, 33), 1, 0)]
    for case, m, dtype in product(cases[: 2 if scope == "part" else None], tiles, map(np.dtype, dtypes)):
        spec, geometry = case.spec, case.naive_geometry
        x, w, bias, dy = (
            guarded(integers(shape, dtype, seed), back)
            for seed, shape in enumerate((case.x, case.w, case.w[-1:], spec.output_shape))
        )
        weight_grad = naive.conv_weight_grad(x, dy, case.w, *geometry)
        for plan, operands, expected in (
            (WinogradOutputPlan, (x, w, bias), naive.conv(x, w, bias, *geometry)),
            (WinogradInputGradPlan, (dy, w), naive.conv_input_grad(dy, w, case.x, *geometry)),
            (WinogradWeightGradPlan, (x, dy), weight_grad),
            (short_spans, (x, dy), weight_grad),
        ):
            result = guarded(np.full(expected.shape, np.nan, dtype), back)
            plan(spec, dtype, None, m)(in_slices, *(operand.reshape(-1) for operand in operands), result.reshape(-1))
            close = (1e-5 if dtype == "float32" else 1e-13) * max(1, np.abs(expected).max())
            np.testing.assert_allclose(result, expected, rtol=0, atol=close, err_msg=f"{case.name} {plan.__name__} {m}")
            count += 1
    return count


def check_weight_parts(back: bool, dtypes: list[str]) -> int:
    """Run weight gradients cut by images into parts, as those of large layers are; return how many ran."""
    from fastconv.kernels.arrays import blocks
    from fastconv.kernels.contraction.direct_weight_grad import DirectWeightGradPlan
    from fastconv.kernels.depthwise.weight_grad import DepthwiseWeightGradPlan

    from . import naive
    from .cases import Case, integers

    cases = [
        (DirectWeightGradPlan, Case("", (4, 9, 8, 3), (3, 3, 3, 5), 1, 1)),
        (DirectWeightGradPlan, Case("", (11, 8, 7, 1), (2, 3, 1, 17), (2, 1))),
        (DepthwiseWeightGradPlan, Case("", (9, 12, 9, 18), (3, 3, 1, 18), 1, 1, 1, 18)),
        (DepthwiseWeightGradPlan, Case("", (3, 6, 5, 39), (3, 3, 1, 39), 2, ((0, 2), (1, 1)), 1, 39)),
        (DepthwiseWeightGradPlan, Case("", (1, 7, 8, 22), (3, 3, 2, 22), 1, 1, 1, 11)),
    ]
    least, blocks.LEAST_PART_FLOPS = blocks.LEAST_PART_FLOPS, 1
    try:
        for (plan, case), dtype in product(cases, map(np.dtype, dtypes)):
            x, dy = (guarded(integers(shape, dtype, seed), back) for seed, shape in enumerate((case.x, case.spec.output_shape)))
            result = guarded(np.full(case.w, np.nan, dtype), back)
            plan(case.spec, dtype)(in_slices, x.reshape(-1), dy.reshape(-1), result.reshape(-1))
            np.testing.assert_array_equal(result, naive.conv_weight_grad(x, dy, case.w, *case.naive_geometry), str(case))
    finally:
        blocks.LEAST_PART_FLOPS = least
    return len(cases) * len(dtypes)


def check_odd_geometry(back: bool, dtypes: list[str]) -> int:
    """Run pooling with dilation, overhang and adaptive windows, and transposed convolution with output_padding; return how many."""
    from fastconv.kernels.layers.pool import ALL, MAX
    from fastconv.kernels.layers.pool_plan import PoolPlan
    from fastconv.kernels.table import TABLE
    from fastconv.shapes import adaptive_spec, pool_spec, transposed_spec

    from . import naive
    from .cases import integers

    count = 0
    dilated = pool_spec("test", (2, 7, 6, 5), 2, (2, 3), ((1, 0), (1, 1)), (2, 3), True)
    axes = list(map(naive.pool_axis, dilated.size, dilated.kernel, dilated.stride, dilated.pads, dilated.dilation, (True, True)))
    adaptive = adaptive_spec("test", (1, 5, 7, 9), (3, 4))
    cases = [(dilated, axes), (adaptive, list(map(naive.adaptive_axis, adaptive.size, adaptive.outputs)))]
    for (spec, windows), dtype in product(cases, dtypes):
        x, dy = (guarded(integers(s, dtype, 1), back) for s in (spec.input_shape, spec.output_shape))
        for plan_run, wanted in (
            (lambda p, y: p.pick(in_slices, MAX, x.reshape(-1), y), naive.pick_pool(x, windows, max)[0]),
            (
                lambda p, y: p.pick_grad(in_slices, MAX, ALL, dy.reshape(-1), x.reshape(-1), y),
                naive.pick_pool_grad(dy, x, windows, max, "all"),
            ),
            (lambda p, y: p.average(in_slices, 3, x.reshape(-1), y), naive.avg_pool(x, windows, False, 3)),
            (lambda p, y: p.average_grad(in_slices, 1, dy.reshape(-1), y), naive.avg_pool_grad(dy, x.shape, windows, False, 1)),
        ):
            result = guarded(np.full(wanted.shape, np.nan, dtype), back)
            plan_run(PoolPlan(spec), result.reshape(-1))
            np.testing.assert_allclose(result, wanted, rtol=1e-6)
            count += 1
    for filters, channels, groups in ((6, 5, 1), (6, 2, 1), (9, 9, 9), (6, 6, 3)):
        weights = (3, 2, channels // groups, filters)
        spec = transposed_spec("test", (2, 4, 3, filters), weights, (3, 2), ((0, 0), (1, 0)), (2, 1), 1, groups)
        geometry = (spec.stride, spec.dilation, ((0, 0), (1, 0)), (2, 1), groups)
        for dtype, (operation, rows) in product(map(np.dtype, dtypes), TABLE.items()):
            shapes = (spec.output_shape, spec.weight_shape, spec.input_shape)
            x, w, dy = (guarded(integers(s, dtype, i), back) for i, s in enumerate(shapes))
            expected = naive.conv_transpose(x, w, None, *geometry)
            operands, argument = {"output": ((dy, w, None), x), "input_grad": ((x, w), dy), "weight_grad": ((dy, x), w)}[operation]
            for row in rows:
                if row.automatic and row.accepts(spec):
                    result = guarded(np.full(argument.shape, np.nan, dtype), back)
                    flat = (None if a is None else a.reshape(-1) for a in operands)
                    row.plan(spec, dtype)(in_slices, *flat, result.reshape(-1))
                    assert np.vdot(result, argument) == np.vdot(expected, dy), (operation, row.name, groups)
                    if operation == "input_grad":
                        np.testing.assert_array_equal(result, expected)
                    count += 1
    return count


def check_epilogues(back: bool, dtypes: list[str]) -> int:
    """Run the kernels that finish their results, and the one that does it afterwards; return how many ran."""
    from fastconv.functional.epilogue import epilogue_of
    from fastconv.kernels.epilogue.activations import ACTIVATIONS
    from fastconv.kernels.epilogue.finish import finish_task
    from fastconv.kernels.table import TABLE

    from . import naive
    from .cases import integers

    count = 0
    for case, dtype in product(convolution_cases("quick"), map(np.dtype, dtypes)):
        spec = case.spec
        x, w, bias, residual = (
            guarded(integers(shape, dtype, seed), back)
            for seed, shape in enumerate((case.x, case.w, case.w[-1:], spec.output_shape))
        )
        y = naive.conv(x, w, bias, *case.naive_geometry)
        for row in (row for row in TABLE["output"] if row.automatic and row.accepts(spec)):
            plan = row.plan(spec, dtype)
            for activation, added in (("relu", None), (("clip", -2, 3), residual), (None, residual)):
                if getattr(plan, "finishes", False):
                    epilogue = epilogue_of("check", activation, added, dtype)
                    result = guarded(np.full(y.shape, np.nan, dtype), back)
                    plan(in_slices, *(operand.reshape(-1) for operand in (x, w, bias, result)), epilogue)
                    numbers = activation if isinstance(activation, tuple) else (activation,)
                    expected = naive.activate(numbers[0], y if added is None else y + added, *numbers[1:])
                    np.testing.assert_array_equal(result, expected, f"{case.name} {row.name} {activation}")
                    assert epilogue.not_finite[0] == 0
                    count += 1
    for name, dtype, size in product(ACTIVATIONS, map(np.dtype, dtypes), (1, 15, 16, 33, 4097)):
        y, numbers = guarded(integers((size,), dtype, 1), back), (-1.0, 2.0)[: len(ACTIVATIONS[name].names)]
        expected = naive.activate(name, y, *numbers)
        in_slices(finish_task(y, epilogue_of("check", (name, *numbers), None, dtype)))
        tolerance = 3e-7 if dtype == "float32" else 2e-15
        np.testing.assert_allclose(y, expected, tolerance, tolerance, err_msg=name)
        count += 1
    return count


def check_overlap(back: bool, dtypes: list[str]) -> int:
    """Run the transforms of a signal's blocks on lengths around those of vectors and blocks; return how many ran."""
    from fastconv.kernels.overlap import blocks
    from fastconv.runtime.machine import VECTOR_BYTES

    count = 0
    for dtype, points in product(map(np.dtype, dtypes), (4, 8, 32)):
        size = points * VECTOR_BYTES // dtype.itemsize
        for n, taps in ((size, size), (3 * size + 1, 5), (9 * size - 1, size // 2), (2, 1), (size // 2 + 3, size // 2 + 1)):
            x, w = (np.random.default_rng(n).standard_normal(length).astype(dtype) for length in (n, taps))
            full = np.convolve(x.astype(np.float64), w)
            for first, last in ((0, n + taps - 1), (taps - 1, n), (taps // 2, taps // 2 + 1)):
                with mock.patch.object(blocks, "fastest_points", lambda *arguments, points=points: (0.0, points)):
                    plan = blocks.OverlapPlan(taps, last - first, dtype)
                y = guarded(np.full(last - first, np.nan, dtype), back)
                plan(in_slices, guarded(x, back), guarded(w, back), first, y)
                limit = 8 * np.finfo(dtype).eps * np.linalg.norm(x) * np.linalg.norm(w)
                np.testing.assert_allclose(y, full[first:last], 0, limit, err_msg=f"{n} with {taps} in blocks of {size}, {dtype}")
                count += 1
    return count


def check_all(back: bool, scope: str, dtypes: list[str]) -> int:
    """Run what tables choose for much work only, or for odd geometry; return how many ran."""
    from .cases import CASES, NARROW_CASES

    count = check_winograd(back, scope, dtypes[:1]) + check_odd_geometry(back, dtypes) + check_overlap(back, dtypes)
    count += check_weight_parts(back, dtypes) + check_epilogues(back, dtypes)
    if scope == "part":
        with short_blocks():
            count += check_convolutions(back, "quick", dtypes)
    else:
        count += check_blocks(back)
    narrow = NARROW_CASES[:1] if scope == "part" else NARROW_CASES + (CASES if scope == "wide" else [])
    for case, dtype in product(narrow, dtypes if scope == "wide" else dtypes[:1]):
        count += check_narrow(case, dtype, partial(guarded, back=back))
    return count
