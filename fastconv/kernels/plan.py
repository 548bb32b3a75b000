"""What plans are called with, whatever their algorithm: the contract between the table and its kernels.

A plan has everything chosen for one shape and type: the kernel and its tile, the order of the work, tables of positions. It is made
once and called as often as one likes, by several threads at once, too. All arrays are flat, contiguous, of the plan's type, images
channels-last, weights (*kernel, channels / groups, filters).

A plan computes nothing itself: it gives its tasks to `run`, one after the other. With `parallel_for` each has been done when `run`
returns; with a list's `append` they become a Program, which does them again and again on whatever the arrays hold by then.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from ..runtime.task import Run


class Packed(NamedTuple):
    """Weights in the order in which the kernels of one plan read them, and as they were."""

    weights: np.ndarray
    ordered: np.ndarray


class OutputPlan(Protocol):
    """y = the convolution of x with w, plus a bias for each filter if it isn't None.

    A plan packs the weights at every call; one with `pack` does it once for many: plan(run, x, plan.pack(run, w), bias, y). One
    that `finishes` takes a further argument, an Epilogue or None, and does that to each part of y before it leaves the cache.
    """

    name: str

    def __call__(self, run: Run, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, y: np.ndarray) -> None: ...


class InputGradPlan(Protocol):
    """dx = the gradient of OutputPlan's x, from that of its y."""

    name: str

    def __call__(self, run: Run, dy: np.ndarray, w: np.ndarray, dx: np.ndarray) -> None: ...


class WeightGradPlan(Protocol):
    """dw = the gradient of OutputPlan's w, from that of its y."""

    name: str

    def __call__(self, run: Run, x: np.ndarray, dy: np.ndarray, dw: np.ndarray) -> None: ...


Plan = OutputPlan | InputGradPlan | WeightGradPlan
