"""fit while it runs: what it shows, what it warns of, and what Ctrl-C leaves."""

import io
import re
import signal
import subprocess
import sys
import time
import traceback
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from fastconv import nn
from fastconv.datasets import load_mnist
from fastconv.messages import progress
from fastconv.nn.training import loop as training
from fastconv.nn.training import running

from .processes import environment


def rows(count, seed=0):
    """Rows of five numbers, each labelled by its largest."""
    x = np.random.default_rng(seed).random((count, 5)).astype("float32")
    return x, x.argmax(axis=1)


def model_of_rows(rate=0.1, outputs=5):
    return nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(rate), nn.Dense(outputs)], input_shape=(5,))


@pytest.fixture
def stream(monkeypatch):
    """What is shown, of which nobody thinks that it is watched."""
    stream = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    return stream


# What is shown


def test_each_of_a_few_epochs_has_a_line(stream, capsys):
    model = model_of_rows()
    model.fit(*rows(200), epochs=2, validation_data=rows(50))
    model.fit(*rows(200), epochs=1)
    lines = stream.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "Epoch 1 of 2: 200 of 200 images",
        "Epoch 2 of 2: 200 of 200 images",
        "Epoch 3 of 3: 200 of 200 images",
    ]
    assert re.search(r" images/s, loss \d\.\d{4}, accuracy 0\.\d{4}, val_loss \d\.\d{4}, val_accuracy 0\.\d{4}$", lines[1])
    assert capsys.readouterr().out == ""


def test_a_hundred_epochs_are_one_line_for_who_watches_and_few_for_others(stream):
    pytest.importorskip("tqdm")
    model_of_rows().fit(*rows(100), epochs=100)
    assert len(stream.getvalue().splitlines()) == progress.FIRST_EPOCHS + 1
    stream.seek(stream.truncate(0))
    stream.isatty = lambda: True
    model_of_rows().fit(*rows(100), epochs=100)
    text = stream.getvalue()
    assert text.count("\n") == 1
    shown = text.split("\r")
    assert "10000/10000" in shown[-3] or "100%" not in text  # the last but the taking away, where it was time to draw it
    assert not shown[-2].strip()
    assert re.fullmatch(r"Epoch 100 of 100: 100 of 100 images, [\d,]+ images/s, loss \d\.\d{4}, accuracy [01]\.\d{4}\n", shown[-1])


def test_training_that_ends_early_still_has_its_last_line(stream):
    model_of_rows().fit(*rows(100), epochs=50, callbacks=[nn.EarlyStopping("loss", patience=1, min_delta=100.0)])
    assert stream.getvalue().splitlines()[-1].startswith("Epoch 2 of 50: 100 of 100 images")


@pytest.mark.parametrize("classified", [True, False])
def test_the_running_figures_are_means_of_what_is_done(stream, monkeypatch, classified):
    monkeypatch.setattr(progress.Progress, "_is_time", lambda shown: True)
    x, y = rows(200)
    model, options = (model_of_rows(), {}) if classified else (model_of_rows(outputs=1), {"loss": "mse"})
    history = model.fit(x, y if classified else x[:, 0], batch_size=16, threads=1, **options)
    found = re.findall(r": (\d+) of 200 images.* s left, loss ([\d.]+)(?:, accuracy (\d+)%)?\n", stream.getvalue())
    assert len(found) > 2 and int(found[-1][0]) == 200
    assert float(found[-1][1]) == pytest.approx(history["loss"][0], abs=1e-3)
    assert found[-1][2] == (f"{100 * history['accuracy'][0]:.0f}" if classified else "")


# What is warned of


def warned(call):
    """Return the texts of a call's warnings that a training comes apart, all of which name this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    caught = [warning for warning in caught if warning.category is RuntimeWarning]
    assert {warning.filename for warning in caught} <= {__file__}
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("batch", [1, 8])
def test_the_notebooks_network_at_too_large_a_rate(batch):
    images, labels, _, _ = load_mnist()

    def train(rate, epochs=1):
        model = nn.models.seed((28, 28))
        options = {"batch_size": batch, "optimizer": nn.SGD(rate * batch), "epochs": epochs, "progress": False}
        return warned(lambda: model.fit(images[:4000], labels[:4000], **options))

    [text] = train(0.15, epochs=3)
    assert re.fullmatch(
        r"fit: the (loss is NaN|mean loss of 1000 images in a row is \S+) in epoch 1: the training has come apart; "
        rf"try a smaller learning rate than {0.15 * batch:g}",
        text,
    )
    assert train(0.005) == []


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1000.0])
def test_numbers_of_any_scale_are_learnt_without_a_warning_and_not_with_too_large_a_rate(scale):
    x, _ = rows(300)
    y = scale * x[:, :2]

    def train(rate):
        model = nn.Sequential([nn.Dense(2)], input_shape=(5,), dtype="float64")
        return warned(lambda: model.fit(x, y, epochs=20, loss="mse", optimizer=nn.SGD(rate), progress=False))

    assert train(0.3) == []
    [text] = train(3.0)
    assert re.match(r"fit: the mean loss of 300 images in a row is \S+ in epoch \d+: the training has come apart", text)


def test_a_loss_of_nan_is_warned_of_even_in_the_last_images():
    x, y = rows(1200)
    x[1199, 0] = np.nan
    assert warned(lambda: model_of_rows().fit(x, y, epochs=3, shuffle=False, progress=False)) == [
        "fit: the loss is NaN in epoch 1: the training has come apart; try a smaller learning rate than 0.1"
    ]


def test_at_a_rate_of_zero_nothing_comes_apart():
    x, y = rows(100)
    x[3, 0] = np.nan
    assert warned(lambda: model_of_rows().fit(x, y, optimizer=nn.SGD(0.0), progress=False)) == []


def test_a_start_far_from_the_goal_is_no_explosion():
    """As with pixels of 0 to 255 that aren't scaled: the first batch's loss is what later ones are compared with."""
    x, y = rows(1000)
    model = model_of_rows(rate=0.0)
    model.set_weights({name: 30 * array for name, array in model.get_weights().items()})
    history = []
    assert warned(lambda: history.append(model.fit(x, y, optimizer=nn.Adam(0.01), progress=False))) == []
    assert history[0]["loss"][0] > running.EXPLODED * np.log(5) / 2


def test_a_warning_is_no_part_of_the_progress_line(stream, monkeypatch):
    pytest.importorskip("tqdm")
    stream.isatty = lambda: True
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: stream.write(f"{message}\n"))
    x, y = rows(1000)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "_showwarnmsg_impl", lambda found: stream.write(f"{found.message}\n"))
        model_of_rows().fit(x, 1000.0 * x, loss="mse", optimizer=nn.SGD(10.0), epochs=3)
    [line] = [line for line in stream.getvalue().splitlines() if "come apart" in line]
    assert line.rpartition("\r")[2].startswith("fit: ")


# Ctrl-C


def interrupted(monkeypatch, model, at, error=KeyboardInterrupt, **options):
    """Train with an error after so many slices of the training; return what was raised."""
    real, slices = training.Epoch.run, []

    def run(epoch):
        for done in real(epoch):
            slices.append(done)
            if len(slices) == at:
                raise error
            yield done

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as raised:
        patch.setattr(training.Epoch, "run", run)
        model.fit(*rows(200), batch_size=16, shuffle=False, epochs=3, threads=1, **options)
    return raised.value


@pytest.mark.parametrize("at", [1, 2, 5, 8])
def test_an_interrupt_tells_how_many_images_the_model_has_seen(stream, monkeypatch, at):
    model, again = model_of_rows(rate=0.0), model_of_rows(rate=0.0)
    error = interrupted(monkeypatch, model, at)
    epoch, done = map(int, re.fullmatch(r"fit: interrupted in epoch (\d) of 3, after (\d+) of 200 images", str(error)).groups())
    assert stream.getvalue().splitlines()[-1] == f"Epoch {epoch} of 3: interrupted after {done} of 200 images"
    assert stream.getvalue().count("interrupted") == 1
    x, y = rows(200)
    for count in [200] * (epoch - 1) + [done]:
        again.fit(x[:count], y[:count], batch_size=16, shuffle=False, progress=False)
    assert model.weights_hash() == again.weights_hash()
    assert len(model.history.epochs) == epoch - 1


def test_history_is_that_of_the_last_fit(monkeypatch):
    model = model_of_rows()
    assert model.history == {} and model.history.epochs == []
    assert model.fit(*rows(200), epochs=2, progress=False) is model.history
    seen = []
    callback = type("Seen", (nn.Callback,), {"on_epoch_begin": lambda self, model, epoch: seen.append(len(model.history.epochs))})
    before = model.history
    with pytest.raises(ValueError, match="labels"):
        model.fit(rows(3)[0], [0, 1, 9], progress=False)
    assert model.history is before
    assert (
        interrupted(monkeypatch, model, 7, callbacks=[callback()], progress=False).args[0].startswith("fit: interrupted in epoch")
    )
    assert seen == [*range(len(seen))] and len(model.history["loss"]) == len(seen) - 1


@pytest.mark.parametrize("place", ["on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_error_in_a_callback_keeps_the_epochs_before(stream, place, kind):
    def fail(epoch):
        if epoch == 1:
            raise kind

    methods = {
        "on_epoch_begin": lambda self, model, epoch: fail(epoch),
        "on_epoch_end": lambda self, model, epoch, logs: fail(epoch),
    }
    model = model_of_rows()
    with pytest.raises(kind) as raised:
        model.fit(*rows(200), epochs=3, callbacks=[type("Failing", (nn.Callback,), {place: methods[place]})()])
    done = 0 if place == "on_epoch_begin" else 200
    word = "interrupted" if kind is KeyboardInterrupt else "stopped"
    assert stream.getvalue().splitlines()[-1] == f"Epoch 2 of 3: {word} after {done} of 200 images"
    assert len(model.history["loss"]) == 1
    assert str(raised.value) == (
        f"fit: interrupted in epoch 2 of 3, after {done} of 200 images" if kind is KeyboardInterrupt else ""
    )


def test_an_interrupts_traceback_ends_at_fit_and_its_class_and_words_stay(monkeypatch):
    class Ended(KeyboardInterrupt):
        pass

    frames = traceback.extract_tb(interrupted(monkeypatch, model_of_rows(), 2, progress=False).__traceback__)
    assert [frame.name for frame in frames] == ["interrupted", "fit"]
    error = interrupted(monkeypatch, model_of_rows(), 2, Ended("SIGTERM"), progress=False)
    assert type(error) is Ended and error.args == ("SIGTERM",)
    assert error.__cause__ is None and error.__suppress_context__


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from fastconv import nn
signal.signal(signal.SIGINT, signal.default_int_handler)
x = np.random.default_rng(0).random((40000, 5)).astype("float32")
y = x.argmax(axis=1)
model = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(0.1), nn.Dense(5)], input_shape=(5,))

class Told(nn.Callback):
    def on_epoch_begin(self, model, epoch):
        if epoch == 1:
            print("begun", flush=True)

options = {"epochs": 10**9, "batch_size": 16, "optimizer": nn.SGD(0.01, momentum=0.9), "threads": 2}
try:
    model.fit(x, y, callbacks=[Told()], **options)
except KeyboardInterrupt:
    stopped = time.time()
    names = [thread.name for thread in threading.enumerate()]
    print(stopped, names, np.isfinite(model.parameters).all(), len(model.history["loss"]) > 0, flush=True)
    print(model.fit(x, y, **{**options, "epochs": 1, "progress": False}).epochs[0]["accuracy"] > 0.8, flush=True)
    raise
"""


def test_an_interrupt_ends_a_training_at_once_and_keeps_its_updates():
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begun\n", process.stderr.read()
            time.sleep(0.3)
            began = time.time()
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    stopped, rest = output.split(" ", 1)
    assert float(stopped) - began < 1  # half a second where nothing else runs
    assert rest == "['MainThread'] True True\nTrue\n"
    [told] = re.findall(r"^Epoch \d+ of 1000000000: interrupted after (\d+) of 40000 images$", errors, re.MULTILINE)
    last = rf"KeyboardInterrupt: fit: interrupted in epoch \d+ of 1000000000, after {told} of 40000 images"
    assert re.fullmatch(last, errors.splitlines()[-1])
    assert re.findall(r'File ".*?([^/\\"]+)", line', errors) == ["<string>", "fit.py"]
