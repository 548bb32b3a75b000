"""A model goes on where its last fit ended: its epochs are counted over its life, and its optimizer keeps what it has gathered."""

import copy

import numpy as np
import pytest

from fastconv import nn
from fastconv.engine import epoch

from .test_checkpoint import Interrupt

SIZE = 8
OPTIMIZERS = [nn.SGD(0.05), nn.SGD(0.05, 0.9, nesterov=True, weight_decay=1e-4), nn.Adam(0.01), nn.AdamW(0.01)]


def pictures(count=72, seed=0):
    """Pictures of noise, each labelled by the brightest of its first three pixels."""
    x = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE), np.uint8)
    return x, x.reshape(count, -1)[:, :3].argmax(axis=1)


def layered(seed=3):
    layers = [nn.Conv2D(4, 3), nn.BatchNorm(), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(), nn.Dropout(0.2), nn.Dense(3)]
    return nn.Sequential(layers, (SIZE, SIZE), seed=seed)


def notebooks(seed=3):
    """A network that is trained in one pass over each image."""
    return nn.Sequential([nn.Conv2D(4, 3), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(3)], (SIZE, SIZE), seed=seed)


def fit(model, epochs, **options):
    given = {"batch_size": 16, "optimizer": nn.Adam(0.01), "progress": False, "threads": 1}
    return model.fit(*pictures(), epochs=epochs, **given | options)


def in_parts(build, parts, **options):
    model = build()
    epochs = [epoch for part in parts for epoch in fit(model, part, **options).epochs]
    return model, epochs


@pytest.mark.parametrize("parts", [(3, 2), (1, 1, 1, 1, 1), (0, 5)], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        *({"optimizer": optimizer} for optimizer in OPTIMIZERS),
        {"schedule": nn.Step(2, 0.5), "augment": nn.Shift(1)},
        {"drop_last": True, "threads": 2},
        {"shuffle": lambda epoch: np.random.default_rng(epoch).permutation(72)},
    ],
    ids=lambda options: ",".join(options),
)
def test_parts_come_to_the_bits_of_the_whole(options, parts):
    whole, epochs = in_parts(layered, [5], **options)
    model, again = in_parts(layered, parts, **options)
    assert model.weights_hash() == whole.weights_hash()
    assert again == epochs
    assert model.epochs == whole.epochs == 5


@pytest.mark.filterwarnings(
    "ignore:fit. the mean loss .* come apart:RuntimeWarning"
)  # one rate is too large for one image an update
@pytest.mark.parametrize("optimizer", OPTIMIZERS[:3], ids=str)
@pytest.mark.parametrize("batch", [1, 16])
def test_so_do_those_in_one_pass_over_each_image(optimizer, batch):
    options = {"optimizer": optimizer, "batch_size": batch}
    whole, epochs = in_parts(notebooks, [3], **options)
    model, again = in_parts(notebooks, [2, 1], **options)
    assert (model.weights_hash(), again) == (whole.weights_hash(), epochs)


def test_a_seed_model_goes_on_in_the_notebooks_order():
    def trained(parts):
        model = nn.models.seed((SIZE, SIZE), classes=3, seed=2)
        order = nn.models.NotebookOrder(model, 72)
        for part in parts:
            fit(model, part, batch_size=1, optimizer=nn.SGD(0.005), shuffle=order)
        return model.weights_hash()

    assert trained([1, 1, 1]) == trained([3])


def test_epochs_of_a_life_are_told_to_everybody(capsys):
    seen = []

    class Told(nn.Callback):
        def on_epoch_begin(self, model, epoch):
            seen.append((epoch, model.epochs))

        def on_epoch_end(self, model, epoch, logs):
            seen.append((epoch, model.epochs))

    model, orders = layered(), []
    for _ in range(2):
        fit(model, 2, callbacks=[Told()], shuffle=lambda epoch: orders.append(epoch) or range(72), progress=True)
    assert seen == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 4)]
    assert orders == [0, 1, 2, 3]
    shown = capsys.readouterr().err
    assert "Epoch 2 of 2" in shown and "Epoch 4 of 4" in shown


# What says otherwise


def test_initial_epoch_0_begins_anew_but_for_the_weights():
    model, fresh = layered(), layered()
    fit(model, 3)
    model.set_weights(fresh.get_weights())
    assert model.epochs == 3
    fit(model, 2, initial_epoch=0)
    fit(fresh, 2)
    assert (model.weights_hash(), model.epochs) == (fresh.weights_hash(), 2)


def test_another_initial_epoch_is_only_another_number():
    numbers = []
    model, other = layered(), layered()
    fit(model, 1, initial_epoch=7, shuffle=lambda epoch: numbers.append(epoch) or range(72))
    other.epochs = 7
    fit(other, 1, shuffle=False)
    assert (numbers, model.epochs, model.weights_hash()) == ([7], 8, other.weights_hash())
    fit(model, 1)
    fit(other, 1, initial_epoch=8)
    assert model.weights_hash() == other.weights_hash()
    with pytest.raises(ValueError, match="^fit: initial_epoch must be at least 0, but is -1"):
        fit(model, 1, initial_epoch=-1)
    with pytest.raises(TypeError, match="^fit: initial_epoch must be an integer, but is 1.0"):
        fit(model, 1, initial_epoch=1.0)
    with pytest.raises(ValueError, match="^Sequential: epochs must be at least 0"):
        model.epochs = -1
    before = model.weights_hash()
    with pytest.raises(ValueError, match="^fit: the last epoch's number must be at most 4611686018427387904"):
        fit(model, 1, initial_epoch=2**62)
    assert model.weights_hash() == before


def test_schedules_with_a_horizon_span_one_fit():
    cosine = nn.Cosine(0.1)
    np.testing.assert_array_equal(cosine.factors_from(7, 6, 2), cosine.factors(6, 2))
    np.testing.assert_array_equal(nn.OneCycle().factors_from(7, 6, 2), nn.OneCycle().factors(6, 2))
    np.testing.assert_array_equal(nn.Step(2, 0.5).factors_from(3, 4, 2), nn.Step(2, 0.5).factors(10, 2)[6:])
    assert nn.Step(1, 0.5).factors_from(0, 3, 1).tolist() == [1, 0.5, 0.25]


# What the optimizer has gathered


def test_another_rate_keeps_the_momentum_and_another_option_does_not():
    def trained(second, between=lambda model: None):
        model = layered()
        fit(model, 1, optimizer=nn.SGD(0.05, momentum=0.9))
        between(model)
        fit(model, 1, optimizer=second)
        return model.weights_hash()

    def forget(model):
        model._moments = None

    assert trained(nn.SGD(0.02, momentum=0.9)) != trained(nn.SGD(0.02, momentum=0.9), forget)
    assert trained(nn.SGD(0.05, momentum=0.8)) == trained(nn.SGD(0.05, momentum=0.8), forget)
    assert trained(nn.Adam(0.01)) == trained(nn.Adam(0.01), forget)


def test_a_copy_goes_on_as_the_model_does():
    model = layered()
    fit(model, 2)
    other = copy.deepcopy(model)
    fit(model, 1)
    fit(other, 1)
    assert (model.weights_hash(), other.epochs) == (other.weights_hash(), 3)


@pytest.mark.parametrize(
    "options",
    [{"epochs": -1}, {"optimizer": nn.SGD(0.1), "threads": 0}, {"shuffle": lambda epoch: range(5)}],
    ids=["epochs", "threads", "shuffle"],
)
def test_a_fit_that_is_refused_leaves_no_trace(options):
    def trained(refused):
        model = layered()
        fit(model, 2)
        if refused:
            with pytest.raises(ValueError):
                fit(model, **{"epochs": 1, "optimizer": nn.SGD(0.3), "loss": "mse", **options})
        assert (model.epochs, model.loss, model.optimizer.lr) == (2, "cross_entropy", 0.01)
        fit(model, 1)
        return model.weights_hash()

    assert trained(True) == trained(False)


def test_one_that_a_callback_ends_before_it_begins_leaves_no_trace_either():
    class Failing(nn.Callback):
        def on_train_begin(self, model):
            assert model.optimizer.lr == 0.3
            raise OSError("no")

    model = layered()
    with pytest.raises(OSError, match="no"):
        fit(model, 1, optimizer=nn.SGD(0.3), loss="mse", callbacks=[Failing()])
    assert (model.optimizer, model.loss, model.epochs) == (None, "cross_entropy", 0)


def test_after_an_interrupt_between_epochs_the_next_fit_goes_on():
    class Stop(nn.Callback):
        def on_epoch_begin(self, model, epoch):
            if epoch == 1:
                raise KeyboardInterrupt

    model, whole = layered(), layered()
    with pytest.raises(KeyboardInterrupt):
        fit(model, 3, callbacks=[Stop()])
    assert model.epochs == 1
    fit(model, 2)
    fit(whole, 3)
    assert model.weights_hash() == whole.weights_hash()


def test_after_one_in_an_epoch_that_begins_anew_with_the_moments_after_the_last_update(monkeypatch):
    monkeypatch.setattr(epoch, "SLICE_SECONDS", 0.0)
    model, numbers = layered(), []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        fit(model, 3, callbacks=[Interrupt(patch, "slice", 7)])  # of 5 an epoch
    assert (model.epochs, model._moments.updates) == (1, 7)
    fit(model, 1, shuffle=lambda number: numbers.append(number) or range(72))
    assert (numbers, model.epochs, model._moments.updates) == ([1], 2, 12)


def test_gradient_and_evaluate_do_not_go_by_the_epoch():
    model, x, y = layered(), *pictures()
    fit(model, 1)
    loss, gradient = model.gradient(x, y)
    model.epochs = 50
    again = model.gradient(x, y)
    assert again[0] == loss
    np.testing.assert_array_equal(again[1], gradient)


# In files


def test_after_a_checkpoint_the_moments_go_on_too(tmp_path):
    """Also from one of a training that is finished, which is only loaded."""
    path, whole, model = tmp_path / "run.npz", layered(), layered()
    fit(whole, 3)
    fit(layered(), 2, checkpoint=path)
    fit(model, 2, checkpoint=path, resume=True)
    fit(model, 1)
    assert (model.weights_hash(), model.epochs) == (whole.weights_hash(), 3)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_keeps_the_count_and_not_the_moments(tmp_path, suffix):
    model, path = layered(), tmp_path / f"model{suffix}"
    fit(model, 2, optimizer=nn.SGD(0.05))
    model.save(path)
    loaded = nn.load(path)
    assert (loaded.epochs, loaded.optimizer) == (2, None)
    fit(loaded, 1, optimizer=nn.SGD(0.05))
    fit(model, 1, optimizer=nn.SGD(0.05))
    assert loaded.weights_hash() == model.weights_hash()
