"""How each peer computes a convolution's output and gradients; each gets its arrays in its own layout beforehand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastconv.shapes import ConvSpec


class LeftOutError(Exception):
    """Why a peer can't take part in a comparison."""


Calls = dict[str, Callable[[], Any]]
OPERATIONS = ("output", "input_grad", "weight_grad")


def torch_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return for each operation calls by the name of the layout; in one dimension of lines as images one pixel high.

    PyTorch itself makes such images of them, but has no channels-last layout for lines.
    """
    import torch

    torch.set_num_threads(threads)
    flat = len(spec.size) == 1
    if flat:
        x, w, dy = x[:, None], w[None], dy[:, None]
    conv, last = {4: (torch.conv2d, torch.channels_last), 5: (torch.conv3d, torch.channels_last_3d)}[x.ndim]
    stride, pads, dilation = (
        [*[fill] * flat, *given] for fill, given in ((1, spec.stride), (0, _equal_pads(spec)), (1, spec.dilation))
    )
    calls: dict[str, Calls] = {operation: {} for operation in OPERATIONS}

    def as_given(images):
        images = images.movedim(1, -1)
        return images[:, 0] if flat else images

    def as_weights(gradient):
        gradient = gradient.movedim((0, 1), (-1, -2))
        return gradient[0] if flat else gradient

    for name, memory in (("torch NCHW", torch.contiguous_format), ("torch channels_last", last)):
        tx, ty = (torch.from_numpy(a).movedim(-1, 1).contiguous(memory_format=memory) for a in (x, dy))
        tw = torch.from_numpy(w).movedim((-1, -2), (0, 1)).contiguous(memory_format=memory)

        def forward(tx=tx, tw=tw):
            with torch.no_grad():
                return conv(tx, tw, stride=stride, padding=pads, dilation=dilation, groups=spec.groups)

        def backward(mask, tx=tx, tw=tw, ty=ty):
            zeros = [0] * len(stride)
            return torch.ops.aten.convolution_backward(ty, tx, tw, None, stride, pads, dilation, False, zeros, spec.groups, mask)

        calls["output"][name] = lambda f=forward: as_given(f())
        calls["input_grad"][name] = lambda b=backward: as_given(b([True, False, False])[0])
        calls["weight_grad"][name] = lambda b=backward: as_weights(b([False, True, False])[1])
    return calls


def jax_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return calls of compiled functions, channels last; gradients by automatic differentiation, without the output."""
    import jax

    jax.config.update("jax_enable_x64", True)
    axes = "DHW"[-len(spec.size) :]

    def conv(x, w):
        return jax.lax.conv_general_dilated(
            x, w, spec.stride, spec.pads, rhs_dilation=spec.dilation, feature_group_count=spec.groups,
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
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

    images, weights = _channels_first(x, w)
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
    options.add_session_config_entry("session.force_spinning_stop", "1")  # after each call
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {"output": {"onnxruntime": lambda: np.moveaxis(session.run(None, {"x": images})[0], 1, -1)}}


def openvino_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return a call of a model of one node whose weights are constants, compiled for a single call's time and for float32."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it would fork processes meanwhile, which send
    import openvino
    from openvino import opset13

    images, weights = _channels_first(x, w)
    given = opset13.parameter(images.shape, np.float32)
    before, after = zip(*spec.pads, strict=True)
    make = opset13.convolution
    if spec.groups > 1:
        make, weights = opset13.group_convolution, weights.reshape(spec.groups, -1, *weights.shape[1:])
    node = make(given, opset13.constant(weights), spec.stride, before, after, spec.dilation)
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    model = openvino.Core().compile_model(openvino.Model([node], [given], "convolution"), "CPU", hints)
    request = model.create_infer_request()
    request.set_input_tensor(openvino.Tensor(images))

    def output():
        request.infer()
        return np.moveaxis(request.get_output_tensor().data, 1, -1)

    return {"output": {"openvino": output}}


def numpy_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return calls of sliding_window_view and tensordot; one group and no dilation only."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if spec.groups > 1 or max(spec.dilation) > 1:
        return {}
    kernel, dims = spec.kernel, len(spec.kernel)
    axes, taps = tuple(range(1, dims + 1)), tuple(range(dims))
    summed = (tuple(range(dims + 2, 2 * dims + 2)), dims + 1)
    steps = (slice(None), *(slice(None, None, s) for s in spec.stride))
    flipped = (slice(None, None, -1),) * dims
    spread = [(n - 1) * s + 1 for n, s in zip(spec.outputs, spec.stride, strict=True)]
    around = [
        (k - 1 - before, size + before - n) for k, (before, _), size, n in zip(kernel, spec.pads, spec.size, spread, strict=True)
    ]

    def windows(image):
        return np.lib.stride_tricks.sliding_window_view(image, kernel, axes)

    def output():
        return np.tensordot(windows(_pad(x, spec.pads))[steps], w, ((*summed[0], summed[1]), (*taps, dims)))

    def input_grad():
        zeros = np.zeros((len(dy), *spread, spec.filters), dy.dtype)
        zeros[steps] = dy
        return np.tensordot(windows(_pad(zeros, around)), w[flipped], ((*summed[0], summed[1]), (*taps, dims + 1)))

    def weight_grad():
        pixels = (0, *axes)
        return np.moveaxis(np.tensordot(windows(_pad(x, spec.pads))[steps], dy, (pixels, pixels)), 0, dims)

    return {"output": {"numpy": output}, "input_grad": {"numpy": input_grad}, "weight_grad": {"numpy": weight_grad}}


def _channels_first(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images and weights as ONNX and OpenVINO have them; neither has a fast convolution of float64."""
    if x.dtype != np.float32:
        raise LeftOutError(f"has no convolution of {x.dtype}")
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)), np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))


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
