"""fit: what it notes, what it refuses before it begins, callbacks, several fits at once."""

import re
import threading

import numpy as np
import pytest

from fastconv import nn


def rows(count, seed=0):
    """Rows of five numbers, each labelled by its largest."""
    x = np.random.default_rng(seed).random((count, 5)).astype("float32")
    return x, x.argmax(axis=1)


def model_of_rows(seed=0, rate=0.1):
    return nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(rate), nn.Dense(5)], input_shape=(5,), seed=seed)


def fitted(count=200, seed=0, **options):
    model = model_of_rows(seed)
    options = {"epochs": 3, "batch_size": 16, "optimizer": nn.SGD(0.1, momentum=0.9), "progress": False, "threads": 1, **options}
    return model, model.fit(*rows(count), **options)


# Figures


def test_history_has_the_figures_of_each_epoch():
    model, history = fitted(validation_data=rows(50, seed=1))
    names = ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert [*history.history] == names
    assert len(history.epochs) == 3
    assert history.history["val_loss"] == history["val_loss"] == [epoch["val_loss"] for epoch in history.epochs]
    assert history["loss"][2] < history["loss"][0]
    assert {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]} == model.evaluate(*rows(50, seed=1))
    assert nn.History().history == {}


def test_the_first_loss_is_that_of_the_weights_before_the_update():
    model = model_of_rows(rate=0.0)
    before = model.evaluate(*rows(200))
    history = model.fit(*rows(200), batch_size=1000, progress=False)
    assert history.epochs == [before]
    assert model.evaluate(*rows(200))["loss"] < before["loss"]


def test_validation_changes_no_bit():
    assert fitted()[0].weights_hash() == fitted(validation_data=rows(50))[0].weights_hash()


@pytest.mark.parametrize("batch", [1, 16, 200, 201, 10**30])
def test_any_batch_size(batch):
    model, history = fitted(batch_size=batch, optimizer=nn.SGD(0.01), epochs=1)
    assert np.isfinite(history["loss"]).all()
    assert (model.weights_hash() == fitted(batch_size=200, optimizer=nn.SGD(0.01), epochs=1)[0].weights_hash()) == (batch >= 200)


def test_nothing_to_train_on_changes_nothing():
    before = model_of_rows().weights_hash()
    model, history = fitted(count=0, schedule=nn.Cosine(), validation_data=rows(0))
    assert model.weights_hash() == before
    assert len(history.epochs) == 3
    assert np.isnan([*history["loss"], *history["val_accuracy"]]).all()
    model, history = fitted(epochs=0)
    assert (model.weights_hash(), history.epochs) == (before, [])


def test_the_last_rate_goes_on_for_ever():
    """So an endless training needs no endless table."""
    assert fitted()[0].weights_hash() == fitted(schedule=nn.Step(100, 1.0))[0].weights_hash()
    stop = type("Stop", (nn.Callback,), {"on_epoch_end": lambda *arguments: True})()
    assert len(fitted(epochs=10**12, callbacks=[stop])[1].epochs) == 1


# The order of the images


def test_images_go_in_the_order_that_is_asked_for():
    x, y = rows(200)
    orders = [np.random.default_rng(seed).permutation(200) for seed in (5, 6)]
    model, by_hand = (nn.Sequential([nn.Dense(5)], input_shape=(5,)) for _ in range(2))
    model.fit(x, y, epochs=2, batch_size=16, shuffle=lambda epoch: orders[epoch].tolist(), progress=False)
    for order in orders:
        by_hand.fit(x[order], y[order], batch_size=16, shuffle=False, progress=False)
    assert model.weights_hash() == by_hand.weights_hash()


def test_it_goes_by_the_seed_and_the_epoch_if_none_is_asked_for():
    def order(epoch):
        return np.random.default_rng([7, epoch]).permutation(200)

    hashes = [fitted(seed=7, **options)[0].weights_hash() for options in ({}, {"shuffle": True}, {"shuffle": order})]
    assert hashes[0] == hashes[1] == hashes[2] != fitted(seed=7, shuffle=False)[0].weights_hash()


@pytest.mark.parametrize(
    "order, error, text",
    [
        (None, TypeError, "what shuffle returns must be an array of real numbers, but has dtype object"),
        (range(199), ValueError, r"shuffle must return 200 numbers for 200 images, but for epoch 1 their shape is \(199,\)"),
        (np.zeros((200, 1), int), ValueError, r"but for epoch 1 their shape is \(200, 1\)"),
        (np.arange(200.0), TypeError, "shuffle must return integers, but for epoch 1 they are float64"),
        (range(1, 201), ValueError, "each number from 0 to 199 once, but for epoch 1 they go from 1 to 200"),
        (range(-1, 199), ValueError, "each number from 0 to 199 once, but for epoch 1 they go from -1 to 198"),
        ([0, 1, 2, 3, 5, 5, *range(6, 200)], ValueError, "from 0 to 199 once, but for epoch 1 the number 4 comes 0 times"),
        (np.uint8([1, 1, *range(1, 199)]), ValueError, "for epoch 1 the number 0 comes 0 times"),
    ],
)
def test_what_is_no_order_is_refused_before_its_epoch(order, error, text):
    seen = type("Seen", (nn.Callback,), {"epochs": [], "on_epoch_begin": lambda self, model, epoch: self.epochs.append(epoch)})()
    model, options = model_of_rows(), {"batch_size": 16, "progress": False}
    with pytest.raises(error, match=f"^fit: .*{text}"):
        model.fit(*rows(200), epochs=2, shuffle=lambda epoch: order if epoch else range(200), callbacks=[seen], **options)
    again = model_of_rows()
    again.fit(*rows(200), shuffle=False, **options)
    assert (model.weights_hash(), seen.epochs) == (again.weights_hash(), [0])


# What is refused


class Endless(nn.Schedule):
    def factors(self, updates, updates_per_epoch):
        return np.full(updates, np.inf)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"epochs": -1}, ValueError, "epochs must be at least 0, but is -1"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer, but is 1.5"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, but is 0"),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be a Optimizer of fastconv.nn, but is 'sgd'"),
        ({"optimizer": nn.SGD}, TypeError, "optimizer must be a Optimizer of fastconv.nn, but is <class"),
        ({"loss": "hinge"}, ValueError, "loss must be one of .*, but is 'hinge'"),
        ({"schedule": 0.1}, TypeError, "schedule must be a Schedule of fastconv.nn, but is 0.1"),
        ({"schedule": Endless()}, ValueError, r"Endless\(\) must give 39 finite factors"),
        ({"schedule": nn.Cosine(), "epochs": 10**9}, ValueError, "at most 134217728 updates, but there are 13000000000"),
        ({"shuffle": 1}, TypeError, "shuffle must be True, False or a function of an epoch's number, but is 1"),
        ({"augment": 2}, TypeError, "augment must be a Shift of fastconv.nn, but is 2"),
        ({"augment": nn.Shift(1)}, ValueError, r"only images \(h, w, c\) can be shifted, but the model's input is \(5,\)"),
        ({"validation_data": rows(3)[0]}, TypeError, r"validation_data must be a pair \(x, y\), but is a ndarray"),
        (
            {"validation_data": (rows(3)[0], [0, 1, 5])},
            ValueError,
            r"labels must be from 0 to 4, .* go from 0 to 5 \(in validation",
        ),
        ({"validation_data": (np.zeros((3, 4)), [0, 1, 2])}, ValueError, r"x must be \(n, 5\), .* \(3, 4\) \(in validation_data\)"),
        ({"callbacks": nn.EarlyStopping("loss")}, TypeError, "callbacks must be a sequence of callbacks"),
        (
            {"callbacks": [print]},
            TypeError,
            "callbacks must be objects of Callback of fastconv.nn, .* one is <built-in function print>",
        ),
        ({"callbacks": [nn.EarlyStopping()]}, ValueError, "EarlyStopping must look at one of .'loss', 'accuracy'.*at 'val_loss'"),
        ({"threads": 0}, ValueError, "threads must be at least 1, but is 0"),
        ({"resume": True}, ValueError, "resume must come with a checkpoint"),
        ({"checkpoint": "run.pt"}, ValueError, "the file's name must end in .npz or .safetensors, but is run.pt"),
        ({"checkpoint": "/nowhere/run.npz"}, ValueError, "must be in a folder that exists, but is /nowhere/run.npz"),
    ],
)
def test_arguments_are_checked_before_anything_is_done(options, error, text):
    model = model_of_rows()
    before = model.weights_hash()
    with pytest.raises(error, match=f"^fit: .*{text}"):
        model.fit(*rows(200), **{"epochs": 3, "batch_size": 16, "loss": "mse", "progress": False} | options)
    assert (model.weights_hash(), model.loss) == (before, "cross_entropy")


@pytest.mark.parametrize(
    "x, y, error, text",
    [
        (np.zeros((3, 4)), [0, 1, 2], ValueError, r"x must be \(n, 5\), but has shape \(3, 4\)"),
        (rows(3)[0], [0, 1], ValueError, "y must have one label for each of the 3 images"),
        (rows(3)[0], [0.0, 1.5, 2.0], ValueError, "labels must be whole numbers, but number 1 is 1.5"),
        (rows(3)[0], [0, -1, 2], ValueError, "labels must be from 0 to 4"),
        (np.array([["a"] * 5]), [0], TypeError, "x must be an array of real numbers"),
    ],
)
def test_data_is_checked(x, y, error, text):
    with pytest.raises(error, match=f"^fit: {text}"):
        model_of_rows().fit(x, y)


# Callbacks


def test_a_callback_of_ones_own_sees_each_epoch_and_may_stop():
    seen = []

    class Own(nn.Callback):
        def on_train_begin(self, model):
            seen.append("begin")

        def on_epoch_begin(self, model, epoch):
            seen.append(epoch)

        def on_epoch_end(self, model, epoch, logs):
            seen.append(sorted(logs))
            logs.clear()
            model.parameters *= 1.0  # in place, which is allowed
            return epoch == 1

        def on_train_end(self, model):
            seen.append("end")

    history = fitted(epochs=9, callbacks=(callback for callback in [Own()]))[1]
    assert seen == ["begin", 0, ["accuracy", "loss"], 1, ["accuracy", "loss"], "end"]
    assert len(history.epochs) == 2 == len(history["loss"])


@pytest.mark.parametrize(
    "monitor, values, options, epochs, best",
    [
        ("val_loss", [3, 2, 2.5, 2.4, 1], {"patience": 2}, 4, 1),
        ("val_loss", [3, 2, 2.5, 1, 4], {"patience": 2}, 5, 3),
        ("val_accuracy", [0.1, 0.3, 0.2, 0.9], {"patience": 1}, 3, 1),
        ("loss", [3, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.5}, 3, 0),
        ("loss", [float("nan"), 2, float("nan"), float("nan")], {"patience": 2}, 4, 1),
        ("loss", [3, 2, 4], {"patience": 1, "restore_best": False}, 3, 2),
        ("loss", [float("nan")] * 3, {"patience": 2}, 2, 1),
    ],
)
def test_early_stopping(monitor, values, options, epochs, best):
    model, early = model_of_rows(), nn.EarlyStopping(monitor, **options)
    early.on_train_begin(model)
    for epoch, value in enumerate(values):
        model.parameters[:] = epoch
        if early.on_epoch_end(model, epoch, {monitor: value}):
            break
    early.on_train_end(model)
    assert (epoch + 1, model.parameters[0]) == (epochs, best)


def test_early_stopping_ends_a_fit_and_begins_anew_with_the_next():
    early = nn.EarlyStopping("loss", patience=1, min_delta=100.0)
    for _ in range(2):
        model, history = fitted(epochs=9, callbacks=[early])
        assert len(history.epochs) == 2
        assert model.weights_hash() == fitted(epochs=1)[0].weights_hash()
    assert repr(early) == "EarlyStopping(monitor='loss', patience=1, min_delta=100.0, restore_best=True)"
    with pytest.raises(ValueError, match="^EarlyStopping: patience must be at least 1"):
        nn.EarlyStopping(patience=0)
    with pytest.raises(ValueError, match="^EarlyStopping: min_delta must be at least 0"):
        nn.EarlyStopping(min_delta=float("nan"))


# Several at once, and interrupts


def test_fits_one_after_the_other_and_in_two_threads_at_once():
    before = set(threading.enumerate())  # an earlier test's calls may have left helpers that wait for the next
    alone = [fitted(count=2000, seed=seed, threads=2)[0].weights_hash() for seed in (0, 1)]
    found = {}
    workers = [
        threading.Thread(target=lambda seed=seed: found.update({seed: fitted(count=2000, seed=seed, threads=2)[0].weights_hash()}))
        for seed in (0, 1)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found[0], found[1]] == alone
    assert alone[0] != alone[1]
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if re.fullmatch(r"fastconv_\d+", thread.name)] == []
