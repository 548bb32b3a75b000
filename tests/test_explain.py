"""Which kernel runs: what is chosen today, what FASTCONV_KERNEL changes, and what `explain` says about it."""

import sys
from math import prod

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn
from fastconv.functional.explain import OPERATIONS
from fastconv.kernels.table import TABLE, chosen_row
from fastconv.runtime.machine import MANY_REGISTERS, VECTOR_BYTES
from fastconv.shapes import conv_spec

from .cases import CASES, PLANE_CASES, integers

ROWS = ("output", "input_grad", "weight_grad")
# (input, weights, options), dtypes, what each operation runs in. A faster kernel changes a row; a new one adds rows.
FLOATS = ("float32", "float64")
FEW_GRAD = "dot" if VECTOR_BYTES >= 64 else "narrow"
STEM_GRAD = "dot" if VECTOR_BYTES >= 32 else "narrow"
FEW = "narrow" if VECTOR_BYTES >= 64 else "direct"
EIGHT = "narrow" if VECTOR_BYTES >= 32 else "direct"
SEVEN = ("narrow" if MANY_REGISTERS else "direct",) * 2  # pixels in a line, of which one tile holds all
GROUPS_OF_8 = ("grouped",) * 3 if VECTOR_BYTES >= 64 else ("narrow", "narrow", "direct")
CHOICES = [
    # dense: first layers, 3x3, 1x1, stems, strided, tails, other dimensions
    (((64, 28, 28, 1), (3, 3, 1, 16)), FLOATS, (FEW, "dot", "direct")),
    (((64, 14, 14, 16), (5, 5, 16, 32)), FLOATS, ("narrow", "narrow", "direct")),
    (((64, 14, 14, 6), (5, 5, 6, 16)), FLOATS, (FEW, "narrow", "direct")),
    (((64, 14, 14, 6), (5, 5, 6, 40)), ("float32",), ("direct", FEW_GRAD, "direct")),
    (((4, 7, 7, 512), (3, 3, 512, 512), 1, 1), ("float64",), (*SEVEN, "direct")),
    (((4, 28, 28, 16), (3, 3, 16, 1)), FLOATS, ("dot", FEW, "direct")),
    (((64, 26, 26, 32), (3, 3, 32, 64)), ("float32",), ("winograd", "winograd", "winograd")),
    (((4, 14, 14, 256), (3, 3, 256, 256), 1, 1), ("float32",), ("winograd", "winograd", "winograd")),
    (((4, 14, 14, 256), (3, 3, 256, 256), 1, 1), ("float64",), ("direct", "direct", "direct")),
    (((4, 56, 56, 64), (1, 1, 64, 256)), FLOATS, ("direct", "direct", "pointwise")),
    (((4, 56, 56, 64), (1, 1, 64, 64)), FLOATS, ("direct", "direct", "direct")),
    (((4, 56, 56, 256), (1, 1, 256, 512), 2), FLOATS, ("direct", "direct", "pointwise")),
    (((4, 56, 56, 256), (1, 1, 256, 512), 1, 1), FLOATS, ("direct", "direct", "direct")),
    (((4, 224, 224, 3), (7, 7, 3, 64), 2, 3), ("float32",), ("direct", STEM_GRAD, "direct")),
    (((4, 224, 224, 3), (7, 7, 3, 64), 2, 3), ("float64",), ("direct", FEW_GRAD, "direct")),
    (((4, 224, 224, 3), (4, 4, 3, 96), 4), FLOATS, ("direct", "direct", "direct")),
    (((4, 56, 56, 128), (3, 3, 128, 128), 2, 1), FLOATS, ("direct", "direct", "direct")),
    (((8, 29, 29, 29), (3, 3, 29, 65), 1, 1, 2), FLOATS, ("narrow", "narrow", "direct")),
    (((1, 400, 400, 1), (3, 3, 1, 1)), FLOATS, ("plane", "plane", "plane")),
    (((1, 400, 400, 1), (3, 3, 1, 1), 2), FLOATS, ("direct", "direct", "direct")),
    (((1, 40, 40, 40, 1), (3, 3, 3, 1, 1)), FLOATS, ("plane", "plane", "direct")),
    (((1, 400, 400, 3), (7, 7, 1, 3), 1, 0, 1, 3), ("float32",), ("plane", "plane", "depthwise")),
    (((1, 400, 400, 16), (7, 7, 1, 16), 1, 0, 1, 16), FLOATS, ("depthwise", "depthwise", "depthwise")),
    (((2, 1000, 8), (5, 8, 16)), FLOATS, ("narrow", "narrow", "direct")),
    (((1, 8, 9, 10, 4), (3, 3, 3, 4, 8)), FLOATS, (EIGHT, FEW_GRAD, "direct")),
    # groups: depthwise, some large ones, many or small ones, several filters for a channel
    (((4, 28, 28, 256), (3, 3, 1, 256), 1, 1, 1, 256), FLOATS, ("depthwise", "depthwise", "depthwise")),
    (((4, 112, 112, 64), (3, 3, 1, 64), 2, 1, 1, 64), FLOATS, ("depthwise", "depthwise", "depthwise")),
    (((4, 28, 28, 256), (3, 3, 8, 256), 1, 1, 1, 32), FLOATS, GROUPS_OF_8),
    (((4, 14, 14, 256), (3, 3, 2, 256), 1, 1, 1, 128), FLOATS, ("grouped", "grouped", "grouped")),
    (((4, 14, 14, 512), (3, 3, 64, 512), 1, 1, 1, 8), ("float64",), ("direct", "direct", "direct")),
    (((4, 14, 14, 60), (3, 3, 3, 60), 1, 1, 1, 20), FLOATS, ("generic", "generic", "generic")),
    (((4, 14, 14, 64), (3, 3, 1, 128), 1, 1, 1, 64), FLOATS, ("generic", "generic", "generic")),
    # little work, and types without vectors
    (((1, 5, 5, 1), (3, 3, 1, 4)), FLOATS, ("generic", "generic", "generic")),
    (((1, 5, 5, 8), (3, 3, 1, 8), 1, 1, 1, 8), FLOATS, ("generic", "generic", "generic")),
    (((64, 28, 28, 1), (3, 3, 1, 16)), ("int64", "complex128"), ("generic", "generic", "generic")),
]
GRID = [
    pytest.param(conv_spec("test", *arguments), np.dtype(dtype), operation, algorithm, id=f"{arguments}-{dtype}-{operation}")
    for arguments, dtypes, algorithms in CHOICES
    for dtype in dtypes
    for operation, algorithm in zip(ROWS, algorithms)
]
X, W = (2, 12, 12, 12), (3, 3, 12, 16)


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.delenv("FASTCONV_KERNEL", raising=False)
    threads = fastconv.get_num_threads()
    yield
    fastconv.set_num_threads(threads)


@pytest.mark.parametrize(("spec", "dtype", "operation", "expected"), GRID)
def test_the_choice(spec, dtype, operation, expected):
    assert chosen_row(operation, spec, dtype).name == expected


def test_every_kernel_that_runs_unasked_is_chosen_somewhere():
    automatic = {(operation, row.name) for operation, rows in TABLE.items() for row in rows if row.automatic}
    assert {(case.values[2], case.values[3]) for case in GRID} == automatic


ALGORITHMS = [(operation, row) for operation, rows in TABLE.items() for row in rows]


@pytest.mark.parametrize(("operation", "row"), ALGORITHMS, ids=lambda value: getattr(value, "name", value))
def test_an_algorithm_is_the_name_of_its_file_or_folder_and_what_its_kernels_names_begin_with(operation, row):
    algorithm = "depthwise" if row.name == "grouped" else row.name  # small groups, down to one channel each
    for case in CASES + PLANE_CASES:
        if row.accepts(case.spec):
            plan = row.plan(case.spec, np.dtype("float32"))
            *_, folder, file = type(plan).__module__.split(".")
            assert algorithm in (folder, *file.split("_"), file)
            assert row.name == "winograd" or plan.name.startswith(f"{algorithm}_"), case.name
            break
    else:
        raise AssertionError("no case reaches it")


def test_every_kernel_says_what_it_takes():
    for rows in TABLE.values():
        for row in rows:
            assert row.accepts.__doc__, row
            assert row.rule == row.rule.strip(" .") and row.rule[0].islower() or row.rule[0].isdigit()


# FASTCONV_KERNEL


def test_the_variable_names_the_algorithm_that_runs_at_this_very_call(monkeypatch):
    spec, float32 = conv_spec("test", X, W), np.dtype("float32")
    x, w = integers(X, "float32", 1), integers(W, "float32", 2)
    y = fn.conv2d(x, w)
    for name, expected in (
        ("generic", "generic"),
        ("direct", "direct"),
        ("auto", "narrow"),
        ("", "narrow"),
        ("generic", "generic"),
    ):
        monkeypatch.setenv("FASTCONV_KERNEL", name)
        chosen = [chosen_row(operation, spec, float32).name for operation in TABLE]
        assert chosen == [expected, expected, expected.replace("narrow", "direct")]
        assert fn.explain("conv2d", X, W, measure=False).kernel.startswith(f"{expected}_")
        np.testing.assert_array_equal(fn.conv2d(x, w), y)


def test_the_variable_leaves_alone_what_its_algorithm_cant_do(monkeypatch):
    monkeypatch.setenv("FASTCONV_KERNEL", "depthwise")
    for case in GRID:
        spec, dtype, operation, expected = case.values
        applies = 1 < spec.groups == spec.channels == spec.filters and dtype.kind == "f"
        assert chosen_row(operation, spec, dtype).name == ("depthwise" if applies else expected)


def test_an_argument_wins_over_the_variable(monkeypatch):
    monkeypatch.setenv("FASTCONV_KERNEL", "generic")
    found = fn.explain("conv2d", X, W, algorithm="fft", measure=False)
    assert (found.algorithm, found.kernel, found.reason) == ("fft", "fft_float32", "asked for")
    assert fn.explain("conv2d", X, W, algorithm="direct", measure=False).kernel.startswith("direct_")


@pytest.mark.parametrize("name", ["fastest", "fft", "Direct", " "])
def test_a_name_that_the_variable_cant_have(monkeypatch, name):
    monkeypatch.setenv("FASTCONV_KERNEL", name)
    message = f"^FASTCONV_KERNEL must be 'auto' or one of \\['plane', .*'generic', .*\\], but is '{name}'$"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            fn.conv2d(np.ones(X), np.ones(W))
    with pytest.raises(ValueError, match=message):
        fn.explain("conv2d", X, W, measure=False)
    assert fn.conv2d(np.ones(X), np.ones(W), algorithm="direct")[0, 0, 0, 0] == 108


# explain


def explained(operation, spec, dtype, **options):
    name = f"conv{len(spec.size)}d" + ("" if operation == "output" else f"_{operation}")
    geometry = {"stride": spec.stride, "padding": spec.pads, "dilation": spec.dilation, "groups": spec.groups}
    return fn.explain(name, spec.input_shape, spec.weight_shape, dtype=dtype, measure=False, **geometry, **options)


@pytest.mark.parametrize(("spec", "dtype", "operation", "expected"), [case for case in GRID if case.values[1].kind == "f"])
def test_explain_tells_the_choice_and_who_was_passed_over(spec, dtype, operation, expected):
    found = explained(operation, spec, dtype)
    order = [row.name for row in TABLE[operation]]
    assert found.algorithm == expected
    assert [name for name, _ in found.passed_over] == order[: order.index(expected)]
    assert all(reason for _, reason in found.passed_over)
    assert found.flops == spec.flops
    assert found.bytes == dtype.itemsize * sum(map(prod, (spec.input_shape, spec.weight_shape, spec.output_shape)))
    assert found.intensity == found.flops / found.bytes


def test_the_reasons(monkeypatch):
    def reasons(operation, x, w, **options):
        found = fn.explain(operation, x, w, measure=False, **options)
        return {found.algorithm: found.reason, **dict(found.passed_over)}

    plain = reasons("conv2d", X, (3, 3, 12, 40), stride=2)
    assert plain["direct"] == "takes one group, or several of at least 4 channels and 4 filters each"
    assert plain["depthwise"] == "takes only a group and one filter for each of several channels"
    depthwise = reasons("conv2d_input_grad", (2, 12, 12, 16), (3, 3, 1, 16), groups=16)
    assert depthwise["depthwise"] == "takes a group and one filter for each of several channels"
    assert "direct" not in depthwise
    tiny = reasons("conv2d", (1, 5, 5, 1), (3, 3, 1, 4))
    assert tiny["generic"] == "takes everything"
    assert tiny["direct"] == "not worth compiling for less than 20,000 FLOPs"
    assert tiny["fft"] == "runs only if asked for"
    assert reasons("conv2d_weight_grad", X, W, algorithm="generic")["direct"] == "'generic' was asked for"
    monkeypatch.setenv("FASTCONV_KERNEL", "generic")
    named = reasons("conv2d", X, W)
    assert (named["generic"], named["direct"]) == ("FASTCONV_KERNEL names it", "FASTCONV_KERNEL names 'generic'")


def test_layouts_borders_and_arrays_are_understood():
    plain = fn.explain("conv2d", X, W, padding=1, measure=False)
    first = fn.explain("conv2d", (2, 12, 12, 12), (16, 12, 3, 3), padding=1, layout="NCHW", measure=False)
    assert first == plain and plain.output_shape == (2, 12, 12, 16) and plain.dtype == "float32"
    arrays = fn.explain("conv2d", np.zeros(X, np.int64), np.zeros(W, np.float32), measure=False)
    assert (arrays.dtype, arrays.input_shape, arrays.weight_shape) == ("float64", X, W)
    bordered = fn.explain("conv2d", X, W, padding=1, padding_mode="reflect", measure=False)
    assert (bordered.output_shape, bordered.flops) == (plain.output_shape, plain.flops)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_measured(operation, monkeypatch):
    dims = int(operation[4])
    fastconv.set_num_threads(1)
    shapes = (2, *(9, 8, 7)[:dims], 3), (*(3, 2, 1)[:dims], 3, 5)
    monkeypatch.setattr(sys.modules["fastconv.functional.explain"], "LEAST_SECONDS", 0)  # the function has the module's name
    found = fn.explain(operation, *shapes, algorithm="generic", padding_mode="edge", padding=1)
    assert found.threads == 1
    assert found.seconds > 0 and found.peak > 1 and found.bandwidth > 0
    assert found.gflops == found.flops / found.seconds / 1e9
    assert found.share_of_peak == found.gflops / found.peak < 1
    assert found.roofline == min(found.peak, found.bandwidth * found.intensity)
    unmeasured = fn.explain(operation, *shapes, measure=False)
    assert (unmeasured.seconds, unmeasured.gflops, unmeasured.share_of_peak, unmeasured.roofline) == (None,) * 4


def test_what_is_printed():
    found = fn.Explanation(
        "conv2d", "float32", (64, 28, 28, 1), (3, 3, 1, 16), (64, 26, 26, 16), "direct", "direct_float32_14x1x16",
        "takes one group", (("other", "takes only squares"),), 12_460_032, 2_970_432, 2, 0.5e-3, 200.0, 10.0,
    )  # fmt: skip
    assert str(found).splitlines() == [
        "conv2d, float32, 2 threads: (64, 28, 28, 1) with (3, 3, 1, 16) gives (64, 26, 26, 16)",
        "  kernel     direct_float32_14x1x16, algorithm 'direct': takes one group",
        "             not 'other': takes only squares",
        "  work       12,460,032 FLOP, 2,970,432 bytes: 4.2 FLOP a byte",
        "  time       0.5000 ms: 24.9 GFLOP/s, 5.9 GB/s",
        "  machine    200 GFLOP/s of multiply-adds, of which this is 12.5%; 10 GB/s of copying",
        "  bound      42 GFLOP/s, by memory, of which this is 59.4%",
    ]
    short = fn.explain("conv2d", X, W, measure=False)
    assert len(str(short).splitlines()) == 3 + len(short.passed_over)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("conv4d", X, W), {}, r"explain: operation must be one of \['conv1d', .*\], but is 'conv4d'"),
        (("conv2d", X, W), {"dtype": "int32"}, "explain: dtype must be float32 or float64, but is int32"),
        (("conv2d", X, (3, 3, 5, 16)), {}, "conv2d: the weights' channels x groups must be the input's"),
        (("conv2d", X[:3], W), {}, "conv2d: x must have 4 entries"),
        (("conv2d", X, W), {"layout": "NWC"}, "conv2d: layout must be one of"),
        (("conv2d", X, W), {"algorithm": "fastest"}, "conv2d: algorithm must be 'auto' or one of"),
        (("conv2d_weight_grad", X, W), {"algorithm": "depthwise"}, "algorithm 'depthwise' can't do 1 groups"),
        (("conv2d", (0, *X[1:]), W), {}, "explain: there is nothing to compute"),
        (("conv2d", "image", W), {}, "conv2d: x must have 4 entries, but is 'image'"),
        (("conv2d", X, W), {"padding_mode": "odd"}, "conv2d: padding_mode must be"),
    ],
)
def test_what_explain_refuses(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fn.explain(*arguments, measure=False, **options)
