"""Files of models: what was written is read back before it takes an old file's place, and no worse model takes a better one's."""

import copy
import pickle

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.files import container as files
from fastconv.nn.files import model_file

from .test_fit_goes_on import fit, layered, pictures


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    return tmp_path / f"model{request.param}"


def after(callback, *values):
    """Call a callback as fit does after epochs with these losses, with a model whose first parameter is the epoch's number."""
    model = layered()
    callback.check_file(model, "cross_entropy", False)
    callback.on_train_begin(model)
    for epoch, value in enumerate(values):
        model.parameters[0] = epoch
        callback.on_epoch_end(model, epoch, {"loss": value, "accuracy": value})
    callback.on_train_end(model)


def kept(path):
    return nn.load(path).parameters[0]


# Read back


@pytest.mark.parametrize("where", ["arrays", "texts", "shape", "lost"])
def test_a_file_that_reads_back_as_something_else_replaces_nothing(path, monkeypatch, where):
    model, write = layered(), files._write

    def wrongly(file, suffix, texts, arrays):
        texts, arrays = dict(texts), dict(arrays)
        name = [*arrays][0]
        if where == "arrays":
            arrays[name] = arrays[name] + np.float32(1e-6)
        elif where == "shape":
            arrays[name] = arrays[name].reshape(-1)
        elif where == "lost":
            del arrays[name]
        else:
            texts["structure"] = texts["structure"].replace("4", "5")
        write(file, suffix, texts, arrays)

    model.save(path)
    before = path.read_bytes()
    model.parameters[:] = 1
    monkeypatch.setattr(files, "_write", wrongly)
    with pytest.raises(OSError, match="save: the file can't be written: what was written reads back as something else"):
        model.save(path)
    monkeypatch.setattr(files, "_write", lambda file, *rest: file.write(b"half a fi"))
    with pytest.raises(OSError, match="save: the file can't be written: what was written can't be read back: "):
        model.save(path)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_nor_does_one_that_load_would_refuse_or_read_as_another(path, monkeypatch):
    model = layered()
    model.save(path)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(nn.Dropout, "options", lambda layer: {"rate": layer.rate, "trainable": False})
        with pytest.raises(
            ValueError, match="^save: load would refuse the file: layer 5: .* unexpected keyword argument 'trainable'"
        ):
            model.save(path)
        with pytest.raises(ValueError, match="^fit: the model can't be kept in a file: layer 5: .* unexpected keyword argument"):
            fit(model, 1, checkpoint=path.with_stem("run"))
    with monkeypatch.context() as patched:
        patched.setattr(model_file, "model_of", lambda contents, kind: layered(seed=9))
        with pytest.raises(ValueError, match="^save: load would make another model of the file, which differs in .'seed'.$"):
            model.save(path)
    assert path.read_bytes() == before


def test_a_model_that_no_file_can_hold_is_refused_before_the_training(tmp_path):
    class Own(nn.Dense):
        """None of ours."""

    model = nn.Sequential([nn.Flatten(), Own(3)], (8, 8))
    before = model.weights_hash()
    for options in ({"checkpoint": tmp_path / "a.npz"}, {"callbacks": [nn.Checkpoint(tmp_path / "a.npz")]}):
        with pytest.raises(TypeError, match="files hold the layers .*, but layer 1 is a Own"):
            fit(model, 1, **options)
    assert model.weights_hash() == before


# The best


def test_the_last_or_the_best_model_is_kept(path):
    after(nn.Checkpoint(path), 0.1, 0.9, 0.5)
    assert kept(path) == 2
    path.unlink()
    after(nn.Checkpoint(path, best_only=True, monitor="accuracy"), 0.1, 0.9, 0.5)
    assert kept(path) == 1
    with pytest.raises(ValueError, match=r"^Checkpoint: the file's name must end in \.npz or \.safetensors"):
        nn.Checkpoint("model.h5")
    with pytest.raises(ValueError, match="^Checkpoint: the file must be in a folder that exists"):
        fit(layered(), 1, callbacks=[nn.Checkpoint("/nowhere/model.npz")])
    with pytest.raises(ValueError, match="^Checkpoint: monitor must come with best_only=True, but is 'loss' without it"):
        nn.Checkpoint(path, monitor="loss")
    assert nn.Checkpoint(path, best_only=True).monitor == "val_loss"


def test_no_worse_one_replaces_it_in_later_fits_with_the_same_callback(path):
    keep = nn.Checkpoint(path, best_only=True, monitor="loss")
    after(keep, 3, 2, 1, 2)
    before = path.read_bytes()
    after(keep, 1.5, 1)
    assert path.read_bytes() == before
    after(keep, 5, 0.5, 0.7)
    assert kept(path) == 1
    path.unlink()
    after(keep, 9)
    assert kept(path) == 0


def test_nor_with_another_callback_in_another_process_and_it_says_so(path):
    after(nn.Checkpoint(path, best_only=True, monitor="loss"), 3, 2, 1, 2)
    before, text = path.read_bytes(), "has a model of loss 1 from before, which only a better one replaces"
    with pytest.warns(UserWarning, match=text):
        after(nn.Checkpoint(path, best_only=True, monitor="loss"), 2, 1)
    assert path.read_bytes() == before
    keep = nn.Checkpoint(path, best_only=True, monitor="loss")
    with pytest.raises(UserWarning, match=text):  # as an error, too, it comes once
        after(keep, 2)
    after(keep, 2)
    assert path.read_bytes() == before
    with pytest.warns(UserWarning, match=text):
        after(nn.Checkpoint(path, best_only=True, monitor="loss"), 2, 0.5)
    assert kept(path) == 1


@pytest.mark.parametrize("what", ["another figure", "no figure", "other layers", "another loss", "rubbish"])
def test_a_file_whose_figure_means_nothing_here_is_refused_before_the_training(path, what):
    model = nn.Sequential([nn.Flatten(), nn.Dense(3)], (8, 8))
    if what == "no figure":
        model.save(path)
    elif what == "rubbish":
        path.write_bytes(b"rubbish")
    else:
        other = layered() if what == "other layers" else model
        monitor, loss = "accuracy" if what == "another figure" else "loss", "mse" if what == "another loss" else "cross_entropy"
        fit(other, 1, loss=loss, callbacks=[nn.Checkpoint(path, best_only=True, monitor=monitor)])
    before, weights = path.read_bytes(), model.weights_hash()
    with pytest.raises(
        ValueError, match=f"^Checkpoint: .*{path.name} (exists, and tells no loss of a model like this|is no readable)"
    ):
        fit(model, 1, callbacks=[nn.Checkpoint(path, best_only=True, monitor="loss")])
    assert (path.read_bytes(), model.weights_hash()) == (before, weights)


@pytest.mark.parametrize("values", [[float("nan")], [float("nan"), float("inf")]], ids=str)
def test_what_is_no_number_is_never_the_best_and_that_is_said(path, values):
    with pytest.warns(UserWarning, match=f"^Checkpoint: .*{path.name} wasn't written, as loss was never a finite number"):
        after(nn.Checkpoint(path, best_only=True, monitor="loss"), *values)
    assert not path.exists()
    after(nn.Checkpoint(path, best_only=True, monitor="loss"), float("nan"), 2, float("nan"))
    assert kept(path) == 1


def test_what_is_the_best_is_resumed(tmp_path):
    """Killed after the best model was written and before the checkpoint was: the epoch is gone through again."""
    best, run, whole = (tmp_path / f"{name}.npz" for name in ("best", "run", "whole"))

    class Killed(nn.Callback):
        def on_epoch_end(self, model, epoch, logs):
            if epoch == 2:
                raise OSError("killed")

    def options(*callbacks):
        keep = nn.Checkpoint(best, best_only=True, monitor="loss")
        return {"epochs": 4, "callbacks": [keep, *callbacks], "checkpoint": run, "resume": True, "optimizer": nn.SGD(0.01)}

    with pytest.raises(OSError, match="killed"):
        fit(layered(), **options(Killed()))
    assert nn.load(best).epochs == 3
    fit(layered(), **options())
    fit(layered(), 4, optimizer=nn.SGD(0.01), callbacks=[nn.Checkpoint(whole, best_only=True, monitor="loss")])
    assert (nn.load(best).epochs, nn.load(best).weights_hash()) == (nn.load(whole).epochs, nn.load(whole).weights_hash())


# Several that write


def test_callbacks_can_be_copied_and_sent_to_other_processes_after_a_fit(tmp_path):
    for callback in (nn.Checkpoint(tmp_path / "m.npz"), nn.ReduceLROnPlateau("loss", patience=1), nn.EarlyStopping("loss")):
        model = layered()
        fit(model, 1, callbacks=[callback])
        for other in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
            assert {name: array.tolist() for name, array in other.state().items()} == {
                name: array.tolist() for name, array in callback.state().items()
            }
            fit(copy.deepcopy(model), 1, callbacks=[other])


def test_two_never_write_to_one_file(tmp_path):
    one, link = tmp_path / "one.npz", tmp_path / "link.npz"
    link.symlink_to(one)
    for same in (one, link, tmp_path / ".." / tmp_path.name / "one.npz"):
        with pytest.raises(ValueError, match="^fit: Checkpoint must have a file of its own, but writes to that of fit's own check"):
            fit(layered(), 1, checkpoint=one, callbacks=[nn.Checkpoint(same)])
        with pytest.raises(ValueError, match="^fit: Checkpoint must have a file of its own, but writes to that of another Check"):
            fit(layered(), 1, callbacks=[nn.Checkpoint(one), nn.Checkpoint(same)])
    assert not one.exists()


def test_a_checkpoint_is_not_overwritten_by_a_new_training_even_if_it_is_finished(path):
    fit(layered(), 1, checkpoint=path)
    before, model = path.read_bytes(), layered()
    with pytest.raises(ValueError, match=f"^fit: the checkpoint .*{path.name} exists: go on .* with resume=True, or delete it"):
        fit(model, 1, checkpoint=path)
    assert (path.read_bytes(), model.weights_hash(), model.epochs) == (before, layered().weights_hash(), 0)
    assert model.evaluate(*pictures()) != nn.load(path).evaluate(*pictures())
