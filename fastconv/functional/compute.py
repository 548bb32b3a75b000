"""A convolution's output and gradients into arrays that are made and checked already, channels-last and contiguous.

Zero times infinity is NaN, and of all kernels the generic one alone leaves the zeros around an image out of the sums. So where
what these zeros are multiplied by isn't finite, the generic kernel computes the result anew ("fft" spreads NaN in any case). A few
results that have all of it in their sums tell whether it is finite: reading all weights takes some percent of a small image's time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import all_finite
from ..kernels.epilogue.finish import Epilogue, finish_task
from ..kernels.table import check_algorithm, choose
from ..runtime.threads import parallel_for
from ..shapes import ConvSpec


def convolve_into(
    operation: str,
    spec: ConvSpec,
    x: np.ndarray,
    w: np.ndarray,
    bias: Any,
    y: np.ndarray,
    algorithm: str,
    epilogue: Epilogue | None = None,
) -> None:
    """Compute y from x, w (*kernel, channels, filters) and bias, all channels-last and contiguous, and finish it."""
    check_algorithm(operation, "output", algorithm)
    if not y.size:
        return
    flat = x.reshape(-1), w.reshape(-1), bias, y.reshape(-1)
    if not x.size:
        y[...] = 0 if bias is None else bias
    elif epilogue is not None and _run_finished(operation, spec, algorithm, w, flat, epilogue):
        return
    else:
        run(operation, "output", spec, algorithm, w, y, *flat)
    if epilogue is not None:
        parallel_for(finish_task(flat[-1], epilogue))


def _run_finished(operation: str, spec: ConvSpec, algorithm: str, w: np.ndarray, flat: tuple, epilogue: Epilogue) -> bool:
    """Compute a finished result if the chosen kernel can, and return whether it is right: as `run`, for zeros of the border."""
    plan = choose(operation, "output", spec, w.dtype, algorithm)
    if not getattr(plan, "finishes", False):
        return False
    plan(parallel_for, *flat, epilogue)
    if not epilogue.not_finite[0] or not any(map(any, spec.pads)):
        return True
    return all_finite(w)


def input_grad_into(operation: str, spec: ConvSpec, dy: np.ndarray, w: np.ndarray, dx: np.ndarray, algorithm: str) -> None:
    """Compute dx, the gradient of convolve_into's x, from dy and w."""
    check_algorithm(operation, "input_grad", algorithm)
    if not dy.size:
        dx[...] = 0
    elif dx.size:
        run(operation, "input_grad", spec, algorithm, w, dx, dy.reshape(-1), w.reshape(-1), dx.reshape(-1))


def weight_grad_into(operation: str, spec: ConvSpec, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, algorithm: str) -> None:
    """Compute dw, the gradient of convolve_into's w, from x and dy."""
    check_algorithm(operation, "weight_grad", algorithm)
    if x.size and dy.size:
        run(operation, "weight_grad", spec, algorithm, dy, dw, x.reshape(-1), dy.reshape(-1), dw.reshape(-1))
    else:
        dw[...] = 0


def run(
    operation: str, row: str, spec: ConvSpec, algorithm: str, multiplied: np.ndarray, result: np.ndarray, *arrays: np.ndarray | None
) -> None:
    """Compute a result in the kernel that is chosen, and anew in the generic one if zeros were multiplied by what isn't finite."""
    plan = choose(operation, row, spec, multiplied.dtype, algorithm)
    plan(parallel_for, *arrays)
    if algorithm == "fft" or (row != "input_grad" and not any(map(any, spec.pads))):
        return
    if not _shows_finite(row, spec, result) and not all_finite(multiplied):
        choose(operation, row, spec, multiplied.dtype, "generic")(parallel_for, *arrays)


def _shows_finite(row: str, spec: ConvSpec, result: np.ndarray) -> bool:
    """Return whether results that have all of what is multiplied in their sums are there, and finite."""
    shape, index = {
        "output": (spec.output_shape, spec.whole_output),
        "input_grad": (spec.input_shape, spec.whole_inputs),
        "weight_grad": (spec.weight_shape, spec.whole_tap),
    }[row]
    return index is not None and all_finite(result.reshape(shape)[index])
