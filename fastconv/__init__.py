"""fastconv: convolutions on NumPy arrays, compiled by Numba, as fast as the CPU.

Importing this module compiles nothing and doesn't import numba; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ConvolutionLayer": "layers", "MaxPoolingLayer": "layers", "SoftmaxLayer": "layers",
    "Conv3x3": "layers", "MaxPool2": "layers", "Softmax": "layers",
    "zero_pad_1d": "notebook", "zero_pad_2d": "notebook",
    "conv_1d": "notebook", "conv_1d_batch": "notebook", "conv_2d": "notebook", "conv_2d_batch": "notebook",
    "input_1d_grads": "notebook", "input_1d_grads_batch": "notebook",
    "param_1d_grads": "notebook", "param_1d_grads_batch": "notebook",
    "input_2d_grads": "notebook", "input_2d_grads_batch": "notebook",
    "param_2d_grads": "notebook", "param_2d_grads_batch": "notebook",
    "CNN_forward": "notebook_training", "CNN_backprop": "notebook_training", "CNN_training": "notebook_training",
    "get_num_threads": "_threads", "set_num_threads": "_threads",
    "info": "_info", "warmup": "_warmup",
}  # fmt: skip
_MODULES = ("datasets", "functional", "layers", "signal", "testing")

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
