"""A disk that is full, or a folder that can't be written any more, while a model trains: what is kept, what is said, and when."""

import json
import warnings

import numpy as np
import pytest

from fastconv import nn
from fastconv.commands.train_model import train
from fastconv.files import replace
from fastconv.nn.training import loop as training

from .files import tiny_pictures, write_mnist_folder
from .processes import run_code

X = np.random.default_rng(0).random((60, 5)).astype(np.float32)
Y = X.argmax(axis=1)


def new_model():
    return nn.Sequential([nn.Dense(5)], input_shape=(5,))


def fit(model, epochs=4, **options):
    return model.fit(X, Y, epochs=epochs, batch_size=10, threads=1, progress=False, **options)


class Disk:
    """Is full while `full` is True: no file can be put into another's place."""

    def __init__(self, monkeypatch):
        self.full, self.writes = False, 0
        move = replace.os.replace

        def moved(source, target):
            self.writes += 1
            if self.full:
                raise OSError(28, "No space left on device", str(source), None, str(target))
            move(source, target)

        monkeypatch.setattr(replace.os, "replace", moved)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


class Full(nn.Callback):
    """Makes a disk full in some epochs, before the other callbacks and the training write."""

    def __init__(self, disk, *epochs):
        self.disk, self.epochs = disk, epochs

    def on_epoch_end(self, model, epoch, logs):
        self.disk.full = epoch in self.epochs


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    return tmp_path / f"run{request.param}"


def warned_once(path, operation="fit"):
    text = rf"^{operation}: .*{path.name} can't be written, so it stays as it is: No space left on device$"
    return pytest.warns(RuntimeWarning, match=text)


def only(caught):
    assert len(caught) == 1, [str(warning.message) for warning in caught]


def test_a_disk_that_is_full_for_a_while_is_warned_of_once_and_costs_nothing(path, disk):
    whole, model = new_model(), new_model()
    history = fit(whole)
    with warned_once(path) as caught:
        found = fit(model, checkpoint=path, callbacks=[Full(disk, 1, 2)])
    only(caught)
    assert caught[0].filename == __file__
    assert model.weights_hash() == whole.weights_hash() == nn.load(path).weights_hash()
    assert found.epochs == history.epochs
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_each_time_that_it_is_full_it_is_warned_of(path, disk):
    with warned_once(path) as caught:
        fit(new_model(), epochs=6, checkpoint=path, callbacks=[Full(disk, 1, 3, 4)])
    assert len(caught) == 2


def test_a_disk_that_is_full_at_the_end_is_an_error_at_the_end(path, disk):
    whole, model = new_model(), new_model()
    history = fit(whole)
    with warned_once(path) as caught, pytest.raises(OSError) as raised:
        fit(model, checkpoint=path, callbacks=[Full(disk, 2, 3)])
    only(caught)
    text = "fit: the training is done, and in model.history, but its last state couldn't be written: No space left on device"
    assert str(raised.value) == f"[Errno 28] {text}: '{path}'"
    assert (raised.value.errno, raised.value.filename) == (28, str(path))
    assert model.weights_hash() == whole.weights_hash()
    assert model.history.epochs == history.epochs
    assert nn.load(path).epochs == 2  # the last whole file
    disk.full = False
    again = new_model()
    assert fit(again, checkpoint=path, resume=True, callbacks=[Full(disk)]).epochs == history.epochs
    assert again.weights_hash() == whole.weights_hash()


def test_so_it_goes_within_an_epoch(path, disk, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("fastconv.engine.epoch.SLICE_SECONDS", 0.0)
    fit(new_model(), checkpoint=path)
    often, before = disk.writes, path.read_bytes()
    path.unlink()
    disk.full, disk.writes = True, 0
    with warned_once(path) as caught, pytest.raises(OSError, match="the training is done"):
        fit(new_model(), checkpoint=path)
    only(caught)
    assert disk.writes == often > 4
    disk.full = False
    fit(new_model(), checkpoint=path)
    assert len(path.read_bytes()) == len(before)


def test_an_interrupt_stays_one(path, disk):
    class Stop(nn.Callback):
        def on_epoch_begin(self, model, epoch):
            if epoch == 2:
                disk.full = True
                raise KeyboardInterrupt

    model = new_model()
    with warned_once(path) as caught, pytest.raises(KeyboardInterrupt):
        fit(model, checkpoint=path, callbacks=[Stop()])
    only(caught)
    assert len(model.history.epochs) == 2


@pytest.mark.parametrize("epochs, kept", [((1, 2), 4), ((2, 3), 2), ((0, 1, 2, 3), None)])
def test_a_callback_that_saves_each_model(path, disk, epochs, kept):
    with warned_once(path, "Checkpoint") as caught:
        if epochs[-1] == 3:
            with pytest.raises(
                OSError, match=r"^\[Errno 28\] Checkpoint: the training is done, .* No space left on device: '.*run"
            ):
                fit(new_model(), callbacks=[Full(disk, *epochs), nn.Checkpoint(path)])
        else:
            fit(new_model(), callbacks=[Full(disk, *epochs), nn.Checkpoint(path)])
    only(caught)
    assert (nn.load(path).epochs if path.exists() else None) == kept


def keep(disk, path, losses, full, end=True):
    """Give a callback that keeps the best model these losses, one an epoch; return the model's weight in the file."""
    callback, model = nn.Checkpoint(path, best_only=True, monitor="loss"), new_model()
    callback.check_file(model, model.loss, False)
    for epoch, loss in enumerate(losses):
        disk.full = epoch in full
        model.parameters[:], model.epochs = epoch, epoch
        callback.on_epoch_end(model, epoch, {"loss": loss})
    disk.full = len(losses) in full
    if end:
        callback.on_train_end(model)
    return (nn.load(path).parameters[0], nn.load(path).epochs) if path.exists() else None


@pytest.mark.parametrize(
    "losses, full, kept",
    [
        ([0.5, 0.3, 0.4, 0.35], [1], 1),
        ([0.5, 0.3, 0.4, 0.35], [1, 2, 3], 1),
        ([0.5, 0.3, 0.2, 0.35], [1, 2], 2),
        ([0.5, 0.3, 0.2, 0.25], [1], 2),
        ([0.5, 0.6, 0.7, 0.8], [0, 1], 0),
    ],
)
def test_a_best_model_that_could_not_be_saved_is_saved_later(path, disk, losses, full, kept):
    with warned_once(path, "Checkpoint") as caught:
        assert keep(disk, path, losses, full) == (kept, kept)
    only(caught)


def test_if_it_never_can_be_that_is_an_error_at_the_end(path, disk):
    with warned_once(path, "Checkpoint"), pytest.raises(OSError, match="the training is done"):
        keep(disk, path, [0.5, 0.3, 0.4], [1, 2, 3])
    assert nn.load(path).parameters[0] == 0


def test_all_callbacks_end_before_the_error(path, disk):
    ended = []

    class Last(nn.Callback):
        def on_train_end(self, model):
            ended.append(model.history.epochs)

    disk.full = True
    stopping = nn.EarlyStopping("loss", patience=1, min_delta=9.0)
    model = new_model()
    with warned_once(path, "Checkpoint"), pytest.raises(OSError, match="Checkpoint: the training is done"):
        fit(model, callbacks=[nn.Checkpoint(path), stopping, Last()])
    assert len(ended) == 1
    assert len(model.history.epochs) == 2
    first = new_model()
    fit(first, epochs=1)
    assert model.weights_hash() == first.weights_hash()  # the best weights are back


def test_memory_that_is_lacking_is_as_a_disk_that_is_full(tmp_path, monkeypatch):
    def none(*arguments):
        raise MemoryError

    monkeypatch.setattr(training, "save_checkpoint", none)
    with pytest.warns(RuntimeWarning, match="can't be written, so it stays as it is: there is no memory for it"):  # noqa: SIM117
        with pytest.raises(OSError, match=r"the training is done, .* there is no memory for it"):
            fit(new_model(), checkpoint=tmp_path / "run.npz")


LIMITED = """
import json, resource, sys, warnings
import numpy as np
from fastconv import nn

class Limit(nn.Callback):
    def on_epoch_end(self, model, epoch, logs):
        if epoch == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

x = np.random.default_rng(0).random((60, 30)).astype("float32")
model = nn.Sequential([nn.Dense(5)], input_shape=(30,))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        model.fit(x, x[:, :5].argmax(axis=1), epochs=4, threads=1, progress=False, checkpoint=sys.argv[1], callbacks=[Limit()])
    except OSError as error:
        text = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(json.dumps([text, [str(warning.message) for warning in caught], len(model.history.epochs), nn.load(sys.argv[1]).epochs]))
"""


def test_a_limit_of_the_system_is_as_a_disk_that_is_full(path):
    text, (warned,), epochs, kept = json.loads(run_code(LIMITED, path))
    assert text.startswith(
        "[Errno 27] fit: the training is done, and in model.history, but its last state couldn't be written: File too"
    )
    assert warned == f"fit: {path} can't be written, so it stays as it is: File too large"
    assert (epochs, kept) == (4, 1)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


# fastconv train


@pytest.mark.parametrize("lost", ["save", "checkpoint"])
def test_train_tells_its_results_before_the_error(tmp_path, disk, lost):
    data, lines = write_mnist_folder(tmp_path / "data", tiny_pictures()), []
    network, state = tmp_path / "network.npz", tmp_path / "state.npz"
    disk.full = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(OSError, match=r"^\[Errno 28\] (save|fit): .*No space left on device: '.*npz'"):
            train(str(data), model="seed", say=lines.append, **{lost: str({"save": network, "checkpoint": state}[lost])})
    assert [line.split()[0] for line in lines[-2:]] == ["Test:", "Seconds:"]
    assert any(line.startswith("Network not written: [Errno 28] save: ") for line in lines) == (lost == "save")
    assert not network.exists()
    assert not state.exists()


def test_a_checkpoint_that_is_lost_costs_train_no_network(tmp_path, disk, monkeypatch):
    data, lines = write_mnist_folder(tmp_path / "data", tiny_pictures()), []
    network, state = tmp_path / "network.npz", tmp_path / "state.npz"

    def full(*arguments):
        raise OSError(28, "No space left on device", str(state))

    monkeypatch.setattr(training, "save_checkpoint", full)
    with warned_once(state), pytest.raises(OSError, match="fit: the training is done"):
        train(str(data), model="seed", say=lines.append, save=str(network), checkpoint=str(state))
    assert f"Network written to {network}" in lines
    assert nn.load(network).epochs == 1
