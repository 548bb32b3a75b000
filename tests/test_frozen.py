"""Layers that aren't trainable: their weights stay as they are, to the bit, and the others are trained around them."""

import itertools

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.files import model_file
from fastconv.nn.frozen import trained_parts

from .test_checkpoint import Interrupt
from .test_fit_goes_on import fit, layered, notebooks, pictures

WEIGHTED = (0, 1, 6)
"""Which of `layered`'s layers have weights."""
OPTIMIZERS = [nn.SGD(0.1, weight_decay=0.1), nn.SGD(0.1, 0.9, nesterov=True), nn.Adam(0.01, weight_decay=0.1), nn.AdamW(0.01)]


def freeze(model, *numbers):
    for number in range(len(model.layers)):
        model.layers[number].trainable = number not in numbers
    return model


def changed(model, before):
    """Return which layers' weights aren't what they were, and which layers' buffers."""
    names = [name for name, array in model.get_weights().items() if not np.array_equal(array, before[name])]
    kept = {name.partition(".")[0] for name in names if "running" in name}
    return {int(name.partition(".")[0]) for name in names if "running" not in name}, {int(number) for number in kept}


@pytest.mark.parametrize("frozen", [(), (0,), (1,), (0, 1), (6,), (0, 6), (1, 2, 3, 4, 5, 6)], ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_frozen_layers_stay_as_they_are(optimizer, frozen):
    model = freeze(layered(), *frozen)
    before = model.get_weights()
    fit(model, 2, optimizer=optimizer, threads=2)
    assert changed(model, before) == (set(WEIGHTED) - set(frozen), {1} - set(frozen))


@pytest.mark.parametrize("frozen", [(0,), (3,)], ids=str)
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("optimizer", [nn.SGD(0.01), nn.Adam(0.01)], ids=str)
def test_so_they_do_in_the_notebooks_network(optimizer, batch, frozen):
    model = freeze(notebooks(), *frozen)
    before = model.get_weights()
    fit(model, 1, optimizer=optimizer, batch_size=batch)
    assert changed(model, before) == ({0, 3} - {*frozen}, set())


def test_nothing_at_all_may_be_trainable_but_that_is_said():
    model = freeze(layered(), *range(7))
    before = model.weights_hash()
    with pytest.warns(UserWarning, match="^fit: no layer with weights is trainable, so nothing will be learned") as found:
        model.fit(*pictures(), progress=False)
    assert [item.filename for item in found] == [__file__]
    assert model.weights_hash() == before
    assert model.gradient(*pictures())[1].any() == np.False_


@pytest.mark.parametrize("frozen", [(0,), (1,), (0, 1), (6,), (1, 6)], ids=str)
def test_gradients_are_those_of_the_whole_and_zero_where_it_is_frozen(frozen):
    """Of float64, by differences of the loss, as in training."""
    random = np.random.default_rng(1)
    layers = [nn.Conv2D(4, 3), nn.BatchNorm(), nn.ReLU(), nn.AvgPool2D(2), nn.Flatten(), nn.Dropout(0.0), nn.Dense(3)]
    model = freeze(nn.Sequential(layers, (6, 6), dtype="float64", seed=2), *frozen)
    model.buffers[:] = random.uniform(0.5, 1.5, model.buffers.size)
    x, y = random.normal(size=(5, 6, 6)), np.arange(5) % 3
    gradient = model.gradient(x, y)[1]
    places = [i for part in trained_parts(model) for i in range(part.start, part.stop)]
    assert gradient[[i for i in range(gradient.size) if i not in places]].any() == np.False_
    for i in places[:: max(1, len(places) // 25)]:
        kept, losses = model.parameters[i], []
        for step in (1e-6, -1e-6):
            model.parameters[i] = kept + step
            losses.append(model.gradient(x, y)[0])
        model.parameters[i] = kept
        assert gradient[i] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-6)


def test_a_frozen_batch_norm_goes_by_its_running_statistics():
    random = np.random.default_rng(4)
    model = nn.Sequential([nn.BatchNorm(epsilon=0.01)], (3,), dtype="float64")
    model.loss = "mean_squared_error"
    model.buffers[:] = random.uniform(0.5, 1.5, 6)
    model.layers[0].trainable = False
    x, y = random.normal(size=(4, 3)), random.normal(size=(4, 3))
    mean, variance = model.buffers.reshape(2, 3)
    expected = np.mean((naive_normalized(x, mean, variance) - y) ** 2)
    assert model.gradient(x, y, loss="mse")[0] == pytest.approx(expected)
    assert model.evaluate(x, y)["loss"] == pytest.approx(expected)
    model.gradient(x[:1], y[:1], loss="mse")  # one row has no variance, but none is needed


def naive_normalized(x, mean, variance):
    return (x - mean) / np.sqrt(variance + 0.01)


def test_dropout_is_as_ever():
    losses = []
    for flag in (True, False):
        model = layered()
        model.layers[5].trainable = flag
        losses.append(model.gradient(*pictures()))
    assert losses[0][0] == losses[1][0]
    np.testing.assert_array_equal(losses[0][1], losses[1][1])


def test_below_the_first_trainable_layer_nothing_is_computed():
    model = freeze(layered(), 0, 1)
    rows = [(row.layer, row.direction) for row in model.explain(4, threads=1).rows]
    assert [name for name, direction in rows if direction == "backward"] == ["6 Dense"]
    freeze(model, 1)
    kernels = {row.layer: row.kernels for row in model.explain(4, threads=1).rows if row.direction == "backward"}
    assert "gradient_parts" not in kernels["1 BatchNorm"]
    assert [*kernels][-1] == "0 Conv2D"


@pytest.mark.parametrize("build", [layered, notebooks])
def test_it_may_change_between_fits_and_between_epochs(build):
    """From a callback, for the next epoch, also to and from the pass over each image."""

    class Switch(nn.Callback):
        def on_epoch_begin(self, model, epoch):
            model.layers[0].trainable = epoch % 2 == 0

    by_callback, by_hand = build(), build()
    fit(by_callback, 4, callbacks=[Switch()])
    for epoch in range(4):
        before = by_hand.get_weights()["0.kernel"]
        by_hand.layers[0].trainable = epoch % 2 == 0
        fit(by_hand, 1)
        assert np.array_equal(by_hand.get_weights()["0.kernel"], before) == (epoch % 2 == 1)
    assert by_callback.weights_hash() == by_hand.weights_hash()


def test_a_training_in_which_it_changes_is_resumed_to_the_same_bits(tmp_path, monkeypatch):
    class Thaw(nn.Callback):
        def on_train_begin(self, model):
            model.layers[0].trainable = False

        def on_epoch_end(self, model, epoch, logs):
            model.layers[0].trainable = not model.layers[0].trainable

    whole = layered()
    fit(whole, 4, callbacks=[Thaw()])
    for place, at in itertools.product(("begin", "end"), (1, 2, 4)):
        path = tmp_path / f"{place}{at}.npz"
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            fit(layered(), 4, callbacks=[Thaw(), Interrupt(patch, place, at)], checkpoint=path)
        model = layered()
        fit(model, 4, callbacks=[Thaw()], checkpoint=path, resume=True)
        assert model.weights_hash() == whole.weights_hash()
    with pytest.raises(ValueError, match="is no checkpoint of this training: it was written with trainable = "):
        fit(freeze(layered(), 6), 4, callbacks=[Thaw()], checkpoint=path, resume=True)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_keep_it(tmp_path, suffix):
    """The defect that was reported: save wrote what load refused."""
    model, path = layered(), tmp_path / f"model{suffix}"
    model.layers[0].trainable = False
    model.save(path)
    loaded = nn.load(path)
    assert [layer.trainable for layer in loaded.layers] == [False] + [True] * 6
    assert loaded.weights_hash() == model.weights_hash()
    structure = model_file.structure_of("test", model)
    assert structure["layers"][0]["trainable"] is False
    assert all("trainable" not in layer for layer in structure["layers"][1:])


def test_summary_says_what_is_frozen():
    lines, model = [], nn.Sequential([nn.Dense(4), nn.ReLU(), nn.Dense(2)], (3,))
    model.layers[0].trainable = model.layers[1].trainable = False
    model.summary(lines.append)
    rows = lines[0].splitlines()
    assert rows[2].split() == ["0", "Dense,", "frozen", "(4,)", "16", "24"]
    assert "frozen" not in rows[3] + rows[4]
    assert rows[-1].split() == ["of", "these", "frozen", "16"]


@pytest.mark.parametrize("value", [0, None, "no", 1.0])
def test_it_is_true_or_false(value):
    with pytest.raises(TypeError, match="^Dense: trainable must be True or False, but is "):
        nn.Dense(3).trainable = value


def test_the_kernel_of_batch_norms_gradient_agrees_with_its_twin_when_frozen():
    random = np.random.default_rng(5)
    model = nn.Sequential([nn.Dense(3), nn.BatchNorm(epsilon=0.01)], (4,), dtype="float64", seed=1)
    model.layers[1].trainable = False
    model.buffers[:] = random.uniform(0.5, 1.5, 6)
    x, y = random.normal(size=(6, 4)), random.normal(size=(6, 3))
    mean, variance = model.buffers.reshape(2, 3)
    w = model.get_weights()
    dense = x @ w["0.kernel"] + w["0.bias"]
    dy = 2 * (naive_normalized(dense, mean, variance) - y) / y.size / np.sqrt(variance + 0.01)
    gradients = model.views(model.gradient(x, y, loss="mse")[1])
    np.testing.assert_allclose(gradients[0]["kernel"], x.T @ dy, rtol=1e-9)
    np.testing.assert_allclose(gradients[0]["bias"], dy.sum(axis=0), rtol=1e-9)
