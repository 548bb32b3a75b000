"""fastconv: convolutions on NumPy arrays, compiled by Numba, as fast as the CPU.

Importing this module compiles nothing and doesn't import numba; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "dropin": "ConvolutionLayer MaxPoolingLayer SoftmaxLayer Conv3x3 MaxPool2 Softmax",
    "dropin.functions": "zero_pad_1d zero_pad_2d conv_1d conv_1d_batch conv_2d conv_2d_batch input_1d_grads input_1d_grads_batch "
    "param_1d_grads param_1d_grads_batch input_2d_grads input_2d_grads_batch param_2d_grads param_2d_grads_batch",
    "dropin.training_step": "CNN_forward CNN_backprop CNN_training",
    "runtime.threads": "get_num_threads set_num_threads",
    "commands.info": "info",
    "commands.warmup": "warmup",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = ("datasets", "dropin", "functional", "nn", "signal", "testing")

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
