"""What `tests.sums` measures of pooling, dense layers, softmax and losses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv import functional as fn

from .sums import dot, split, sums, total


def pooling(name: str, pool: Callable, dims: int, channels: int, most: int = 25, quick: bool = True) -> None:
    @sums(name, most, quick)
    def compute(n, numbers):
        x = numbers((1, *split(n, dims), channels))
        right, size = total(x, tuple(range(1, 1 + dims)))
        return pool(x, x.shape[1:-1]).reshape(-1), right[0] / n, size[0] / n


for dims in (1, 2, 3):
    layout = ("NWC", "NHWC", "NDHWC")[dims - 1]
    pooling(f"avg_pool{dims}d", getattr(fn, f"avg_pool{dims}d"), dims, 1)
    pooling(f"avg_pool{dims}d, 19 channels", getattr(fn, f"avg_pool{dims}d"), dims, 19, 20, dims == 2)
    pooling(f"adaptive_avg_pool, {dims} axes", lambda x, _, layout=layout: fn.adaptive_avg_pool(x, 1, layout), dims, 2, 22)
    pooling(f"global_avg_pool, {dims} axes", lambda x, _, layout=layout: fn.global_avg_pool(x, layout), dims, 1)


@sums("avg_pool2d, dilated", 20, True)
def _(n, numbers):
    h, w = split(n, 2)
    x = numbers((1, 2 * h - 1, 3 * w - 2, 3))
    right, size = total(x[:, ::2, ::3], (1, 2))
    return fn.avg_pool2d(x, (h, w), dilation=(2, 3)), right[:, None, None] / n, size[:, None, None] / n


for p in (1, 2, 3):

    @sums(f"lp_pool, p = {p}", quick=True)
    def _(n, numbers, p=p):
        x = numbers((1, *split(n, 2), 1))
        right = (np.abs(x.astype(np.float64)) ** p).sum() ** (1 / p)
        return fn.lp_pool(x, x.shape[1:3], p), right, right


@sums("avg_pool1d_grad, overlapping windows", 12, True)
def _(n, numbers):
    dy = numbers((1, n, 1))
    right, size = total(dy, (1,))
    return fn.avg_pool1d_grad(dy, (1, 2 * n - 1, 1), n, 1)[:, n - 1], right / n, size / n


for ties in ("first", "all", "split"):

    @sums(f"max_pool1d_grad, overlapping windows, {ties}", 12, ties == "first")
    def _(n, numbers, ties=ties):
        x, dy = np.zeros((1, 2 * n - 1, 1), np.float32), numbers((1, n, 1))
        x[0, n - 1] = 1
        return fn.max_pool1d_grad(dy, x, n, 1, ties=ties)[:, n - 1], *total(dy, (1,))


# Dense layers


@sums("linear, inputs", 22, True)
def _(n, numbers):
    x, w = numbers((2, n)), numbers((n, 8))
    return fn.linear(x, w), *dot(x, w)


@sums("linear, inputs, one output", 23, True)
def _(n, numbers):
    x, w = numbers((1, n)), numbers((n, 1))
    return fn.linear(x, w), *dot(x, w)


@sums("linear_input_grad, outputs", 22)
def _(n, numbers):
    dy, w = numbers((2, n)), numbers((8, n))
    return fn.linear_input_grad(dy, w), *dot(dy, w.T)


@sums("linear_weight_grad, rows", 22, True)
def _(n, numbers):
    x, dy = numbers((n, 3)), numbers((n, 5))
    return fn.linear_weight_grad(x, dy), *dot(x.T, dy)


@sums("linear_grad, bias", 22, True)
def _(n, numbers):
    dy = numbers((n, 5))
    return fn.linear_grad(dy, np.ones((n, 1), np.float32), np.ones((1, 5), np.float32))[2], *total(dy, (0,))


@sums("linear_grad, bias, one output", 25, True)
def _(n, numbers):
    dy = numbers((n, 1))
    return fn.linear_grad(dy, np.ones((n, 1), np.float32), np.ones((1, 1), np.float32))[2], *total(dy, (0,))


# Softmax and losses


def softmax_of(x: np.ndarray) -> np.ndarray:
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@sums("softmax, classes", 23, True)
def _(n, numbers):
    x = numbers((1, n))
    right = softmax_of(x)
    return fn.softmax(x), right, right


@sums("softmax_grad, classes", 23, True)
def _(n, numbers):
    y, dy = softmax_of(numbers((1, n))).astype(np.float32), numbers((1, n))
    mean, size = dot(dy, y.T)
    return fn.softmax_grad(dy, y), y * (dy - mean), y * size


@sums("log_softmax, classes", 23, True)
def _(n, numbers):
    x = numbers((1, n))
    right = np.log(softmax_of(x))
    return fn.log_softmax(x), right, np.abs(right)


@sums("log_softmax_grad, classes", 23, True)
def _(n, numbers):
    y, dy = np.log(softmax_of(numbers((1, n)))).astype(np.float32), numbers((1, n))
    mean, size = total(dy, (1,))
    e = np.exp(y.astype(np.float64))
    return fn.log_softmax_grad(dy, y), dy - e * mean, np.abs(dy) + e * size


@sums("cross_entropy, rows", 22, True)
def _(n, numbers):
    x = numbers((n, 2))
    right = -np.log(softmax_of(x)[:, 0]).mean()
    return fn.cross_entropy(x, np.zeros(n, int)), right, right
