"""Files that are replaced: as a whole, with their mode, through links, named as the user knows them."""

import os
import stat

import numpy as np
import pytest

from fastconv import nn
from fastconv.commands.train_model import load_data
from fastconv.datasets import load_fashion_mnist, load_npz, read_idx
from fastconv.files import paths, replace
from fastconv.files.replace import replacing

from .files import tiny_pictures, write_mnist_folder
from .processes import run_code


def write(path, content=b"new", **options):
    with replacing(path, **options) as file:
        file.write(content)


def tiny():
    return nn.Sequential([nn.Dense(2)], input_shape=(3,))


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.fixture(params=[".npz", ".safetensors"])
def model_path(request, tmp_path):
    return tmp_path / f"model{request.param}"


# Mode, owner, links


@pytest.mark.parametrize("kept", [0o664, 0o600, 0o444, 0o755], ids=oct)
def test_a_file_keeps_its_mode(tmp_path, kept):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(kept)
    write(path)
    assert (path.read_bytes(), mode(path)) == (b"new", oct(kept))


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077], ids=oct)
def test_a_new_file_follows_the_umask(model_path, umask):
    before = os.umask(umask)
    try:
        tiny().save(model_path)
    finally:
        os.umask(before)
    assert mode(model_path) == oct(0o666 & ~umask)


def test_a_private_file_is_the_users_alone(tmp_path):
    write(tmp_path / "file", private=True)
    assert mode(tmp_path / "file") == "0o600"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner(model_path):
    model_path.write_bytes(b"old")
    os.chown(model_path, 4321, 1234)
    tiny().save(model_path)
    assert (model_path.stat().st_uid, model_path.stat().st_gid) == (4321, 1234)


def test_links_stay_and_what_they_lead_to_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real.dat").write_bytes(b"old")
    (tmp_path / "between").symlink_to("folder/real.dat")
    (tmp_path / "link.npz").symlink_to(tmp_path / "between")
    tiny().save(tmp_path / "link.npz")  # its name says what is written
    assert nn.load(tmp_path / "link.npz").shapes == [(3,), (2,)]
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "between").is_symlink()
    assert [item.name for item in (tmp_path / "folder").iterdir()] == ["real.dat"]


def test_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("n" * 251 + ".npz")
    tiny().save(path)
    assert nn.load(path).shapes == [(3,), (2,)]


# Places that are none, at the start


def train_with(path):
    tiny().fit(np.eye(3), [0, 1, 0], epochs=1, checkpoint=path, progress=False)


def train_with_callback(path):
    tiny().fit(np.eye(3), [0, 1, 0], epochs=1, callbacks=[nn.Checkpoint(path)], progress=False)


@pytest.fixture(params=[train_with, train_with_callback])
def refused(request, monkeypatch):
    """Check that a training whose state is to be kept at a path is refused before it begins."""

    def refused(path, error, text):
        monkeypatch.setattr(nn.training.loop.Training, "_run_epoch", None)
        with pytest.raises(error, match=text) as caught:
            request.param(path)
        return caught.value

    return refused


def test_a_link_to_nowhere_is_refused_at_the_start(tmp_path, refused):
    (tmp_path / "link.npz").symlink_to(tmp_path / "nowhere" / "model.npz")
    refused(tmp_path / "link.npz", ValueError, "must be in a folder that exists, but is .*link.npz, a link to .*nowhere")


def test_a_link_to_itself_is_refused_at_the_start(tmp_path, refused):
    (tmp_path / "link.npz").symlink_to(tmp_path / "link.npz")
    refused(tmp_path / "link.npz", ValueError, "must not be a link to itself, but is .*link.npz")


def test_a_link_to_a_file_that_is_not_there_yet_is_none_of_these(tmp_path):
    (tmp_path / "link.npz").symlink_to("real.npz")
    train_with(tmp_path / "link.npz")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["link.npz", "real.npz"]


def test_what_is_no_file_is_not_replaced(tmp_path, refused):
    os.mkfifo(tmp_path / "pipe.npz")
    refused(tmp_path / "pipe.npz", ValueError, "only a file can be replaced by another, but .*pipe.npz is none")
    (tmp_path / "link.npz").symlink_to(os.devnull)
    with pytest.raises(ValueError, match="^save: only a file can be replaced by another, but .*, a link to /dev/null is none"):
        tiny().save(tmp_path / "link.npz")
    (tmp_path / "folder.npz").mkdir()
    refused(tmp_path / "folder.npz", ValueError, "must be in a folder that exists, but is .*, which is a folder")


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path, refused, monkeypatch):
    """As this process may be root's, whom no mode stops, the system's answer is made up."""

    def no(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(tmp_path / "tmpabcdefgh"))

    monkeypatch.setattr(paths.tempfile, "TemporaryFile", no)
    error = refused(tmp_path / "run.npz", PermissionError, r"the file can't be written: Permission denied: .*run\.npz'$")
    assert (error.errno, error.filename) == (13, str(tmp_path / "run.npz"))


def test_a_file_that_is_read_only_is_refused_at_the_start(tmp_path, refused, monkeypatch):
    (tmp_path / "run.npz").write_bytes(b"old")
    monkeypatch.setattr(paths.os, "access", lambda path, mode: False)
    refused(tmp_path / "run.npz", PermissionError, r"the file can't be written: it is read-only: .*run\.npz'$")


def test_names_that_are_none(refused):
    refused(5, TypeError, "a file must be named by a string or a path, but is named by 5$")
    refused(b"run.npz", TypeError, "a file must be named by a string or a path, but is named by b'run.npz'$")
    refused("", ValueError, "a file's name must not be empty$")
    refused("r\0n.npz", ValueError, "a file's name must have no zero characters")


# ~


def test_the_home_directory_stands_for_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tiny().save("~/model.npz")
    assert nn.load("~/model.npz").shapes == [(3,), (2,)]
    train_with("~/run.npz")
    train_with_callback("~/kept.npz")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["kept.npz", "model.npz", "run.npz"]
    tiny().save("~no user has this name.npz")
    assert (tmp_path / "~no user has this name.npz").is_file()


def test_so_it_does_for_data(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    arrays = tiny_pictures(width=28)
    np.savez(tmp_path / "data.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays)))
    write_mnist_folder(tmp_path / "folder", arrays)
    monkeypatch.setenv("FASTCONV_DATA", "~/folder")
    found = [
        load_npz("~/data.npz"),
        load_data("~/data.npz"),
        load_data("~/folder"),
        load_fashion_mnist("~/folder"),
        load_fashion_mnist(),
        [read_idx("~/folder/train-images-idx3-ubyte.gz")],
    ]
    for some in found:
        assert all(np.array_equal(array, other) for array, other in zip(some, arrays))


@pytest.mark.parametrize("place", ["data.npz", "folder"])
def test_of_training_images_only_the_first_are_read(tmp_path, place):
    arrays = tiny_pictures()
    np.savez(tmp_path / "data.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays)))
    write_mnist_folder(tmp_path / "folder", arrays)
    assert [len(array) for array in load_data(str(tmp_path / place), limit=5)] == [5, 5, 12, 12]


def test_fashion_and_mnist_too(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTCONV_DATA", str(write_mnist_folder(tmp_path, tiny_pictures(width=28))))
    assert [len(array) for array in load_data("fashion-mnist", limit=5)] == [5, 5, 12, 12]
    assert [len(array) for array in load_data("mnist", limit=5)] == [5, 5, 10000, 10000]


# Errors name what the user named


def test_errors_name_the_users_file(model_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", str(arguments[0]), None, str(arguments[-1]))

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError) as caught:
            patch.setattr(replace.os, function, full)
            tiny().save(model_path)
        assert (caught.value.errno, caught.value.filename) == (28, str(model_path))
        assert str(caught.value) == f"[Errno 28] save: the file can't be written: No space left on device: '{model_path}'"
    with pytest.raises(FileNotFoundError, match=r"save: the file can't be written: No such file or directory: '.*nowhere"):
        tiny().save(model_path.parent / "nowhere" / model_path.name)
    assert not [*model_path.parent.iterdir()]


FULL = """
import resource, sys
import numpy as np
from fastconv import nn
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
model = nn.Sequential([nn.Dense(200)], input_shape=(200,))
try:
    model.save(sys.argv[1])
except OSError as error:
    print(error)
"""


def test_so_does_that_of_a_limit_of_the_system(model_path):
    model_path.write_bytes(b"old")
    assert run_code(FULL, model_path) == f"[Errno 27] save: the file can't be written: File too large: '{model_path}'\n"
    assert [item.name for item in model_path.parent.iterdir()] == [model_path.name]
    assert model_path.read_bytes() == b"old"
