"""Who fastconv is compared with: PyTorch in two layouts, JAX, ONNX Runtime and OpenVINO (outputs only), NumPy as one writes it.

A peer that isn't installed, can't compute the type, or can't be held to the number of threads or the instruction set is named and
left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from fastconv.kernels.peak import fma_peak
from fastconv.runtime.memory import aligned_copy
from fastconv.shapes import ConvSpec, conv_spec

from . import isa
from .peer_calls import OPERATIONS, Calls, LeftOutError, jax_calls, numpy_calls, onnx_calls, openvino_calls, torch_calls

PROBE = conv_spec("bench", (4, 56, 56, 64), (3, 3, 64, 64), 1, 1)
SPARE_CPUS = 0.25
"""So much more than its threads a peer may use, by the clock of the process."""
BEYOND_PEAK = 1.2
"""A peer that does so many times what the instruction set's multiply-adds allow isn't held to it; a machine drifts less."""


class Peer(NamedTuple):
    """The packages, how to get them, and what makes the calls; these return channels-last arrays."""

    modules: tuple[str, ...]
    install: str
    calls: Callable[[ConvSpec, np.ndarray, np.ndarray, np.ndarray, int], dict[str, Calls]]


PEERS = {
    "torch": Peer(("torch",), "torch==2.13.0", torch_calls),
    "jax": Peer(("jax", "jaxlib"), "jax", jax_calls),
    "onnxruntime": Peer(("onnx", "onnxruntime"), "onnx onnxruntime", onnx_calls),
    "openvino": Peer(("openvino",), "openvino", openvino_calls),
    "numpy": Peer(("numpy", "threadpoolctl"), "threadpoolctl", numpy_calls),
}


def hold_threads(threads: int) -> dict[str, str]:
    """Set what JAX reads when it is imported, and return it."""
    flags = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} intra_op_parallelism_threads={threads}"
    wanted = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(), "NPROC": str(threads)}
    os.environ.update(wanted)
    return wanted


def find(names: Iterable[str], dtype: str, threads: int, held: str | None = None) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what is known of each peer that can take part, and who is left out and why; `held` is the instruction set, if any."""
    found, left_out = {}, []
    for name in names:
        try:
            found[name] = _facts(name, dtype, threads, held)
        except LeftOutError as error:
            left_out.append(f"{name}: {error}")
    return found, left_out


def _facts(name: str, dtype: str, threads: int, held: str | None) -> dict[str, Any]:
    """Return a peer's versions and the CPUs it was seen to use; LeftOutError if it can't take part."""
    peer = PEERS[name]
    if any(find_spec(module) is None for module in peer.modules):
        raise LeftOutError(f"pip install {peer.install}")
    if reason := isa.refusal(name, held):
        raise LeftOutError(reason)
    calls = peer.calls(PROBE, *arrays_of(PROBE, dtype), threads)["output"]
    cpus, gflops = min(probe(calls), probe(calls))  # other peers' threads may still have been busy at first
    if cpus > threads + SPARE_CPUS:
        raise LeftOutError(f"used {cpus:.1f} CPUs where {threads} was asked for")
    peak = threads * fma_peak(np.dtype(dtype)) if held else np.inf
    if gflops > BEYOND_PEAK * peak:
        raise LeftOutError(f"isn't held to {held}: {gflops:.0f} GFLOP/s where its peak is {peak:.0f}")
    return {"versions": {module: version(module) for module in peer.modules}, "cpus": round(cpus, 2)}


def probe(calls: Calls) -> tuple[float, float]:
    """Return how many CPUs' time the calls of PROBE's output take in a second, and their GFLOP/s: the most that any does."""
    cpus = speed = 0.0
    for call in calls.values():
        call()
        cpu, start, done = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - start < 0.1:
            call()
            done += 1
        seconds = time.perf_counter() - start
        cpus, speed = max(cpus, (time.process_time() - cpu) / seconds), max(speed, done * PROBE.flops / seconds / 1e9)
    return cpus, speed


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
