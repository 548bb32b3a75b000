"""Mistakes on the command line: the exit status, and one line that names what is wrong; never a traceback."""

import re

import numpy as np
import pytest

from fastconv.cli import main
from fastconv.commands import train_model as training

from .files import MNIST_FILES, tiny_pictures, write_mnist_folder
from .processes import run_python

ARRAYS = tiny_pictures(width=28, train=100, test=20)


def one_line(output):
    assert output.out == ""
    assert output.err.startswith("fastconv: ")
    assert output.err.count("\n") == 1
    return output.err


@pytest.mark.parametrize(
    "arguments, text",
    [
        (
            ["train", "--model", "vgg"],
            "train: model must be one of ('seed', 'lenet', 'small', 'accurate', 'pytorch-example'), but is 'vgg'",
        ),
        (["train", "--data", "nowhere"], "train: data must be 'mnist', 'fashion-mnist', a .npz file or a folder"),
        (["train", "--threads", "5000"], "set_num_threads: threads must be at most 1024, but is 5000"),
        (["train", "--lr", "nan"], "train: lr must be from 0 to 3.4028234663852886e+38, but is nan"),
        (["train", "--lr", "-1"], "train: lr must be from 0 to 3.4028234663852886e+38, but is -1.0"),
        (["train", "--save", "nowhere/network"], "train: the network must be saved to a file in a folder that exists"),
        (["train", "--save", "."], "train: the network must be saved to a file in a folder that exists"),
        (
            ["train", "--model", "small", "--checkpoint", "nowhere/c.npz"],
            "train: the checkpoint must be saved to a file in a folder that",
        ),
        (["train", "--model", "small", "--resume"], "train: resume must come with a checkpoint, but there is none"),
        (["train", "--save", "network.h5"], "train: the network's file must end in .npz or .safetensors, but is to be network.h5"),
        (["train", "--save", "n.safetensors"], "train: to write n.safetensors, install safetensors: pip install safetensors"),
        (["train", "--seed", "-1"], "train: seed must be at least 0, but is -1"),
        (["evaluate", "nowhere.npz"], "No such file or directory: 'nowhere.npz'"),
        (["predict", "nowhere.npz", "one.npy"], "No such file or directory: 'nowhere.npz'"),
        (["bench", "nothing"], "bench: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_with_one_line(run, monkeypatch, tmp_path, arguments, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    assert text in one_line(run(*arguments, status=1))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--save", "a.npz", "--checkpoint", "a.npz"],
        ["--save", "link.npz", "--checkpoint", "folder/../a.npz", "--resume"],
        ["--data", "a.npz", "--save", "link.npz"],
        ["--data", "link.npz", "--checkpoint", "a.npz", "--resume"],
    ],
    ids=" ".join,
)
def test_the_data_the_network_and_the_checkpoint_are_different_files(run, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.npz").write_bytes(b"data")
    (tmp_path / "link.npz").symlink_to("a.npz")
    text = "train: the data, the network and the checkpoint must be different files, but .*a.npz is there twice"
    assert re.search(text, one_line(run("train", "--model", "seed", *arguments, status=1)))
    assert (tmp_path / "a.npz").read_bytes() == b"data"


def test_a_checkpoint_that_exists_is_only_taken_to_be_resumed(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.npz").write_bytes(b"an hour's work")
    text = "train: the checkpoint run.npz exists: go on with its training with --resume (resume=True), or delete it"
    assert text in one_line(run("train", "--checkpoint", "run.npz", status=1))
    assert (tmp_path / "run.npz").read_bytes() == b"an hour's work"


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["train", "--epochs", "0"], "argument --epochs: must be at least 1, but is 0"),
        (["train", "--limit", "0"], "argument --limit: must be at least 1, but is 0"),
        (["train", "--batch-size", "-1"], "argument --batch-size: must be at least 1, but is -1"),
        (["train", "--threads", "0"], "argument --threads: must be at least 1, but is 0"),
        (["train", "--epochs", "x"], "argument --epochs: must be an integer, but is 'x'"),
        (["train", "--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
        (["fly"], "invalid choice: 'fly'"),
        (["predict", "--background", "256", "n.npz", "x.png"], "argument --background: must be from 0 to 255, but is 256"),
        (["predict"], "the following arguments are required: MODEL, IMAGE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_status_2(capsys, arguments, text):
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    output = capsys.readouterr()
    assert output.out == ""
    assert text in output.err.splitlines()[-1]


def test_a_mistake_in_a_process_has_its_status_and_no_traceback():
    done = run_python("-m", "fastconv", "train", "--data", "nowhere")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert run_python("-m", "fastconv", "train", "--epochs", "0").returncode == 2
    done = run_python("-m", "fastconv", "info", FASTCONV_NUM_THREADS="many")
    assert (done.returncode, done.stderr) == (
        1,
        "fastconv: FASTCONV_NUM_THREADS must be an integer from 1 to 1024, but is 'many'\n",
    )


@pytest.mark.parametrize(
    "index, wrong, text",
    [
        (0, np.zeros((100, 14, 14), np.uint8), "there must be training and test images of one size"),
        (0, np.zeros((100, 2, 2), np.uint8), "of one size"),
        (1, np.zeros(100), "labels must be integers, but have dtype float64"),
        (1, np.full(100, 10), "labels must be from 0 to 9, but reach 10"),
        (3, np.full(20, -1), "labels must be from 0 to 9, but reach -1"),
        (1, np.zeros((100, 1), int), "labels must have shape (100,), but has (100, 1)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unfit_datasets_are_refused(run, tmp_path, index, wrong, text):
    arrays = [*ARRAYS[:index], wrong, *ARRAYS[index + 1 :]]
    np.savez(tmp_path / "data.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays)))
    assert text in run("train", "--model", "seed", "--data", tmp_path / "data.npz", status=1).err.splitlines()[-1]


@pytest.mark.parametrize(
    "model, wrong, text",
    [
        (
            "small",
            np.zeros((100, 28, 28), np.float32),
            "train: images must be uint8 (n, h, w) or (n, h, w, c), but are float32 of (100, 28, 28)",
        ),
        (
            "seed",
            np.zeros((100, 784), np.uint8),
            "train: images must be uint8 (n, h, w) or (n, h, w, c), but are uint8 of (100, 784)",
        ),
        ("small", np.zeros((100, 5, 5), np.uint8), "Sequential: layer 1: MaxPool2D: "),
        ("seed", np.zeros((100, 2, 9), np.uint8), "Sequential: layer 0: Conv2D: "),
    ],
    ids=["type", "axes", "size", "notebook's size"],
)
def test_images_that_a_model_cant_take_are_refused(run, tmp_path, model, wrong, text):
    np.savez(tmp_path / "data.npz", x_train=wrong, y_train=ARRAYS[1], x_test=wrong[:20], y_test=ARRAYS[3])
    assert text in run("train", "--model", model, "--data", tmp_path / "data.npz", status=1).err.splitlines()[-1]


def test_a_dataset_without_test_images_is_refused(run, tmp_path):
    folder = write_mnist_folder(tmp_path / "data", (*ARRAYS[:2], ARRAYS[2][:0], ARRAYS[3][:0]))
    assert "there must be training and test images of one size" in one_line(run("train", "--data", folder, status=1))


def test_a_folder_that_lacks_a_file_names_it(run, tmp_path):
    folder = write_mnist_folder(tmp_path / "data", ARRAYS)
    (folder / f"{MNIST_FILES[3]}.gz").unlink()
    assert MNIST_FILES[3] in one_line(run("train", "--data", folder, status=1))
