"""ONNX's own node tests (the cases that its backends must pass) for convolution, pooling and activations."""

import warnings
from math import prod

import numpy as np
import pytest

from fastconv import functional as fn

pytest.importorskip("onnx", reason="onnx isn't installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx import helper
    from onnx.backend.test.case.node import collect_testcases

    ALL = collect_testcases(None)

FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
OPERATORS = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "MaxUnpool", "Softmax",
    "LogSoftmax", "Relu",
}  # fmt: skip
CASES = {c.name: c for c in ALL if len(c.model.graph.node) == 1 and c.model.graph.node[0].op_type in OPERATORS}


def padding(options, dims):
    """Return our padding option for ONNX's auto_pad and pads."""
    auto = options.get("auto_pad", b"NOTSET").decode()
    if auto != "NOTSET":
        return {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}[auto]
    pads = options.get("pads", [0] * 2 * dims)
    return tuple(zip(pads[:dims], pads[dims:], strict=True))


def geometry(options, x, *names):
    dims = x.ndim - 2
    renamed = {"strides": "stride", "dilations": "dilation", "group": "groups"}
    found = {renamed[name]: options[name] for name in names if name in options}
    found = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return {**found, "padding": padding(options, dims), "layout": FIRST[dims]}


def conv(options, x, w, b=None):
    return [getattr(fn, f"conv{x.ndim - 2}d")(x, w, b, **geometry(options, x, "strides", "dilations", "group"))]


def conv_transpose(options, x, w, b=None):
    dims = x.ndim - 2
    settings = geometry(options, x, "strides", "dilations", "group")
    extra = tuple(options.get("output_padding", (0,) * dims))
    if "output_shape" in options:  # ONNX works out the pads
        strides, dilations = options.get("strides", [1] * dims), options.get("dilations", [1] * dims)
        whole = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[2:], strides, w.shape[2:], dilations, strict=True)]
        total = [n + e - o for n, e, o in zip(whole, extra, options["output_shape"], strict=True)]
        extra = tuple(e + max(0, -t) for e, t in zip(extra, total, strict=True))
        upper = options.get("auto_pad", b"NOTSET") == b"SAME_UPPER"
        halves = [(max(0, t) // 2, max(0, t) - max(0, t) // 2) for t in total]
        settings["padding"] = tuple(h if upper else h[::-1] for h in halves)
    return [getattr(fn, f"conv_transpose{dims}d")(x, w, b, output_padding=extra, **settings)]


def max_pool(options, x):
    settings = {**geometry(options, x, "strides", "dilations"), "ceil_mode": bool(options.get("ceil_mode", 0))}
    settings.setdefault("stride", 1)
    y, indices = getattr(fn, f"max_pool{x.ndim - 2}d")(x, tuple(options["kernel_shape"]), return_indices=True, **settings)
    if options.get("storage_order"):  # column-major indices
        indices = np.ravel_multi_index(np.unravel_index(indices, x.shape[2:])[::-1], x.shape[:1:-1])
    images = np.arange(prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * (x.ndim - 2)) * prod(x.shape[2:])
    return [y, indices + images]  # ONNX's are flat over the whole tensor


def average_pool(options, x):
    settings = {**geometry(options, x, "strides", "dilations"), "ceil_mode": bool(options.get("ceil_mode", 0))}
    settings.setdefault("stride", 1)
    count = bool(options.get("count_include_pad", 0))
    return [getattr(fn, f"avg_pool{x.ndim - 2}d")(x, tuple(options["kernel_shape"]), count_include_pad=count, **settings)]


def lp_pool(options, x):
    settings = {**geometry(options, x, "strides", "dilations"), "ceil_mode": bool(options.get("ceil_mode", 0))}
    settings.setdefault("stride", 1)
    return [fn.lp_pool(x, tuple(options["kernel_shape"]), options.get("p", 2), **settings)]


def max_unpool(options, y, indices, output_shape=None):
    dims = y.ndim - 2
    kernel, strides = options["kernel_shape"], options.get("strides", [1] * dims)
    size = [(n - 1) * s + k for n, s, k in zip(y.shape[2:], strides, kernel, strict=True)]
    pooled = indices % prod(size)
    x = getattr(fn, f"max_unpool{dims}d")(y, pooled, (*y.shape[:2], *size), layout=FIRST[dims])
    if output_shape is None:
        return [x]
    return [np.pad(x, [(0, n - m) for n, m in zip(output_shape, x.shape, strict=True)])]


RUN = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "MaxUnpool": max_unpool,
    "GlobalAveragePool": lambda options, x: [fn.global_avg_pool(x, FIRST[x.ndim - 2], keepdims=True)],
    "GlobalMaxPool": lambda options, x: [fn.global_max_pool(x, FIRST[x.ndim - 2], keepdims=True)],
    "Softmax": lambda options, x: [fn.softmax(x, options.get("axis", -1))],
    "LogSoftmax": lambda options, x: [fn.log_softmax(x, options.get("axis", -1))],
    "Relu": lambda options, x: [fn.relu(x)],
}


@pytest.mark.parametrize("name", CASES)
def test_node(name):
    case = CASES[name]
    node = case.model.graph.node[0]
    options = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    for inputs, outputs in case.data_sets:
        results = RUN[node.op_type](options, *inputs)
        for mine, theirs in zip(results, outputs):
            np.testing.assert_allclose(mine, theirs, rtol=case.rtol, atol=1e-6)


def test_there_are_many():
    assert len(CASES) > 70
