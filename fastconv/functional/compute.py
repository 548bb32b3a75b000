"""A convolution's output and gradients into arrays that are made and checked already, channels-last and contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _threads
from .._arrays import all_finite
from ..kernels.table import check_algorithm, choose
from ..shapes import ConvSpec


def choose_exact(operation: str, row: str, spec: ConvSpec, algorithm: str, multiplied: np.ndarray) -> Any:
    """Return the plan that is chosen, but the generic one where what the zeros around an image are multiplied by isn't finite.

    Zero times infinity is NaN, and of all kernels the generic one alone leaves the zeros out. "fft" spreads NaN in any case.
    """
    plan = choose(operation, row, spec, multiplied.dtype, algorithm)
    if algorithm == "fft" or (row != "input_grad" and not any(map(any, spec.pads))) or all_finite(multiplied):
        return plan
    return choose(operation, row, spec, multiplied.dtype, "generic")


def convolve_into(operation: str, spec: ConvSpec, x: np.ndarray, w: np.ndarray, bias: Any, y: np.ndarray, algorithm: str) -> None:
    """Compute y from x, w (*kernel, channels, filters) and bias, all channels-last and contiguous."""
    check_algorithm(operation, "output", algorithm)
    if not x.size:
        y[...] = 0 if bias is None else bias
    elif y.size:
        plan = choose_exact(operation, "output", spec, algorithm, w)
        plan(_threads.split, x.reshape(-1), w.reshape(-1), bias, y.reshape(-1))


def input_grad_into(operation: str, spec: ConvSpec, dy: np.ndarray, w: np.ndarray, dx: np.ndarray, algorithm: str) -> None:
    """Compute dx, the gradient of convolve_into's x, from dy and w."""
    check_algorithm(operation, "input_grad", algorithm)
    if not dy.size:
        dx[...] = 0
    elif dx.size:
        plan = choose_exact(operation, "input_grad", spec, algorithm, w)
        plan(_threads.split, dy.reshape(-1), w.reshape(-1), dx.reshape(-1))


def weight_grad_into(operation: str, spec: ConvSpec, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, algorithm: str) -> None:
    """Compute dw, the gradient of convolve_into's w, from x and dy."""
    check_algorithm(operation, "weight_grad", algorithm)
    if x.size and dy.size:
        arrays = x.reshape(-1), dy.reshape(-1), dw.reshape(-1)
        plan = choose(operation, "weight_grad", spec, x.dtype, algorithm)
        plan(_threads.split, *arrays)
        exact = plan if all_finite(dw) else choose_exact(operation, "weight_grad", spec, algorithm, dy)
        if exact is not plan:
            exact(_threads.split, *arrays)
    else:
        dw[...] = 0
