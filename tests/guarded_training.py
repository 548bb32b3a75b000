"""Whole networks' training with every array against a page that can't be touched: weights, gradients, what lies between layers."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from fastconv import nn
from fastconv.engine import data
from fastconv.kernels.training.batch import EPOCH
from fastconv.nn.fusion import conv_pool_dense

from .guarded import guarded, in_slices
from .networks import NETWORKS


def guarded_gradient(network, back: bool, dtype: str) -> tuple[float, np.ndarray]:
    """Return what model.gradient does, computed in guarded memory, in pieces."""
    model, (x, y) = network.model(dtype), network.data(dtype)
    targets = y if y.dtype == np.int64 else np.ascontiguousarray(y)
    batch = data.Data(guarded(x, back), guarded(targets, back), model.dtype, model.seed)
    for name in ("order", "state", "losses", "correct"):
        setattr(batch, name, guarded(getattr(batch, name), back))
    assert batch.state[EPOCH] == 0
    gradient, views = np.full_like(model.parameters, np.nan), model.views
    weights = [{name: guarded(array, back) for name, array in arrays.items()} for arrays in views(model.parameters)]
    gradients = [{name: guarded(array, back) for name, array in arrays.items()} for arrays in views(gradient)]
    with mock.patch.object(nn.Sequential, "views", lambda model, vector: gradients if vector is gradient else weights):
        graph = model.graph(batch.count, batch, gradient)
    batch.gather(in_slices, batch.count, graph.x)
    graph.forward(in_slices)
    batch.loss(in_slices, network.loss, batch.count, graph.y, graph.dy)
    graph.backward(in_slices)
    for arrays, places in zip(gradients, views(gradient)):
        for name, place in places.items():
            place[...] = arrays[name]
    return float(batch.losses.mean()), gradient


def check_networks(back: bool) -> int:
    """Compute all small networks' gradients guarded, and compare them, to the last bit, with model.gradient's."""
    for network in NETWORKS:
        x, y = network.data("float64")
        loss, gradient = network.model("float64").gradient(x, y, loss=network.loss, threads=1)
        guarded_loss, mine = guarded_gradient(network, back, "float64")
        assert loss == guarded_loss
        np.testing.assert_array_equal(mine, gradient, network.name)
    return len(NETWORKS)


def check_one_pass(back: bool, every: int = 1) -> int:
    """Run the pass over each image, whose rooms are guarded too, forward, for gradients and online; return how many ran.

    Of the two networks `every` may leave out the second.
    """
    count, rng = 0, np.random.default_rng(0)
    cases: list[Any] = [(5, 3, 9, {"activation": "relu"}), (17, 2, 6, {"use_bias": False})]
    for filters, size, width, options in cases[::every]:
        layers = [nn.Conv2D(filters, size, **options), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(7)]
        model = nn.Sequential(layers, input_shape=(width, width, 1))
        x, y = rng.integers(0, 256, (6, width, width, 1)).astype(np.uint8), rng.integers(0, 7, 6)
        loss, expected = model.gradient(x, y, threads=1)
        whole, gradient = (conv_pool_dense(model, v) for v in (model.parameters, np.zeros_like(model.parameters)))
        fused, found = (
            whole._replace(weights=tuple(guarded(w, back) for w in part.weights)) for part in (whole, gradient)
        )  # fmt: skip
        batch = data.Data(guarded(x, back), guarded(y, back), model.dtype, 0)
        for name in ("order", "state", "losses", "correct"):
            setattr(batch, name, guarded(getattr(batch, name), back))
        fused.forward(in_slices, batch, 6)
        np.testing.assert_allclose(batch.losses.mean(), loss, rtol=1e-6)
        batch.losses[:] = 0
        fused.gradient(in_slices, batch, 6, found)
        np.testing.assert_allclose(batch.losses.mean(), loss, rtol=1e-6)
        np.testing.assert_allclose(np.concatenate(found.weights), expected, rtol=0, atol=1e-6)
        batch.losses[:] = 0
        packed = fused.new_packed()
        fused.pack(in_slices, packed)
        fused.online(in_slices, batch, 6, packed, guarded(np.array([0.1]), back))
        fused.unpack(in_slices, packed)
        for i in range(6):
            loss, step = model.gradient(np.stack([x[i]] * 6), np.full(6, y[i]), threads=1)
            np.testing.assert_allclose(batch.losses[i], loss, rtol=1e-5)
            model.parameters -= np.float32(0.1) * step
        np.testing.assert_allclose(np.concatenate(fused.weights), model.parameters, rtol=0, atol=1e-5)
        odd = x.astype(np.float32)
        odd[2, -1, 2] = np.inf  # where the second case has no pooling window
        _, expected = model.gradient(odd, y, threads=1)
        batch = data.Data(guarded(odd, back), guarded(y, back), model.dtype, 0)
        fused.gradient(in_slices, batch, 6, found)
        mine = np.concatenate(found.weights)
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(expected))
        assert np.isnan(mine).any()
        many, labels = np.concatenate([x] * 6), np.tile(y, 6)
        batch = data.Data(guarded(many, back), guarded(labels, back), model.dtype, 0)
        _, step = model.gradient(many, labels, threads=1)
        fused.pack(in_slices, packed)
        fused.descend(in_slices, batch, 36, packed, guarded(np.array([0.1]), back))
        fused.unpack(in_slices, packed)
        np.testing.assert_allclose(np.concatenate(fused.weights), model.parameters - np.float32(0.1) * step, rtol=0, atol=1e-5)
        count += 5
    return count
