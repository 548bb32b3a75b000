"""What `tests.sums` measures of networks, of the notebooks' layers and functions, and of fastconv.signal."""

from __future__ import annotations

import numpy as np

from fastconv import ConvolutionLayer, MaxPoolingLayer, SoftmaxLayer, nn, param_1d_grads, signal
from fastconv.nn.fusion import conv_pool_dense

from .sums import dot, split, sums, total


def network(layers: list, shape: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(layers, input_shape=shape)


def gradient_of(model: nn.Sequential, x: np.ndarray, y: np.ndarray, number: int, name: str) -> np.ndarray:
    """Return one array of the gradient."""
    loss = "cross_entropy" if y.dtype.kind == "i" else "mse"
    return model.views(model.gradient(x, y, loss=loss)[1])[number][name]


def squared_gradient(model: nn.Sequential, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return the targets for which the gradient of the squared error by the results, all at 0, is dy / 2**k, exactly."""
    return -dy.reshape(len(x), -1)


@sums("nn bias of Conv2D, pixels", 23)
def _(n, numbers):
    h, w = split(n, 2)
    model = network([nn.Conv2D(1, 1)], (h, w, 1))
    model.parameters[:] = 0
    dy = numbers((1, h, w, 1))
    found = gradient_of(model, np.ones((1, h, w, 1), np.float32), -dy.reshape(1, -1), 0, "bias")
    right, size = total(dy, (0, 1, 2))
    return found, 2 * right / n, 2 * size / n


@sums("nn bias of Conv2D, images", 20)
def _(n, numbers):
    model = network([nn.Conv2D(3, 1)], (2, 2, 1))
    model.parameters[:] = 0
    dy = numbers((n // 4, 2, 2, 3))
    found = gradient_of(model, np.ones((n // 4, 2, 2, 1), np.float32), -dy.reshape(n // 4, -1), 0, "bias")
    right, size = total(dy, (0, 1, 2))
    return found, right / (6 * n / 4), size / (6 * n / 4)


@sums("nn bias of Conv2D before MaxPool2D", 22, True)
def _(n, numbers):
    h, w = split(n, 2)
    model = network([nn.Conv2D(1, 1), nn.MaxPool2D(2)], (2 * h, 2 * w, 1))
    model.parameters[:] = 0
    dy = numbers((1, h, w, 1))
    found = gradient_of(model, np.ones((1, 2 * h, 2 * w, 1), np.float32), -dy.reshape(1, -1), 0, "bias")
    right, size = total(dy, (0, 1, 2))
    return found, 2 * right / n, 2 * size / n


for name in ("kernel", "bias"):

    @sums(f"nn {name} of Dense, rows", 22, True)
    def _(n, numbers, name=name):
        model = network([nn.Dense(2)], (1,))
        model.parameters[:] = 0
        dy, x = numbers((n, 2)), np.ones((n, 1), np.float32)
        right, size = total(dy, (0,))
        return gradient_of(model, x, -dy, 0, name).reshape(-1), right / n, size / n


@sums("nn GlobalAvgPool2D", 23, True)
def _(n, numbers):
    h, w = split(n, 2)
    model = network([nn.GlobalAvgPool2D()], (h, w, 1))
    model.loss = "mean_squared_error"
    x = numbers((1, h, w, 1))
    right, size = total(x, (1, 2))
    return model.predict(x), right / n, size / n


# Batch normalisation: statistics of numbers around 0, and far from it


def normalized(x: np.ndarray) -> nn.Sequential:
    """Return a model that consists of a batch normalisation, whose running statistics have become x's."""
    model = network([nn.BatchNorm(momentum=1.0, epsilon=0)], (x.shape[1],))
    model.fit(x, np.zeros_like(x), loss="mse", batch_size=len(x), optimizer=nn.SGD(0.0), progress=False)
    return model


for offset in (0, 1e4):

    @sums(f"nn BatchNorm, mean, offset {offset:g}", 22, True)
    def _(n, numbers, offset=offset):
        x = numbers((n, 2)) + np.float32(offset)
        model = normalized(x)
        right, size = total(x, (0,))
        return model.get_weights()["0.running_mean"], right / n, size / n

    @sums(f"nn BatchNorm, variance, offset {offset:g}", 22, True)
    def _(n, numbers, offset=offset):
        x = numbers((n, 2)) + np.random.default_rng(1).normal(0, 1, (n, 2)).astype(np.float32) + np.float32(offset)
        model = normalized(x)
        right = x.astype(np.float64).var(axis=0, ddof=1)
        return model.get_weights()["0.running_var"], right, right

    @sums(f"nn BatchNorm, result, offset {offset:g}", 20, True)
    def _(n, numbers, offset=offset):
        x = numbers((n, 2)) + np.random.default_rng(1).normal(0, 1, (n, 2)).astype(np.float32) + np.float32(offset)
        model = normalized(x)
        model.loss = "mean_squared_error"
        # the loss of the targets 0 is the mean of the squared results, from which their mean is worked out
        wide = x.astype(np.float64)
        deviation = wide.std(axis=0)
        y = np.zeros_like(x)
        loss = model.gradient(x, y - 1, loss="mse")[0]
        return loss, ((((wide - wide.mean(axis=0)) / deviation) + 1) ** 2).mean(), 2

    for name in ("gamma", "beta"):

        @sums(f"nn BatchNorm, {name}, offset {offset:g}", 20, True)
        def _(n, numbers, offset=offset, name=name):
            x = np.random.default_rng(1).normal(offset, 1, (n, 2)).astype(np.float32)
            dy = numbers((n, 2))
            model = network([nn.BatchNorm(epsilon=0)], (2,))
            wide = x.astype(np.float64)
            scaled = (wide - wide.mean(axis=0)) / wide.std(axis=0)
            gradient = scaled + dy  # by the result, for targets of -dy
            found = gradient_of(model, x, -dy, 0, name)
            terms = gradient * (scaled if name == "gamma" else 1)
            return found, terms.mean(axis=0), np.abs(terms).mean(axis=0)


# Losses


@sums("nn evaluate, images", 20, True)
def _(n, numbers):
    model = network([nn.Dense(2)], (2,))
    model.set_weights({"0.kernel": np.eye(2, dtype=np.float32), "0.bias": np.zeros(2, np.float32)})
    x = numbers((n, 2))
    right = (np.logaddexp(*x.T.astype(np.float64)) - x[:, 0]).mean()
    return model.evaluate(x, np.zeros(n, int))["loss"], right, right


@sums("nn fit's loss, outputs", 20, True)
def _(n, numbers):
    model = network([nn.ReLU()], (n,))
    x = numbers((1, n))
    right = (np.maximum(x, 0).astype(np.float64) ** 2).mean()
    return model.fit(x, 0 * x, loss="mse", progress=False)["loss"], right, right


# The notebook's network in one pass


def one_pass(width: int, kernel: int = 1) -> nn.Sequential:
    return network([nn.Conv2D(1, kernel), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(2)], (width, width, 1))


def one_pass_gradient(model: nn.Sequential, x: np.ndarray, momentum: float, number: int, name: str) -> np.ndarray:
    """Return the first element of a layer's gradient, as an update by it shows that begins at zero, for the class 1."""
    weights, array = model.get_weights(), f"{number}.{name}"
    assert weights[array].ravel()[0] == 0 and conv_pool_dense(model, model.parameters) is not None
    model.fit(x, np.ones(len(x), int), batch_size=len(x), optimizer=nn.SGD(1.0, momentum=momentum), progress=False)
    found = -model.get_weights()[array].ravel()[:1]
    model.set_weights(weights)
    return found


@sums("fused network, losses of large images", 20, True)
def _(n, numbers):
    width = 2 * split(n, 2)[0]
    n = width**2 // 4
    model, x = one_pass(width), np.ones((1, width, width, 1), np.float32)
    w = numbers((n, 2))
    w[:, 1] = 0
    model.set_weights({"0.kernel": np.ones((1, 1, 1, 1)), "0.bias": np.zeros(1), "3.kernel": w, "3.bias": np.zeros(2)})
    z, size = total(w[:, 0], (0,))
    return model.evaluate(x, np.ones(1, int))["loss"], np.logaddexp(z, 0), size


@sums("fused network, gradient of the kernel, large images", 20, True)
def _(n, numbers):
    width = 2 * split(n, 2)[0]
    n = width**2 // 4
    model, x = one_pass(width), np.ones((1, width, width, 1), np.float32)
    w = np.zeros((n, 2), np.float32)
    w[:, :1] = numbers((n, 1)) / 1024
    model.set_weights({"0.kernel": np.zeros((1, 1, 1, 1)), "0.bias": np.zeros(1), "3.kernel": w, "3.bias": np.zeros(2)})
    right, size = total(w[:, 0], (0,))
    return one_pass_gradient(model, np.concatenate([x, x]), 0.0, 0, "kernel"), right / 2, size / 2


for number, name in ((0, "kernel"), (0, "bias"), (3, "kernel"), (3, "bias")):

    @sums(f"fused network, gradient of layer {number}'s {name}, images", 20, True)
    def _(n, numbers, number=number, name=name):
        model, scale = one_pass(2), numbers((n,))
        x = np.abs(scale[:, None, None, None]) + np.zeros((1, 2, 2, 1), np.float32)
        w = np.array([[0.0, 0.0]]) if number else np.array([[1.0, 0.0]])
        kernel = np.ones((1, 1, 1, 1)) if number else np.zeros((1, 1, 1, 1))
        model.set_weights({"0.kernel": kernel, "0.bias": np.zeros(1), "3.kernel": w, "3.bias": np.zeros(2)})
        terms = 0.5 * (np.ones(n) if name == "bias" else x[:, 0, 0, 0].astype(np.float64))
        found = [one_pass_gradient(model, x, momentum, number, name) for momentum in (0.0, 0.9)]
        return found, terms.mean(), np.abs(terms).mean()


# The notebooks' layers and functions, and signal


@sums("ConvolutionLayer, gradient", 22, True)
def _(n, numbers):
    h, w = split(n, 2)
    layer, x, dy = ConvolutionLayer(2, 1, dtype="float32"), numbers((h, w)), numbers((h, w, 2))
    layer.forward_prop(x)
    layer.back_prop(dy, 0.0)
    return layer.dE_dk.reshape(-1), *dot(x.reshape(-1), dy.reshape(-1, 2))


@sums("ConvolutionLayer, output", 22, True)
def _(n, numbers):
    h = split(n, 2)[0]
    layer, x = ConvolutionLayer(2, h, dtype="float32"), numbers((h, h))
    layer.kernels = numbers((2, h, h))
    return layer.forward_prop(x).reshape(-1), *dot(x.reshape(-1), layer.kernels.reshape(2, -1).T)


for outputs in (2, 37):

    @sums(f"SoftmaxLayer, {outputs} outputs, inputs", 20, True)
    def _(n, numbers, outputs=outputs):
        layer, x = SoftmaxLayer(n, outputs, dtype="float32"), numbers((n,))
        layer.weight = numbers((n, outputs))
        layer.forward_prop(x)
        return layer.output, *dot(x, layer.weight)


@sums("SoftmaxLayer, gradient, outputs", 14, True)
def _(n, numbers):
    layer, x, dy = SoftmaxLayer(20, n, dtype="float32"), np.zeros(20, np.float32), numbers((n,))
    layer.weight = w = numbers((20, n)) + 0
    p = layer.forward_prop(x).astype(np.float64)
    dz = p * (dy - p @ dy)
    right, size = w.astype(np.float64) @ dz, np.abs(w).astype(np.float64) @ (p * (np.abs(dy) + p @ np.abs(dy)))
    return layer.back_prop(dy, 0.0), right, size


@sums("MaxPoolingLayer, ties", 12)
def _(n, numbers):
    h, w = split(n, 2)
    layer = MaxPoolingLayer(2)
    x = np.ones((2 * h, 2 * w, 1), np.float32)
    layer.forward_prop(x)
    dy = numbers((h, w, 1)).astype(np.float64)
    return layer.back_prop(dy)[::2, ::2], dy, np.abs(dy)


@sums("param_1d_grads", 22)
def _(n, numbers):
    x, dy = numbers((n,)), numbers((n,))
    return param_1d_grads(x, np.ones(1, np.float32), dy), *dot(x, dy)


def complex_of(numbers, shape):
    return numbers(shape) + 1j * numbers(shape)


for kind in ("real", "complex"):

    @sums(f"signal.correlate, direct, {kind}, 1-D", 22)
    def _(n, numbers, kind=kind):
        x, w = (numbers((n + m,)) if kind == "real" else complex_of(numbers, (n + m,)) for m in (2, 0))
        x, w = x.astype(np.result_type(x, np.float32)), w.astype(x.dtype)
        found = signal.correlate(x, w, "valid", "direct")
        wide = np.result_type(x.dtype, np.float64)
        right = [np.vdot(w.astype(wide), x[i : i + n].astype(wide)) for i in range(3)]
        size = [np.abs(w).astype(np.float64) @ np.abs(x[i : i + n]) for i in range(3)]
        return (found.real, np.real(right), size) if kind == "real" else (found.imag, np.imag(right), size)


for rows in (0, 1):

    @sums(f"signal.correlate2d, {'one row' if rows else 'square'}", 18)
    def _(n, numbers, rows=rows):
        h, w = (1, n) if rows else split(n, 2)
        x, k = numbers((h, w + 2)), numbers((h, w))
        pairs = [dot(x[:, i : i + w].reshape(-1), k.reshape(-1)) for i in range(3)]
        return signal.correlate2d(x, k, "valid")[0], *np.transpose(pairs)


@sums("signal.convolve, direct, 4-D", 14)
def _(n, numbers):
    shape = split(n, 4)
    x, w = numbers(shape), numbers(shape)
    return signal.correlate(x, w, "valid", "direct").reshape(-1), *dot(x.reshape(-1), w.reshape(-1))
