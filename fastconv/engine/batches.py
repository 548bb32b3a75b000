"""The notebook's network in mini-batches, on the functional kernels and all threads: one update for each batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import functional
from .online import OnlineNetwork


def run_batches(
    network: OnlineNetwork, images: np.ndarray, labels: np.ndarray, order: np.ndarray, rate: float, batch_size: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Train on images[order] in batches by the mean gradient, and yield after each, as `OnlineNetwork.run` does.

    The network's own weights change at each batch, so that an interrupted run keeps the finished updates.
    """
    network.check_data(images, labels, order)
    losses, correct = np.empty(len(order)), np.empty(len(order), np.bool_)
    weights = network.get_weights()
    kernels = np.ascontiguousarray(weights["kernels"].transpose(1, 2, 0))[:, :, None, :]
    weight, bias = weights["weight"], weights["bias"]
    step = np.float32(rate)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        target = labels[chosen].astype(np.intp)
        x = images[chosen].astype(np.float32)[..., None] / np.float32(255)
        convolved = functional.conv2d(x, kernels)
        pooled = functional.max_pool2d(convolved, 2)
        flat = pooled.reshape(len(chosen), -1)
        logits = functional.linear(flat, weight, bias)
        rows = np.arange(len(chosen))
        losses[start : start + len(chosen)] = -functional.log_softmax(logits)[rows, target]
        correct[start : start + len(chosen)] = logits.argmax(axis=1) == target
        dz = functional.cross_entropy_grad(logits, target)
        d_flat = functional.linear_input_grad(dz, weight)
        d_convolved = functional.max_pool2d_grad(d_flat.reshape(pooled.shape), convolved, 2, ties="all")
        weight = weight - step * functional.linear_weight_grad(flat, dz)
        bias = bias - step * dz.sum(axis=0)
        kernels = kernels - step * functional.conv2d_weight_grad(x, d_convolved, kernels.shape)
        network.set_weights(kernels[:, :, 0, :].transpose(2, 0, 1), weight, bias)
        done = start + len(chosen)
        yield done, losses[:done], correct[:done]
