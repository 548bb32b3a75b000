"""Who fastconv is compared with: PyTorch in two layouts, JAX, ONNX Runtime (outputs only), and NumPy as one writes it.

Each gets its arrays in its own layout beforehand. A peer that isn't installed, can't compute the type, or can't be held to the
number of threads is named and left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from fastconv.runtime.memory import aligned_copy
from fastconv.shapes import ConvSpec, conv_spec


class LeftOutError(Exception):
    """Why a peer can't take part in a comparison."""


Calls = dict[str, Callable[[], Any]]
OPERATIONS = ("output", "input_grad", "weight_grad")
PROBE = conv_spec("bench", (4, 56, 56, 64), (3, 3, 64, 64), 1, 1)
SPARE_CPUS = 0.25
"""So much more than its threads a peer may use, by the clock of the process."""


def torch_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return for each operation calls by the name of the layout."""
    import torch

    torch.set_num_threads(threads)
    pads = _equal_pads(spec)
    calls: dict[str, Calls] = {operation: {} for operation in OPERATIONS}
    for name, memory in (("torch NCHW", torch.contiguous_format), ("torch channels_last", torch.channels_last)):
        tx, ty = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=memory) for a in (x, dy))
        tw = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=memory)

        def forward(tx=tx, tw=tw):
            with torch.no_grad():
                y = torch.nn.functional.conv2d(tx, tw, stride=spec.stride, padding=pads, dilation=spec.dilation, groups=spec.groups)
            return y

        def backward(mask, tx=tx, tw=tw, ty=ty):
            return torch.ops.aten.convolution_backward(
                ty, tx, tw, None, spec.stride, pads, spec.dilation, False, [0, 0], spec.groups, mask
            )

        calls["output"][name] = lambda f=forward: f().permute(0, 2, 3, 1)
        calls["input_grad"][name] = lambda b=backward: b([True, False, False])[0].permute(0, 2, 3, 1)
        calls["weight_grad"][name] = lambda b=backward: b([False, True, False])[1].permute(2, 3, 1, 0)
    return calls


def jax_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return calls of compiled functions, channels last; gradients by automatic differentiation, without the output."""
    import jax

    jax.config.update("jax_enable_x64", True)

    def conv(x, w):
        return jax.lax.conv_general_dilated(
            x, w, spec.stride, spec.pads, rhs_dilation=spec.dilation, feature_group_count=spec.groups,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip

    functions = {
        "output": jax.jit(lambda x, w, dy: conv(x, w)),
        "input_grad": jax.jit(lambda x, w, dy: jax.vjp(lambda x: conv(x, w), x)[1](dy)[0]),
        "weight_grad": jax.jit(lambda x, w, dy: jax.vjp(lambda w: conv(x, w), w)[1](dy)[0]),
    }
    arrays = [jax.device_put(a) for a in (x, w, dy)]
    return {name: {"jax": lambda f=function: f(*arrays).block_until_ready()} for name, function in functions.items()}


def onnx_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return a call of a model of one node whose weights are constants, so packed beforehand."""
    import onnx
    import onnxruntime
    from onnx import helper

    if x.dtype != np.float32:
        raise LeftOutError(f"has no convolution of {x.dtype}")
    images, weights = (np.ascontiguousarray(a) for a in (np.moveaxis(x, 3, 1), np.moveaxis(w, (3, 2), (0, 1))))
    before, after = zip(*spec.pads, strict=True)
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], strides=spec.stride, pads=before + after, dilations=spec.dilation, group=spec.groups
    )
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node], "convolution",
        [helper.make_tensor_value_info("x", kind, images.shape)], [helper.make_tensor_value_info("y", kind, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {"output": {"onnxruntime": lambda: np.moveaxis(session.run(None, {"x": images})[0], 1, 3)}}


def numpy_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return calls of sliding_window_view and tensordot; one group and no dilation only."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if spec.groups > 1 or max(spec.dilation) > 1:
        return {}
    (sh, sw), kernel = spec.stride, spec.kernel
    spread = [(n - 1) * s + 1 for n, s in zip(spec.outputs, spec.stride, strict=True)]
    around = [
        (k - 1 - before, size + before - n) for k, (before, _), size, n in zip(kernel, spec.pads, spec.size, spread, strict=True)
    ]

    def windows(image, sh=1, sw=1):
        return np.lib.stride_tricks.sliding_window_view(image, kernel, (1, 2))[:, ::sh, ::sw]

    def input_grad():
        zeros = np.zeros((len(dy), *spread, spec.filters), dy.dtype)
        zeros[:, ::sh, ::sw] = dy
        return np.tensordot(windows(_pad(zeros, around)), w[::-1, ::-1], ((4, 5, 3), (0, 1, 3)))

    return {
        "output": {"numpy": lambda: np.tensordot(windows(_pad(x, spec.pads), sh, sw), w, ((4, 5, 3), (0, 1, 2)))},
        "input_grad": {"numpy": input_grad},
        "weight_grad": {
            "numpy": lambda: np.tensordot(windows(_pad(x, spec.pads), sh, sw), dy, ((0, 1, 2),) * 2).transpose(1, 2, 0, 3)
        },
    }


class Peer(NamedTuple):
    """The packages, how to get them, and what makes the calls; these return channels-last arrays."""

    modules: tuple[str, ...]
    install: str
    calls: Callable[[ConvSpec, np.ndarray, np.ndarray, np.ndarray, int], dict[str, Calls]]


PEERS = {
    "torch": Peer(("torch",), "torch==2.13.0", torch_calls),
    "jax": Peer(("jax", "jaxlib"), "jax", jax_calls),
    "onnxruntime": Peer(("onnx", "onnxruntime"), "onnx onnxruntime", onnx_calls),
    "numpy": Peer(("numpy", "threadpoolctl"), "threadpoolctl", numpy_calls),
}


def hold_threads(threads: int) -> dict[str, str]:
    """Set what JAX reads when it is imported, and return it."""
    flags = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} intra_op_parallelism_threads={threads}"
    wanted = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(), "NPROC": str(threads)}
    os.environ.update(wanted)
    return wanted


def find(names: Iterable[str], dtype: str, threads: int) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what is known of each peer that can take part, and who is left out and why."""
    found, left_out = {}, []
    for name in names:
        peer = PEERS[name]
        missing = [module for module in peer.modules if find_spec(module) is None]
        if missing:
            left_out.append(f"{name}: pip install {peer.install}")
            continue
        try:
            cpus = cpus_used(peer.calls(PROBE, *arrays_of(PROBE, dtype), threads)["output"])
        except LeftOutError as error:
            left_out.append(f"{name}: {error}")
            continue
        if cpus > threads + SPARE_CPUS:
            left_out.append(f"{name}: used {cpus:.1f} CPUs where {threads} was asked for")
            continue
        found[name] = {"versions": {module: version(module) for module in peer.modules}, "cpus": round(cpus, 2)}
    return found, left_out


def cpus_used(calls: Calls) -> float:
    """Return how many CPUs' time the calls take in a second: the most that any of them does."""
    most = 0.0
    for call in calls.values():
        call()
        cpu, start = time.process_time(), time.perf_counter()
        while time.perf_counter() - start < 0.1:
            call()
        most = max(most, (time.process_time() - cpu) / (time.perf_counter() - start))
    return most


def arrays_of(spec: ConvSpec, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random x, w and dy, in aligned memory as fastconv's results are, and as the peers' own arrays."""
    rng, kind = np.random.default_rng(0), np.dtype(dtype)
    x, w, dy = (aligned_copy(rng.standard_normal(s), kind) for s in (spec.input_shape, spec.weight_shape, spec.output_shape))
    return x, w, dy


def all_calls(names: Iterable[str], spec: ConvSpec, arrays: tuple[np.ndarray, ...], threads: int) -> dict[str, Calls]:
    """Return for each operation the calls of all the named peers that can do it."""
    calls: dict[str, Calls] = {operation: {} for operation in OPERATIONS}
    for name in names:
        for operation, more in PEERS[name].calls(spec, *arrays, threads).items():
            calls[operation] |= more
    return calls


def _pad(image: np.ndarray, pads: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return the images with zeros around them; a negative number cuts pixels off."""
    pads = list(pads)
    cut = tuple(slice(max(0, -before), -max(0, -after) or None) for before, after in pads)
    return np.pad(image[(slice(None), *cut)], ((0, 0), *((max(0, b), max(0, a)) for b, a in pads), (0, 0)))


def _equal_pads(spec: ConvSpec) -> list[int]:
    pads = [before for before, _ in spec.pads]
    if pads != [after for _, after in spec.pads]:
        raise ValueError("torch_calls: PyTorch pads both sides alike")
    return pads
