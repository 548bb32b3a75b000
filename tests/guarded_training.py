"""Whole networks' training with every array against a page that can't be touched: weights, gradients, what lies between layers."""

from __future__ import annotations

from unittest import mock

import numpy as np

from fastconv.engine import data
from fastconv.engine.arena import Arena
from fastconv.kernels.batch import EPOCH

from .guarded import guarded, in_pieces
from .networks import NETWORKS


def guarded_gradient(network, back: bool, dtype: str) -> tuple[float, np.ndarray]:
    """Return what model.gradient does, computed in guarded memory, in pieces."""
    model, (x, y) = network.model(dtype), network.data(dtype)
    targets = y if y.dtype == np.int64 else np.ascontiguousarray(y)
    batch = data.Data(guarded(x, back), guarded(targets, back), model.dtype, model.seed)
    for name in ("order", "state", "losses", "correct"):
        setattr(batch, name, guarded(getattr(batch, name), back))
    assert batch.state[EPOCH] == 0
    gradient, views = np.full_like(model.parameters, np.nan), model._views
    weights = [{name: guarded(array, back) for name, array in arrays.items()} for arrays in views(model.parameters)]
    gradients = [{name: guarded(array, back) for name, array in arrays.items()} for arrays in views(gradient)]
    with (
        mock.patch.object(model, "_views", lambda vector: gradients if vector is gradient else weights),
        mock.patch.object(Arena, "take", lambda arena, elements: guarded(np.full(elements, np.nan, dtype), back)),
    ):
        graph = model.graph(batch.count, batch, gradient)
    batch.gather(in_pieces, batch.count, graph.x)
    graph.forward(in_pieces)
    batch.loss(in_pieces, network.loss, batch.count, graph.y, graph.dy)
    graph.backward(in_pieces)
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
