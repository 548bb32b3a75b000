"""Checkpoints: a training that was interrupted or killed at any moment goes on to the bits of one that never was."""

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fastconv import nn
from fastconv.engine import epoch
from fastconv.nn.files.container import read_file, write_file
from fastconv.nn.training import loop as training

from .processes import environment

BATCH, COUNT = 16, 104


def images(count=COUNT, seed=0):
    """Pictures of noise, each labelled by its brightest of five places."""
    x = np.random.default_rng(seed).integers(0, 256, (count, 3, 4), np.uint8)
    return x, x.reshape(count, -1)[:, :5].argmax(axis=1)


def new_model(seed=0, units=16):
    layers = [nn.Flatten(), nn.Dropout(0.1), nn.Dense(units, activation="relu"), nn.Dense(5)]
    return nn.Sequential(layers, input_shape=(3, 4), seed=seed)


def fit(model, **options):
    given = {"epochs": 3, "batch_size": BATCH, "optimizer": nn.Adam(0.01), "schedule": nn.OneCycle(), "augment": nn.Shift(1)}
    given |= {"validation_data": images(20, seed=1), "callbacks": [nn.EarlyStopping(patience=2)], "threads": 1, "progress": False}
    return model.fit(*images(), **given | options)


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    return tmp_path / f"run{request.param}"


@pytest.fixture
def short_slices(monkeypatch):
    """One update a slice."""
    monkeypatch.setattr(epoch, "SLICE_SECONDS", 0.0)


class Interrupt(nn.Callback):
    """Raises an interrupt where one could come: in a slice (an update), or in a method of a callback."""

    def __init__(self, monkeypatch, place, at):
        self.place, self.left = place, at
        if place == "slice":
            run = epoch.Epoch.run

            def interrupted(this):
                for done in run(this):
                    self.count()
                    yield done

            monkeypatch.setattr(training.Epoch, "run", interrupted)

    def count(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def on_epoch_begin(self, model, epoch):
        if self.place == "begin":
            self.count()

    def on_epoch_end(self, model, epoch, logs):
        if self.place == "end":
            self.count()

    def state(self):
        if self.place == "state":
            self.count()
        return {}


def check_resumed(path, monkeypatch, place, at, **options):
    """Interrupt a training, go on with it in a new model, and compare with one that wasn't interrupted."""
    whole = new_model()
    history = fit(whole, **options)
    model = new_model()
    early = options.pop("callbacks", [nn.EarlyStopping(patience=2)])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        fit(model, checkpoint=path, callbacks=[*early, Interrupt(patch, place, at)], **options)
    assert nn.load(path).weights_hash() == model.weights_hash()
    again = new_model()
    resumed = fit(again, checkpoint=path, resume=True, callbacks=early, **options)
    assert again.weights_hash() == whole.weights_hash()
    assert resumed.epochs == history.epochs
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("place, at", [("slice", 1), ("slice", 7), ("slice", 12), ("slice", 14), ("begin", 1), ("begin", 3)])
def test_an_interrupted_training_goes_on_to_the_same_bits(path, monkeypatch, short_slices, place, at):
    """Of 7 slices an epoch and 2 in validation."""
    check_resumed(path, monkeypatch, place, at)


@pytest.mark.parametrize("shuffle", [False, lambda epoch: np.random.default_rng(epoch).permutation(COUNT)], ids=["given", "own"])
def test_so_does_one_in_another_order(tmp_path, monkeypatch, short_slices, shuffle):
    check_resumed(tmp_path / "run.npz", monkeypatch, "slice", 12, shuffle=shuffle)


def test_so_does_one_with_an_update_for_each_image(tmp_path, monkeypatch, short_slices):
    """Of a slice of 1,000 images and one of 500 an epoch."""
    path, x = tmp_path / "run.npz", np.random.default_rng(0).integers(0, 256, (1500, 6, 6), np.uint8)

    def trained(**options):
        model = nn.models.seed((6, 6), seed=2)
        order = nn.models.NotebookOrder(model, len(x))
        y, options = x.reshape(len(x), -1)[:, :10].argmax(axis=1), {"optimizer": nn.SGD(0.005), "progress": False} | options
        model.fit(x, y, epochs=3, batch_size=1, shuffle=order, **options)
        return model.weights_hash()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        trained(checkpoint=path, callbacks=[Interrupt(patch, "slice", 3)])
    assert json.loads(read_file("test", path).texts["training"])["step"] == 2500
    assert trained(checkpoint=path, resume=True) == trained()


@pytest.mark.parametrize("place", ["end", "state"])
def test_so_does_one_interrupted_in_a_callback(path, monkeypatch, place):
    check_resumed(path, monkeypatch, place, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": nn.SGD(0.1), "augment": None, "validation_data": None, "callbacks": [nn.EarlyStopping("loss")]},
        {"optimizer": nn.SGD(0.1, momentum=0.9), "schedule": None, "batch_size": 1000, "loss": "mse"},
        {"callbacks": [nn.EarlyStopping(patience=1, min_delta=10.0)]},
    ],
    ids=["SGD", "momentum", "stopped"],
)
def test_so_do_others(tmp_path, monkeypatch, options):
    check_resumed(tmp_path / "run.npz", monkeypatch, "begin", 2, **options)


def test_losses_that_are_no_numbers_are_kept(tmp_path, monkeypatch):
    path, bad = tmp_path / "run.npz", {"optimizer": nn.SGD(1e30), "callbacks": []}
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="come apart"):
        first = fit(new_model(), checkpoint=path, epochs=2, schedule=None, **bad)
        with pytest.warns(
            RuntimeWarning, match=r"^fit: .*run.npz has weights that are NaN or infinite: \d+ of \d+ in \d\.kernel, "
        ):
            again = fit(new_model(), checkpoint=path, epochs=2, schedule=None, resume=True, **bad)
    assert not np.isfinite(first["loss"][1])
    assert str(again) == str(first)


def test_a_finished_training_is_only_loaded(path):
    model, again = new_model(), new_model()
    history = fit(model, checkpoint=path)
    assert fit(again, checkpoint=path, resume=True).epochs == history.epochs
    assert again.weights_hash() == model.weights_hash()


def test_one_that_stopped_early_stays_stopped(tmp_path):
    path, early = tmp_path / "run.npz", [nn.EarlyStopping("loss", patience=1, min_delta=10.0)]
    model, again = new_model(), new_model()
    assert len(fit(model, checkpoint=path, callbacks=early).epochs) == 2
    assert len(fit(again, checkpoint=path, callbacks=early, resume=True).epochs) == 2
    assert again.weights_hash() == model.weights_hash()


def test_more_epochs_may_follow_where_the_schedule_does_not_go_by_their_number(tmp_path):
    whole, model, path = new_model(), new_model(), tmp_path / "run.npz"
    options = {"callbacks": [], "schedule": nn.Step(2, 0.5)}
    fit(whole, epochs=5, **options)
    fit(model, epochs=2, checkpoint=path, **options)
    again = new_model()
    assert len(fit(again, epochs=5, checkpoint=path, resume=True, **options).epochs) == 5
    assert again.weights_hash() == whole.weights_hash()
    path.unlink()
    fit(new_model(), epochs=2, checkpoint=path)
    with pytest.raises(ValueError, match=r"^fit: OneCycle\(.*\) goes by the number of epochs, which must be 2, but is 5$"):
        fit(again, epochs=5, checkpoint=path, resume=True)


def test_there_need_not_be_a_checkpoint_yet(path):
    model, again = new_model(), new_model()
    fit(model, checkpoint=path, resume=True)
    fit(again)
    assert model.weights_hash() == again.weights_hash()


def test_without_resume_a_checkpoint_is_not_overwritten(path):
    fit(new_model(), checkpoint=path, epochs=2)
    before, again = path.read_bytes(), new_model(seed=9)
    with pytest.raises(ValueError, match=rf"^fit: the checkpoint .*{path.name} exists: .* with resume=True, or delete it"):
        fit(again, checkpoint=path, epochs=1)
    assert path.read_bytes() == before
    assert again.weights_hash() == new_model(seed=9).weights_hash()
    path.unlink()
    fit(again, checkpoint=path, epochs=1)
    assert nn.load(path).seed == 9


def test_in_an_epoch_a_checkpoint_is_written_now_and_then(tmp_path, monkeypatch, short_slices):
    written, save = [], training.save_checkpoint
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "save_checkpoint", lambda *arguments: written.append(arguments[-1].step) or save(*arguments))
    fit(new_model(), checkpoint=tmp_path / "run.npz", epochs=2)
    assert set(written) >= {1, 7, 8, 14}
    assert written == sorted(written)


# What is refused


@pytest.mark.parametrize(
    "model, options, text",
    [
        ({"seed": 1}, {}, "it was written with seed = 0, but now it is 1"),
        ({"units": 8}, {}, "it was written with layers = .*'units': 16.*, but now it is .*'units': 8"),
        ({}, {"batch_size": 8}, "it was written with batch_size = 16, but now it is 8"),
        ({}, {"optimizer": nn.Adam(0.02)}, "it was written with rate = 0.01, but now it is 0.02"),
        (
            {},
            {"optimizer": nn.AdamW(0.01, weight_decay=0.0)},
            "it was written with optimizer = .*'Adam'.*, but now it is .*'AdamW'",
        ),
        ({}, {"schedule": None}, "it was written with schedule = .*'OneCycle'.*, but now it is .*'Constant'"),
        ({}, {"augment": None}, "it was written with augment = .*'pixels': 1.*, but now it is None"),
        ({}, {"shuffle": False}, "it was written with shuffle = True, but now it is False"),
        ({}, {"shuffle": lambda epoch: np.arange(COUNT)}, "it was written with shuffle = True, but now it is own"),
        ({}, {"loss": "mse"}, "it was written with loss = cross_entropy, but now it is mean_squared_error"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, model, options, text):
    path = tmp_path / "run.npz"
    fit(new_model(), checkpoint=path, epochs=1)
    other = new_model(**model)
    before = other.weights_hash()
    with pytest.raises(ValueError, match=rf"^fit: .*run\.npz is no checkpoint of this training: {text}"):
        fit(other, checkpoint=path, resume=True, **{"epochs": 1} | options)
    assert other.weights_hash() == before


def test_so_is_one_of_other_data(tmp_path):
    path, model = tmp_path / "run.npz", new_model()
    fit(model, checkpoint=path)
    options = {"batch_size": BATCH, "optimizer": nn.Adam(0.01), "schedule": nn.OneCycle(), "augment": nn.Shift(1), "epochs": 3}
    for data, text in ((images(99), "images = 104, but now it is 99"), (images(seed=5), "data = .*, but now it is ")):
        with pytest.raises(ValueError, match=f"is no checkpoint of this training: it was written with {text}"):
            model.fit(*data, checkpoint=path, resume=True, **options)


def damage(path, training=None, **arrays):
    """Write a checkpoint anew with some parts changed."""
    texts, found = read_file("test", path)
    told = json.loads(texts["training"]) | (training or {})
    kept = {name: array for name, array in (found | arrays).items() if array is not None}
    write_file("test", path, texts | {"training": json.dumps(told)}, kept)


@pytest.mark.parametrize(
    "changes, arrays, text",
    [
        ({"step": 1.5}, {}, "step must be an integer"),
        ({"step": 10**6}, {}, "its step 1000000 must be in the epoch after 1 of 7 updates"),
        ({"step": 2**80}, {}, "step must be at most"),
        ({"step": 9}, {}, r"losses must be float64 of \(32,\), but is float64 of \(0,\)"),
        ({"history": []}, {}, r"losses must be float64 of \(104,\)"),
        ({"history": [[]] * 9}, {}, ""),
        ({"history": 5}, {}, ""),
        ({"history": [{"loss": "__import__('os')"}]}, {}, "could not convert string to float"),
        ({"callbacks": 5}, {}, ""),
        ({"epochs": "9"}, {}, "epochs must be an integer"),
        ({"settings": None}, {}, "it must tell"),
        ({"more": 1}, {}, "its training must have"),
        ({}, {"training.slot.1": None}, "there must be an array training.slot.1"),
        ({}, {"training.slot.1": np.zeros(3, np.float32)}, r"slot.1 must be float32 of \(293,\), but is float32 of \(3,\)"),
        ({}, {"2.kernel": np.zeros((2, 2), np.float32)}, r"2.kernel must be float32 of \(12, 16\)"),
        ({}, {"2.kernel": None}, "its arrays must be"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_checkpoint_is_refused(path, changes, arrays, text):
    fit(new_model(), checkpoint=path, epochs=1)
    damage(path, changes, **arrays)
    model = new_model()
    with pytest.raises(ValueError, match=rf"^fit: .*{path.name} is no checkpoint of this training: .*{text}"):
        fit(model, checkpoint=path, resume=True, epochs=1)
    assert model.weights_hash() == new_model().weights_hash()


def test_a_model_file_or_rubbish_is_no_checkpoint(path):
    model = new_model()
    model.save(path)
    with pytest.raises(ValueError, match=rf"^fit: .*{path.name} is no checkpoint of this training: .* and hold a training"):
        fit(model, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"^fit: .*{path.name} is no readable {path.suffix} file"):
        fit(model, checkpoint=path, resume=True)


def test_options_that_no_file_can_hold_are_refused_before(tmp_path):
    class Own(nn.Schedule):
        def __init__(self):
            self.function = print

        def factors(self, updates, updates_per_epoch):
            return np.ones(updates)

    with pytest.raises(TypeError, match="files hold numbers, texts and lists of them, but <built-in function print>"):
        fit(new_model(), schedule=Own(), checkpoint=tmp_path / "run.npz")
    fit(new_model(), schedule=Own(), epochs=1)


# Killed


class Told(nn.Callback):
    """Says when the first epoch begins."""

    def on_train_begin(self, model):
        print("begun", flush=True)


def train_for_long(epochs, threads, checkpoint=None):
    """Train on rows of five numbers, from a checkpoint if there is one; return the weights' hash and the figures."""
    x = np.random.default_rng(0).random((20000, 5)).astype("float32")
    y = x.argmax(axis=1)
    model = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(0.1), nn.Dense(5)], input_shape=(5,))
    model.fit(x[:99], y[:99], epochs=3, optimizer=nn.Adam(0.002), progress=False)  # a life before, of moments too
    falling = nn.ReduceLROnPlateau("loss", 0.99, patience=1, min_delta=10.0)
    callbacks = [nn.EarlyStopping(patience=10**9), falling, Told()]
    options = {"batch_size": 16, "optimizer": nn.Adam(0.001), "progress": False, "validation_data": (x[:500], y[:500])}
    kept = {} if checkpoint is None else {"checkpoint": checkpoint, "resume": True}
    history = model.fit(x, y, epochs=epochs, threads=threads, callbacks=callbacks, **options, **kept)
    return model.weights_hash(), history.epochs


WITHOUT_END = """
import sys
from fastconv.engine import epoch
from fastconv.nn import training
from tests.test_checkpoint import train_for_long
epoch.SLICE_SECONDS, training.CHECKPOINT_SECONDS = 0.005, 0.0
train_for_long(10**9, int(sys.argv[1]), sys.argv[2])
"""


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    """Killed at random moments, and gone on with by other numbers of threads."""
    path, rng = tmp_path / "run.npz", random.Random(7)
    for threads in (1, 3):
        command = [sys.executable, "-c", WITHOUT_END, str(threads), path]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "begun\n", process.stderr.read()
            while not path.exists() and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.3))
            process.kill()
            errors = process.communicate(timeout=60)[1]
        said = [line for line in errors.splitlines() if not line.startswith("fastconv: preparing kernels")]  # on a slow machine
        assert (process.returncode, said) == (-signal.SIGKILL, [])
        assert nn.load(path).shapes == [(5,), (16,), (16,), (5,)]
    epochs = 2 + len(json.loads(read_file("test", path).texts["training"])["history"])
    assert train_for_long(epochs, 2, path) == train_for_long(epochs, 1)
