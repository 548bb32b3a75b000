"""Compile ahead of time what most programs call, so that their first calls don't wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import numpy as np

from ..messages.waiting import said_already


def _steps() -> list[tuple[str, Callable[[], object]]]:
    """Return (what it is, how to compile it)."""
    from .. import functional as fn
    from ..dropin import ConvolutionLayer, MaxPoolingLayer, SoftmaxLayer
    from ..nn.models import MODELS
    from ..nn.training.trial import compile_kernels

    def notebook(filters: int) -> None:
        state = np.random.get_state()  # the layers draw from the global state; leave it as it was
        try:
            layers = (ConvolutionLayer(filters, 3), MaxPoolingLayer(2), SoftmaxLayer(169 * filters, 10))
        finally:
            np.random.set_state(state)
        conv, pool, dense = layers
        probabilities = dense.forward_prop(pool.forward_prop(conv.forward_prop(np.zeros((28, 28)))))
        conv.back_prop(pool.back_prop(dense.back_prop(probabilities, 0.0)), 0.0)

    def convolutions(dtype: str, filters: int) -> None:
        x, w = np.zeros((1, 28, 28, 16), dtype), np.zeros((3, 3, 16, filters), dtype)
        y = fn.conv2d(x, w, padding="same")
        fn.conv2d_input_grad(y, w, x.shape, padding="same")
        fn.conv2d_weight_grad(x, y, w.shape, padding="same")

    def pooling(dtype: str) -> None:
        x = np.zeros((1, 4, 4, 16), dtype)
        fn.max_pool2d_grad(fn.max_pool2d(x, 2), x, 2)
        fn.avg_pool2d_grad(fn.avg_pool2d(x, 2), x.shape, 2)

    def dense_layers(dtype: str) -> None:
        x, w = np.zeros((64, 128), dtype), np.zeros((128, 10), dtype)
        y = fn.linear(x, w)
        fn.linear_input_grad(y, w)
        fn.linear_weight_grad(x, y)
        fn.log_softmax(y)
        fn.softmax(y)

    def training(model: str) -> None:  # of MNIST's images
        build, recipe = MODELS[model]
        compile_kernels(build((28, 28), 10, 0), recipe, 60_000, 10_000)

    steps: list[tuple[str, Callable[[], object]]] = []
    steps += [(f"training, the model {model}", partial(training, model)) for model in ("seed", "small")]
    steps += [(f"the notebooks' layers, {filters} filters", partial(notebook, filters)) for filters in (8, 16)]
    for dtype in ("float32", "float64"):
        for filters in (16, 32):
            steps.append((f"convolutions, {dtype}, {filters} filters", partial(convolutions, dtype, filters)))
        steps.append((f"pooling, {dtype}", partial(pooling, dtype)))
        steps.append((f"dense layers, {dtype}", partial(dense_layers, dtype)))
    return steps


def warmup(say: Callable[[str], object] | None = None) -> float:
    """Compile the kernels that most programs call, or load them from the cache, and return the seconds it took.

    Parameters
    ----------
    say : callable, optional
        Takes a line of text for each step.
    """
    began = time.perf_counter()
    steps = _steps()
    for number, (name, compile_it) in enumerate(steps, 1):
        start = time.perf_counter()
        with nullcontext() if say is None else said_already():
            compile_it()
        if say is not None:
            say(f"{number} of {len(steps)}: {name}, {time.perf_counter() - start:.2f} s")
    return time.perf_counter() - began
