"""Correlation in NumPy's own result type, integers and complex numbers included: what the notebooks' functions are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FLOAT32, FLOAT64, as_array, kernel_ready
from ..functional.compute import run, weight_grad_into
from ..runtime.memory import buffer
from ..shapes import ConvSpec, check_shape, conv_spec

Pads = tuple[tuple[int, int], ...]


def _compute_type(result: np.dtype) -> np.dtype:
    """Return the type to compute in: integers and bools wrap the same way in 64 bits, half precision rounds once at the end."""
    if result.kind in "biu":
        return np.dtype(np.int64)
    if result.kind == "c":
        return np.dtype(np.complex128)
    return FLOAT32 if result in (FLOAT32, np.dtype(np.float16)) else FLOAT64


def _checked(name: str, rank: int, batched: bool, **arrays: Any) -> tuple[dict[str, np.ndarray], np.dtype]:
    """Return the arrays, with a batch axis and the kernel's two unit axes, of the right ranks, and their common result type."""
    checked = {}
    for argument, value in arrays.items():
        array = as_array(name, argument, value, complex_too=True)
        axes = rank + (batched and not argument.startswith("param"))
        if array.ndim != axes:
            several = array.ndim == axes + 1 and not batched and not argument.startswith("param")
            hint = f"; a batch is for {name}_batch" if several else ""
            raise ValueError(f"{name}: {argument} must have {axes} axes, but has {array.ndim}: shape {array.shape}{hint}")
        checked[argument] = array
    result = np.result_type(*checked.values())
    return checked, result


def _spec(name: str, images: np.ndarray, param: np.ndarray, batched: bool) -> ConvSpec:
    if param.size == 0:
        raise ValueError(f"{name}: the parameters must have at least one element, but have shape {param.shape}")
    size = images.shape[1:] if batched else images.shape
    pads = tuple((k // 2, k - 1 - k // 2) for k in param.shape)
    return conv_spec(name, (images.shape[0] if batched else 1, *size, 1), (*param.shape, 1, 1), 1, pads)


def _flat(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return kernel_ready(array, dtype).reshape(-1)


def same_correlation(name: str, rank: int, batched: bool, x: Any, param: Any) -> np.ndarray:
    """Return y[i] = sum of x[i + j - k // 2] * param[j] over j, zeros outside, of x's shape."""
    arrays, result = _checked(name, rank, batched, input=x, param=param)
    images, kernel = arrays["input"], arrays["param"]
    if kernel.size and not images.size:
        return np.zeros(images.shape, result)
    spec, dtype = _spec(name, images, kernel, batched), _compute_type(result)
    y = buffer(images.size, dtype)
    w = _flat(kernel, dtype)
    run(name, "output", spec, "auto", w, y, _flat(images, dtype), w, None, y)
    return _as_result(y.reshape(images.shape), result)


def same_input_grad(name: str, rank: int, batched: bool, x: Any, param: Any, out_grad: Any) -> np.ndarray:
    """Return the gradient of same_correlation with respect to x."""
    arrays, result = _checked(name, rank, batched, input=x, param=param, out_grad=out_grad)
    images, kernel, dy = arrays["input"], arrays["param"], arrays["out_grad"]
    check_shape(name, "out_grad", dy.shape, images.shape)
    if kernel.size and not images.size:
        return np.zeros(images.shape, result)
    spec, dtype = _spec(name, images, kernel, batched), _compute_type(result)
    dx = buffer(images.size, dtype)
    w = _flat(kernel, dtype)
    run(name, "input_grad", spec, "auto", w, dx, _flat(dy, dtype), w, dx)
    return _as_result(dx.reshape(images.shape), result)


def same_param_grad(name: str, rank: int, batched: bool, x: Any, param: Any, out_grad: Any) -> np.ndarray:
    """Return the gradient of same_correlation with respect to param, summed over a batch."""
    arrays, result = _checked(name, rank, batched, input=x, param=param, out_grad=out_grad)
    images, kernel, dy = arrays["input"], arrays["param"], arrays["out_grad"]
    check_shape(name, "out_grad", dy.shape, images.shape)
    if kernel.size and not images.size:
        return np.zeros(kernel.shape, result)
    spec, dtype = _spec(name, images, kernel, batched), _compute_type(result)
    dw = buffer(kernel.size, dtype)
    weight_grad_into(name, spec, _flat(images, dtype), _flat(dy, dtype), dw, "auto")
    return _as_result(dw.reshape(kernel.shape), result)


def _as_result(array: np.ndarray, result: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):  # half precision
        return array.astype(result, copy=False)
