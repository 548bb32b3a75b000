"""Who fastconv is compared with: PyTorch in its two layouts. A peer that isn't installed is named and left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.shapes import ConvSpec

Calls = dict[str, Callable[[], Any]]


def torch_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray, threads: int) -> dict[str, Calls]:
    """Return, for each operation, calls by the name of the layout, each returning a channels-last NumPy array."""
    import torch

    torch.set_num_threads(threads)
    pads = [before for before, _ in spec.pads]
    if pads != [after for _, after in spec.pads]:
        raise ValueError("torch_calls: PyTorch pads both sides alike")
    calls: dict[str, Calls] = {"output": {}, "input_grad": {}, "weight_grad": {}}
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


def missing_peers() -> list[str]:
    """Return the peers that can't be imported."""
    try:
        import torch  # noqa: F401  # only whether it is there
    except ImportError:
        return ["torch (pip install torch==2.13.0)"]
    return []
