"""Callbacks: which are refused before a training, what they may change in it, and the rate that falls on a plateau."""

import itertools

import numpy as np
import pytest

from fastconv import nn

from .test_checkpoint import Interrupt
from .test_fit_goes_on import fit, layered, notebooks

RULE = "a callback has on_train_begin, on_train_end, on_epoch_begin, on_epoch_end"


def own(base=nn.Callback, **methods):
    return type("Own", (base,), methods)()


def nothing(*arguments):
    """Do nothing."""


class Rates(nn.Callback):
    """Notes the rate of each epoch."""

    def __init__(self):
        self.seen = []

    def on_epoch_begin(self, model, epoch):
        self.seen.append(model.optimizer.lr)


# What is refused before anything is done


@pytest.mark.parametrize("name", ["on_batch_end", "on_train_batch_end", "on_epoch_ends", "on_Epoch_End", "on_fit_end"])
def test_hooks_that_there_are_not_are_refused(name):
    model = layered()
    for callback in (own(**{name: nothing}), own(nn.EarlyStopping, **{name: nothing, "monitor": "loss"})):
        with pytest.raises(TypeError, match=f"^fit: Own.{name} would never be called: {RULE}$"):
            fit(model, 1, callbacks=[callback])
    callback = nn.Callback()
    setattr(callback, name, nothing)
    with pytest.raises(TypeError, match=f"^fit: Callback.{name} would never be called"):
        fit(model, 1, callbacks=[callback])
    assert model.weights_hash() == layered().weights_hash()
    own_use = own()
    own_use.on_better = nothing  # which it may call itself
    fit(model, 1, callbacks=[own(on_gpu=False), own_use])


@pytest.mark.parametrize(
    "name, method, arguments",
    [
        ("on_epoch_end", lambda self, epoch, logs=None: None, "self, model, epoch, logs"),
        ("on_epoch_begin", lambda self, epoch, logs=None: None, "self, model, epoch"),
        ("on_train_begin", lambda self, logs=None: None, "self, model"),
        ("on_train_end", lambda self: None, "self, model"),
        ("on_epoch_end", lambda self, model, logs, epoch: None, "self, model, epoch, logs"),
        ("state", lambda self, model: {}, "self"),
        ("on_epoch_begin", None, "self, model, epoch"),
    ],
)
def test_so_are_hooks_that_take_something_else(name, method, arguments):
    with pytest.raises(TypeError, match=rf"^fit: Own.{name} must take \({arguments}\), as `Callback` has it"):
        fit(layered(), 1, callbacks=[own(**{name: method})])


def test_any_names_will_do_in_the_right_order():
    seen = []
    methods = {
        "on_epoch_end": lambda self, network, number, /, figures, more=1: seen.append(number),
        "on_epoch_begin": lambda *everything: seen.append(len(everything)),
    }
    fit(layered(), 1, callbacks=[own(**methods)])
    assert seen == [3, 0]


@pytest.mark.parametrize(
    "callbacks, error, text",
    [
        ([nn.EarlyStopping], TypeError, "but one is the class EarlyStopping itself"),
        ([type("Duck", (), {"on_epoch_end": nothing})()], TypeError, "callbacks must be objects of Callback .* but one is <"),
        ([nn.EarlyStopping("loss")] * 2, ValueError, "each callback must be there once, but a EarlyStopping is there twice"),
        ([nn.EarlyStopping("val_loss")], ValueError, "EarlyStopping must look at one of .* but looks at 'val_loss'"),
        ([nn.ReduceLROnPlateau("val_accuracy")], ValueError, "ReduceLROnPlateau must look at one of"),
    ],
)
def test_so_is_what_is_no_callback_or_can_not_work(callbacks, error, text):
    with pytest.raises(error, match=f"^fit: .*{text}"):
        fit(layered(), 1, callbacks=callbacks)


def test_so_is_one_that_looks_at_what_there_are_no_images_of(tmp_path):
    x, y = np.zeros((0, 8, 8)), np.zeros(0, int)
    for callback in (nn.EarlyStopping(), nn.ReduceLROnPlateau(), nn.Checkpoint(tmp_path / "a.npz", best_only=True)):
        kind = type(callback).__name__
        with pytest.raises(
            ValueError, match=f"^fit: {kind} looks at 'val_loss', of which there must be images, but there are none"
        ):
            fit(layered(), 1, callbacks=[callback], validation_data=(x, y))
    with pytest.raises(ValueError, match="^fit: EarlyStopping looks at 'loss', of which there must be images"):
        layered().fit(x, y, callbacks=[nn.EarlyStopping("loss")])


@pytest.mark.parametrize("answer", [0.3, "yes", {"loss": 1}, 1, []])
def test_an_answer_that_is_neither_true_nor_false_does_not_end_a_training_in_silence(answer):
    with pytest.raises(TypeError, match="^fit: Own.on_epoch_end must return True to end the training, else False or None, but"):
        fit(layered(), 2, callbacks=[own(on_epoch_end=lambda *arguments: answer)])


@pytest.mark.parametrize(
    "option, base, name",
    [("optimizer", nn.SGD, "step"), ("schedule", nn.Constant, "get_lr"), ("optimizer", nn.Adam, "apply_gradients")],
)
def test_methods_of_other_libraries_are_refused(option, base, name):
    thing = type("Own", (base,), {name: nothing})(*[0.1] * (base is not nn.Constant))
    with pytest.raises(TypeError, match=f"^fit: {option}: Own.{name} is never called: see {option.title()} for what is"):
        fit(layered(), 1, **{option: thing})


def test_so_is_a_shift_that_is_none():
    with pytest.raises(TypeError, match="^fit: augment must be a Shift itself, which the engine knows, but is a Own"):
        fit(layered(), 1, augment=own(nn.Shift, apply_to=nothing))
    with pytest.raises(ValueError, match=r"^fit: Shift\(8\) must leave something of images of 8 x 8 pixels"):
        fit(layered(), 1, augment=nn.Shift(8))
    with pytest.raises(TypeError, match=r"^Schedule must have a method factors\(updates, updates_per_epoch\)"):
        fit(layered(), 1, schedule=nn.Schedule())


def test_an_optimizer_of_ones_own_is_not_passed_over_in_the_notebooks_network():
    class Still(nn.SGD):
        def task(self, w, g, slots, rates, state):
            return super().task(w, g, slots, 0 * rates, state)

    model = notebooks()
    fit(model, 1, optimizer=Still(0.1))
    assert model.weights_hash() == notebooks().weights_hash()


# The rate


def lowering(how, momentum=0.9):
    """A callback that halves the rate by the user's own optimizer, or by the model's."""
    optimizer = nn.SGD(0.1, momentum)

    def lower(model, epoch=None, logs=None):
        assert model.optimizer is optimizer
        (model.optimizer if epoch else optimizer).lr *= 0.5

    return optimizer, own(**{how: lambda self, *arguments: lower(*arguments)})


@pytest.mark.parametrize("build", [layered, notebooks])
@pytest.mark.parametrize("schedule", [None, nn.Step(1, 0.5)], ids=str)
@pytest.mark.parametrize("how, rates", [("on_epoch_begin", [1, 2, 3]), ("on_epoch_end", [0, 1, 2]), ("on_train_begin", [1, 1, 1])])
@pytest.mark.parametrize("batch, momentum", [(16, 0.9), (16, 0.0), (1, 0.0)])
def test_callbacks_set_it_for_the_epochs_to_come(how, rates, schedule, build, batch, momentum):
    optimizer, callback = lowering(how, momentum)
    model, by_hand = build(), build()
    fit(model, 3, optimizer=optimizer, callbacks=[callback], schedule=schedule, batch_size=batch)
    for times in rates:
        fit(by_hand, 1, optimizer=nn.SGD(0.1 * 0.5**times, momentum), schedule=schedule, batch_size=batch)
    assert model.weights_hash() == by_hand.weights_hash()
    assert model.optimizer is optimizer


@pytest.mark.parametrize("how", ["on_epoch_begin", "on_epoch_end", "on_train_begin"])
def test_what_they_set_is_resumed_to_the_same_bits(tmp_path, monkeypatch, how):
    """In another process, with a new optimizer, or in this one, with the same."""
    optimizer, callback = lowering(how)
    whole = layered()
    fit(whole, 4, optimizer=optimizer, callbacks=[callback])
    for place, at, anew in itertools.product(("begin", "end"), (1, 3), (True, False)):
        path = tmp_path / f"{place}{at}{anew}.npz"
        optimizer, callback = lowering(how)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            fit(layered(), 4, optimizer=optimizer, callbacks=[callback, Interrupt(patch, place, at)], checkpoint=path)
        optimizer, callback = lowering(how) if anew else (optimizer, callback)
        model = layered()
        fit(model, 4, optimizer=optimizer, callbacks=[callback], checkpoint=path, resume=True)
        assert model.weights_hash() == whole.weights_hash()


# On a plateau


@pytest.mark.parametrize(
    "options, losses, rates",
    [
        ({"patience": 2}, [3, 2, 2, 2, 2, 2], [1, 1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 1}, [3, 2, 2, 1, 1, 1], [1, 1, 0.5, 0.5, 0.25, 0.125]),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.4, 2.4], [1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "cooldown": 2}, [3, 3, 3, 3, 3, 3], [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 1, "min_lr": 0.3}, [3, 3, 3, 3], [1, 0.5, 0.3, 0.3]),
        ({"patience": 1, "min_lr": 2.0}, [3, 3, 3], [1, 1, 1]),
        ({"patience": 1, "factor": 0.0}, [3, 3, 3], [1, 0, 0]),
        ({"patience": 2}, [float("nan")] * 4, [1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "monitor": "accuracy"}, [0.5, 0.6, 0.6, 0.7], [1, 1, 0.5, 0.5]),
    ],
)
def test_the_rate_falls_on_a_plateau(options, losses, rates):
    plateau, model = nn.ReduceLROnPlateau(**{"monitor": "loss", "factor": 0.5} | options), layered()
    fit(model, 0, optimizer=nn.SGD(1.0))
    plateau.on_train_begin(model)
    found = []
    for epoch, value in enumerate(losses):
        plateau.on_epoch_end(model, epoch, {plateau.monitor: value})
        found.append(model.optimizer.lr)
    assert found == rates


def test_it_does_so_in_a_fit_and_over_several(tmp_path, monkeypatch):
    def trained(*parts):
        model, optimizer, rates = layered(), nn.SGD(0.1), Rates()
        plateau = nn.ReduceLROnPlateau("loss", 0.5, patience=2, min_delta=10.0, cooldown=1)
        for part in parts:
            fit(model, part, optimizer=optimizer, callbacks=[plateau, rates])
        return model.weights_hash(), rates.seen

    whole = trained(7)
    assert whole[1] == [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]
    assert trained(1, 1, 1, 2, 2) == whole


def test_another_model_begins_anew():
    plateau, optimizer = nn.ReduceLROnPlateau("loss", 0.5, patience=2, min_delta=10.0), nn.SGD(0.1)
    for _ in range(3):
        fit(layered(), 2, optimizer=optimizer, callbacks=[plateau])
    assert optimizer.lr == 0.1


def test_its_state_is_resumed(tmp_path, monkeypatch):
    def options():
        return {"optimizer": nn.SGD(0.1), "callbacks": [nn.ReduceLROnPlateau("loss", 0.5, patience=2, min_delta=10.0, cooldown=1)]}

    whole, path, model = layered(), tmp_path / "run.npz", layered()
    fit(whole, 6, **options())
    given = options()
    given["callbacks"].append(Interrupt(monkeypatch, "begin", 5))
    with pytest.raises(KeyboardInterrupt):
        fit(layered(), 6, checkpoint=path, **given)
    given = options()
    fit(model, 6, checkpoint=path, resume=True, **given)
    assert (model.weights_hash(), given["optimizer"].lr) == (whole.weights_hash(), 0.025)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"factor": 1.0}, ValueError, "factor must be at least 0 and less than 1, but is 1.0"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"cooldown": -1}, ValueError, "cooldown must be at least 0"),
        ({"min_delta": float("nan")}, ValueError, "min_delta must be at least 0"),
        ({"min_lr": "0"}, TypeError, "min_lr must be a number"),
    ],
)
def test_its_options_are_checked(options, error, text):
    with pytest.raises(error, match=f"^ReduceLROnPlateau: {text}"):
        nn.ReduceLROnPlateau(**options)


# States


class Counting(nn.Callback):
    """Counts the epochs, over interruptions too."""

    def __init__(self):
        self.count = 0

    def on_epoch_end(self, model, epoch, logs):
        self.count += 1

    def state(self):
        return {"count": self.count}

    def set_state(self, state):
        self.count = int(state["count"])


def test_states_are_resumed_by_their_classes_and_none_is_lost_in_silence(tmp_path, monkeypatch):
    path, early = tmp_path / "run.npz", nn.EarlyStopping("loss", patience=9)
    counts = [Counting(), Counting()]
    counts[1].count = 10
    with pytest.raises(KeyboardInterrupt):
        fit(layered(), 4, callbacks=[*counts, early, Interrupt(monkeypatch, "begin", 3)], checkpoint=path)
    assert [callback.count for callback in counts] == [2, 12]
    model, rates, again = layered(), Rates(), [Counting(), Counting()]
    before = path.read_bytes()
    for callbacks, missing in (([early], "Counting"), ([again[0], early], "Counting"), (again, "EarlyStopping")):
        with pytest.raises(ValueError, match=f"^fit: .* is no checkpoint of this training: callbacks must have the {missing} "):
            fit(model, 4, callbacks=callbacks, checkpoint=path, resume=True)
    assert (model.weights_hash(), path.read_bytes()) == (layered().weights_hash(), before)
    fit(model, 4, callbacks=[rates, early, *again], checkpoint=path, resume=True)
    assert [callback.count for callback in again] == [4, 14]


@pytest.mark.parametrize("value", [None, "text", [object()], {"a": 1}, 1j])
def test_a_state_that_no_file_can_hold_is_named(tmp_path, value):
    with pytest.raises(TypeError, match="^fit: Own.state must return arrays of numbers, but 'mine' has dtype "):
        fit(layered(), 1, callbacks=[own(state=lambda self: {"mine": value})], checkpoint=tmp_path / "run.npz")
    assert not (tmp_path / "run.npz").exists()
