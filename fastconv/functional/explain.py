"""Which kernel a convolution runs in and why, how much work it is, how long it takes, and what this machine could do at most."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..arrays import FLOAT32, FLOAT64, float_type
from ..kernels.peak import copy_bandwidth, fma_peak
from ..kernels.table import TABLE, VARIABLE, check_algorithm, choose, chosen_row, preferred, refusal
from ..runtime.threads import parallel_for, used_threads
from ..shapes import ConvSpec, Ints, as_shape, conv_spec
from .border import border_of
from .conv import conv, conv_input_grad, conv_weight_grad
from .layout import CHANNELS_LAST, first_shape, is_first, last_shape, last_weight_shape

OPERATIONS = {
    f"conv{dims}d{ending}": (operation, dims, functions[dims - 1])
    for ending, operation, functions in (
        ("", "output", conv),
        ("_input_grad", "input_grad", conv_input_grad),
        ("_weight_grad", "weight_grad", conv_weight_grad),
    )
    for dims in (1, 2, 3)
}
LEAST_SECONDS, LEAST_RUNS = 0.2, 10


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; print it.

    Attributes
    ----------
    operation, dtype : str
        The function's name, and "float32" or "float64".
    input_shape, weight_shape, output_shape : tuple of int
        The convolution's shapes, channels last.
    algorithm, kernel : str
        The name for `algorithm=`, and the kernel's own, with its tile where it has one: pixels x vectors x lanes.
    reason : str
        Why it is this one.
    passed_over : tuple of (str, str)
        The algorithms that come before it in the table, or that a variable or argument keeps from running: each with the reason.
    flops, bytes : int
        Multiplications and additions of the sums as defined, zeros of the padding included; and the bytes of input, weights and
        output, each counted once.
    threads : int
        How many threads a call may use: what is set, or the CPUs that the process has.
    seconds : float or None
        The best of some calls; None if not measured.
    peak : float or None
        GFLOP/s of multiply-adds that never leave their registers, all threads together.
    bandwidth : float or None
        GB/s read and written by copying large arrays.

    Examples
    --------
    >>> from fastconv.functional import explain
    >>> found = explain("conv2d", (1, 28, 28, 1), (3, 3, 1, 32), measure=False)
    >>> found.algorithm, found.flops, found.bytes
    ('direct', 389376, 90816)
    """

    operation: str
    dtype: str
    input_shape: Ints
    weight_shape: Ints
    output_shape: Ints
    algorithm: str
    kernel: str
    reason: str
    passed_over: tuple[tuple[str, str], ...]
    flops: int
    bytes: int
    threads: int
    seconds: float | None = None
    peak: float | None = None
    bandwidth: float | None = None

    @property
    def intensity(self) -> float:
        """FLOPs for each byte."""
        return self.flops / self.bytes

    @property
    def gflops(self) -> float | None:
        """GFLOP/s reached."""
        return self.flops / self.seconds / 1e9 if self.seconds else None

    @property
    def share_of_peak(self) -> float | None:
        """The part of `peak` that is reached; above 1 for an algorithm that needs fewer multiplications than the sums have."""
        return self.gflops / self.peak if self.gflops and self.peak else None

    @property
    def roofline(self) -> float | None:
        """GFLOP/s that are possible at most: `peak`, or what `bandwidth` lets through if that is less."""
        return min(self.peak, self.bandwidth * self.intensity) if self.peak and self.bandwidth else None

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        lines = [
            f"{self.operation}, {self.dtype}, {threads}: {self.input_shape} with {self.weight_shape} gives {self.output_shape}",
            f"  kernel     {self.kernel}, algorithm {self.algorithm!r}: {self.reason}",
            *(f"             not {algorithm!r}: {reason}" for algorithm, reason in self.passed_over),
            f"  work       {self.flops:,} FLOP, {self.bytes:,} bytes: {self.intensity:.1f} FLOP a byte",
        ]
        if self.seconds and self.gflops and self.peak and self.bandwidth and self.roofline and self.share_of_peak is not None:
            bound = "multiply-adds" if self.roofline == self.peak else "memory"
            lines += [
                f"  time       {1e3 * self.seconds:.4f} ms: {self.gflops:.1f} GFLOP/s, {self.bytes / self.seconds / 1e9:.1f} GB/s",
                f"  machine    {self.peak:.0f} GFLOP/s of multiply-adds, of which this is {self.share_of_peak:.1%}; "
                f"{self.bandwidth:.0f} GB/s of copying",
                f"  bound      {self.roofline:.0f} GFLOP/s, by {bound}, of which this is {self.gflops / self.roofline:.1%}",
            ]
        return "\n".join(lines)


def explain(
    operation: str,
    x: np.ndarray | tuple[int, ...],
    w: np.ndarray | tuple[int, ...],
    *,
    stride: int | tuple[int, ...] = 1,
    padding: Any = "valid",
    padding_mode: str = "constant",
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    layout: str | None = None,
    algorithm: str = "auto",
    dtype: Any = None,
    measure: bool = True,
) -> Explanation:
    """Tell which kernel a convolution runs in and why, its work, and how near it comes to what this machine can do.

    Parameters
    ----------
    operation : str
        "conv1d", "conv2d", "conv3d", or one of these with "_input_grad" or "_weight_grad".
    x, w : tuple of int, or ndarray
        The shapes of the convolution's input and weights, for its gradients too; of an array, its shape and type are taken.
    stride, padding, padding_mode, dilation, groups, layout, algorithm
        As given to the function.
    dtype : float32 or float64, optional
        If not given: the arrays' type; float32 for shapes.
    measure : bool
        Whether to run the operation, on ones, and measure this machine's peaks: half a second or so more, compilation aside.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError, TypeError
        As the function itself; also for an operation that isn't in the list, a dtype other than the two, or arrays of no elements.

    Notes
    -----
    The time is the whole call's, with checks and allocation. Arrays that fit in a cache can pass the memory's bound. A transposed
    convolution is the input gradient of the convolution that has its result's shape as input. In PyTorch,
    ``torch.autograd.profiler.profile`` tells the times, and ``ONEDNN_VERBOSE=1`` the kernels.

    Examples
    --------
    >>> from fastconv.functional import explain
    >>> print(explain("conv2d_input_grad", (64, 56, 56, 64), (3, 3, 64, 64), stride=2, measure=False).reason)
    takes one group, or several of at least 4 channels and 4 filters each
    """
    if operation not in OPERATIONS:
        raise ValueError(f"explain: operation must be one of {list(OPERATIONS)}, but is {operation!r}")
    row, dims, function = OPERATIONS[operation]
    layout = CHANNELS_LAST[dims] if layout is None else layout
    first, kind = is_first(operation, layout, dims), _dtype(dtype, x, w)
    check_algorithm(operation, row, algorithm)
    shapes = [as_shape(operation, name, a.shape if isinstance(a, np.ndarray) else a, dims + 2) for name, a in (("x", x), ("w", w))]
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    spec = conv_spec(operation, last_shape(shapes[0], first), last_weight_shape(shapes[1], first), **geometry)
    if not prod(spec.output_shape) * prod(spec.weight_shape):
        raise ValueError(f"explain: there is nothing to compute for an input of {shapes[0]} and weights of {shapes[1]}")
    border = border_of(operation, spec, padding_mode)
    inner = spec if border is None else border.spec
    plan = choose(operation, row, inner, kind, algorithm)
    taken = chosen_row(row, inner, kind, algorithm)
    assert taken is not None
    seconds = peak = bandwidth = None
    if measure:
        options = {**geometry, "padding_mode": padding_mode, "layout": layout, "algorithm": algorithm}
        inputs = _inputs(row, shapes, first_shape(spec.output_shape, first), kind)
        seconds, peak, bandwidth = _measure(lambda: function(*inputs, **options), kind)
    return Explanation(
        operation, kind.name, spec.input_shape, spec.weight_shape, spec.output_shape, taken.name, plan.name,
        *_reasons(row, inner, kind, algorithm, taken.name),
        spec.flops, kind.itemsize * (prod(spec.input_shape) + prod(spec.weight_shape) + prod(spec.output_shape)),
        used_threads(), seconds, peak, bandwidth,
    )  # fmt: skip


def _dtype(dtype: Any, *operands: Any) -> np.dtype:
    arrays = [operand for operand in operands if isinstance(operand, np.ndarray)]
    if dtype is None:
        return float_type(*arrays) if arrays else FLOAT32
    if np.dtype(dtype) not in (FLOAT32, FLOAT64):
        raise ValueError(f"explain: dtype must be float32 or float64, but is {np.dtype(dtype)}")
    return np.dtype(dtype)


def _reasons(
    operation: str, spec: ConvSpec, dtype: np.dtype, algorithm: str, chosen: str
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return why the chosen algorithm runs, and why each of those that come before it in the table doesn't."""
    named = preferred() if algorithm == "auto" else algorithm
    asked = "asked for" if algorithm != "auto" else f"{VARIABLE} names it"
    passed, reason = [], ""
    for row in TABLE[operation]:
        refused = refusal(row, spec, dtype, algorithm)
        if row.name == chosen:
            reason = asked if named == chosen else f"takes {row.rule}"
            break
        passed.append((row.name, refused or f"{VARIABLE} names {chosen!r}"))
    return reason, tuple(passed)


def _inputs(operation: str, shapes: list[Ints], output_shape: Ints, dtype: np.dtype) -> tuple[Any, ...]:
    """Return what the function takes, of ones."""
    x, w, dy = (np.ones(shape, dtype) for shape in (*shapes, output_shape))
    return {"output": (x, w), "input_grad": (dy, w, shapes[0]), "weight_grad": (x, dy, shapes[1])}[operation]


def _measure(call: Any, dtype: np.dtype) -> tuple[float, float, float]:
    """Return the best seconds of some calls, and the machine's peak, the better of before and after them, and bandwidth."""
    call()
    seconds: list[float] = []
    peak = fma_peak(dtype)
    while sum(seconds) < LEAST_SECONDS or len(seconds) < LEAST_RUNS:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    peak = max(peak, fma_peak(dtype)) * used_threads()
    return min(seconds), peak, copy_bandwidth(parallel_for)
