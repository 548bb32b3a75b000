"""`fastconv evaluate`: on which data, of which types, and what it says of networks that tell no classes."""

import numpy as np
import pytest

from fastconv import nn

from .files import tiny_pictures, write_mnist_folder

ARRAYS = tiny_pictures(width=6)
NAMES = ("x_train", "y_train", "x_test", "y_test")


@pytest.fixture
def network(tmp_path):
    """The file of a network that has been trained on the training images."""
    model = nn.Sequential([nn.Flatten(), nn.Dense(10)], input_shape=(6, 6))
    model.fit(*ARRAYS[:2], progress=False)
    model.save(tmp_path / "network.npz")
    return tmp_path / "network.npz"


def test_bytes_and_floats_in_any_file_are_the_same_images(run, network, tmp_path):
    x_train, y_train, x_test, y_test = ARRAYS
    np.savez(tmp_path / "bytes.npz", **dict(zip(NAMES, ARRAYS)))
    np.savez_compressed(tmp_path / "floats.npz", x_train=x_train / 255, y_train=y_train, x_test=x_test / 255, y_test=y_test)
    folder = write_mnist_folder(tmp_path / "folder", ARRAYS)
    lines = {run("evaluate", network, "--data", path).out for path in (folder, tmp_path / "bytes.npz", tmp_path / "floats.npz")}
    found = nn.load(network).evaluate(x_test, y_test)
    assert lines == {f"loss {found['loss']:.4f}, accuracy {found['accuracy']:.2%} of 12 images\n"}


def test_numbers_of_another_scale_draw_a_warning(run, network, tmp_path):
    wide = [array.astype(np.uint16) * 257 if array.ndim == 3 else array for array in ARRAYS]
    np.savez(tmp_path / "wide.npz", **dict(zip(NAMES, wide)))
    with pytest.warns(UserWarning, match="^evaluate: x goes from 0 to 6[0-9]+, but the model was trained on 0 to 255 of uint8"):
        assert run("evaluate", network, "--data", tmp_path / "wide.npz").out.startswith("loss ")


def test_a_regression_has_a_loss_only(run, tmp_path):
    model = nn.Sequential([nn.Dense(1)], input_shape=(3,))
    random = np.random.default_rng(0)
    x, y = random.random((20, 3)), random.random(20)
    model.fit(x, y, loss="mse", progress=False)
    model.save(tmp_path / "network.npz")
    np.savez(tmp_path / "data.npz", **dict(zip(NAMES, (x, y, x, y))))
    expected = f"loss {model.evaluate(x, y)['loss']:.4f} of 20 images\n"
    assert run("evaluate", tmp_path / "network.npz", "--data", tmp_path / "data.npz").out == expected


@pytest.mark.parametrize(
    "index, wrong, text",
    [
        (2, ARRAYS[2][:0], "evaluate: there must be test images, but "),
        (2, ARRAYS[2][:, :5], "evaluate: x must be (n, 6, 6, 1), but has shape (12, 5, 6)"),
        (3, ARRAYS[3] + np.uint8(5), "evaluate: labels must be from 0 to 9, as the model has 10 outputs, but go from 5 to 14"),
        (3, ARRAYS[3][:-1], "must be as many"),
    ],
    ids=["none", "size", "labels", "count"],
)
def test_unfit_data_are_refused(run, network, tmp_path, index, wrong, text):
    arrays = [*ARRAYS[:index], wrong, *ARRAYS[index + 1 :]]
    if not len(wrong):
        arrays[3] = arrays[3][:0]
    if text.startswith("evaluate: labels"):
        arrays[3][0], arrays[3][1] = 5, 14
    np.savez(tmp_path / "data.npz", **dict(zip(NAMES, arrays)))
    output = run("evaluate", network, "--data", tmp_path / "data.npz", status=1)
    assert output.out == "" and output.err.count("\n") == 1 and text in output.err


@pytest.mark.parametrize("data", ["nowhere", "."])
def test_data_that_arent_there_are_named_by_the_command(run, network, tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    assert run("evaluate", network, "--data", data, status=1).err.startswith("fastconv: evaluate: ")


def test_a_home_directory_is_filled_in(run, network, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_mnist_folder(tmp_path / "folder", ARRAYS)
    assert run("evaluate", "~/network.npz", "--data", "~/folder").out.endswith(" of 12 images\n")
