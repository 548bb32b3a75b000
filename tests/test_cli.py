"""The command line: what each command does, and what it prints where."""

import json

import numpy as np
import pytest

import fastconv
from fastconv import nn
from fastconv.commands import train_model as training
from fastconv.commands import warmup as _warmup
from fastconv.nn.models import MODELS
from fastconv.nn.training.fit import History, fit

from . import naive
from .files import tiny_pictures, write_mnist_folder
from .processes import run_python

KEYS = {
    "images", "epochs", "batch_size", "threads", "seconds_load", "seconds_compile", "seconds_train", "seconds_test",
    "seconds_total", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "weights_hash", "versions",
}  # fmt: skip
ARRAYS = tiny_pictures(width=28, train=100, test=20)


@pytest.fixture(autouse=True)
def same_threads_after(monkeypatch):
    threads = fastconv.get_num_threads()
    yield
    fastconv.set_num_threads(threads)


@pytest.fixture
def data(tmp_path):
    """The folder of a small dataset with pictures of MNIST's size."""
    return str(write_mnist_folder(tmp_path / "data", ARRAYS))


@pytest.fixture
def train(run):
    def train(*arguments):
        return json.loads(run("train", "--model", "seed", "--json", *arguments).out)

    return train


# train


def test_train_prints_json_last_and_everything_else_on_standard_error():
    done = run_python("-m", "fastconv", "train", "--model", "seed", "--limit", "300", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert set(result) == KEYS
    assert (result["images"], result["epochs"], result["batch_size"], result["threads"]) == (300, 1, 1, 1)
    parts = [result[f"seconds_{part}"] for part in ("load", "compile", "train", "test")]
    assert min(parts) > 0
    assert sum(parts) < result["seconds_total"] < 120
    assert 0.5 < result["test_accuracy"] < 0.9
    assert 0 < result["train_loss"] < 2.3
    assert set(result["versions"]) == {"fastconv", "python", "numpy", "numba"}
    for text in (
        "300 training and 10000 test images of mnist",
        "Kernels ready",
        "Epoch 1 of 1",
        f"weights {result['weights_hash']}",
    ):
        assert text in done.stderr


def test_train_without_json_prints_nothing_on_standard_output(run, data):
    output = run("train", "--model", "seed", "--data", data)
    assert output.out == ""
    assert "Test: loss" in output.err


@pytest.mark.parametrize("batch", [1, 32])
def test_the_seed_alone_decides_the_weights(train, data, batch):
    arguments = "--data", data, "--batch-size", batch
    first, again, other = (train(*arguments, "--seed", seed)["weights_hash"] for seed in (3, 3, 4))
    assert first == again != other


def test_threads_change_no_bit(train, data):
    results = [train("--data", data, "--batch-size", 32, "--threads", threads) for threads in (1, 2, 3)]
    assert [result["threads"] for result in results] == [1, 2, 3]
    assert len({result["weights_hash"] for result in results}) == 1


@pytest.mark.parametrize("batch", [1, 32, 1000])
def test_every_option_of_training_counts(train, data, batch):
    runs = ((), ("--epochs", 2), ("--lr", 0.01), ("--limit", 50))
    results = [train("--data", data, "--batch-size", batch, *options) for options in runs]
    assert len({result["weights_hash"] for result in results}) == 4
    assert [result["images"] for result in results] == [100, 100, 100, 50]
    assert [result["epochs"] for result in results] == [1, 2, 1, 1]


def test_the_kernels_of_the_last_smaller_batch_are_compiled_before_training(train, data, monkeypatch):
    counts = []

    def watched(model, images, labels, **options):
        counts.append((len(images), options["epochs"], options["batch_size"]))
        return fit(model, images, labels, **options)

    monkeypatch.setattr(nn.Sequential, "fit", watched)
    train("--data", data, "--batch-size", 32, "--epochs", 2)
    assert counts == [(32 + 100 % 32, 1, 32), (100, 2, 32)]


def test_the_models_names_are_known_without_importing_them():
    assert tuple(MODELS) == training.MODELS


def test_a_recipe_is_what_the_options_say(run, data, monkeypatch, tmp_path):
    given = []

    def watched(model, images, labels, **options):
        given.append((len(model.layers), options))
        return History()

    monkeypatch.setattr(nn.Sequential, "fit", watched)
    path = tmp_path / "training.npz"
    text = run("train", "--data", data, "--model", "small", "--json").err
    run(
        "train",
        "--data",
        data,
        "--model",
        "lenet",
        "--epochs",
        7,
        "--lr",
        0.25,
        "--batch-size",
        50,
        "--checkpoint",
        path,
        "--resume",
    )
    recipe = MODELS["small"].recipe
    assert given[1] == (6, recipe._asdict())
    assert f"small: 16,586 weights, batches of {recipe.batch_size}, {recipe.optimizer}" in text
    layers, options = given[3]
    assert layers == 8
    assert (options["epochs"], options["batch_size"], options["optimizer"].lr) == (7, 50, 0.25)
    assert type(options["optimizer"]) is type(MODELS["lenet"].recipe.optimizer)
    assert (options["checkpoint"], options["resume"]) == (str(path), True)
    assert "checkpoint" not in given[0][1] and "checkpoint" not in given[2][1]


@pytest.mark.parametrize("model", ["small", "seed"])
def test_batches_train_the_named_model(train, data, tmp_path, model):
    path = tmp_path / "network.npz"
    arguments = ("--data", data, "--model", model, "--batch-size", 32, "--epochs", 2, "--save", path)
    result = train(*arguments)
    net = nn.load(path)
    assert net.weights_hash() == result["weights_hash"]
    assert (result["images"], result["epochs"], result["batch_size"]) == (100, 2, 32)
    found = net.evaluate(*ARRAYS[2:])
    assert (found["loss"], found["accuracy"]) == (pytest.approx(result["test_loss"]), result["test_accuracy"])
    other = MODELS[model].build((28, 28), 10, 0)
    options = MODELS[model].recipe._replace(epochs=2, batch_size=32)._asdict()
    if model == "seed":
        options["shuffle"] = nn.models.NotebookOrder(other, 100)
    history = other.fit(*ARRAYS[:2], **options, progress=False)
    assert other.weights_hash() == result["weights_hash"]
    assert (history["loss"][-1], history["accuracy"][-1]) == (result["train_loss"], result["train_accuracy"])


def test_a_learning_rate_of_zero_changes_nothing(train, data):
    assert train("--data", data, "--lr", 0, "--seed", 5)["weights_hash"] == nn.models.seed((28, 28), seed=5).weights_hash()


def test_the_notebooks_network_is_trained_as_the_notebook_does(train, data, tmp_path):
    """One image an update, in orders drawn after the weights: beside the loop twins of the notebook's layers."""
    path = tmp_path / "network.npz"
    result = train("--data", data, "--limit", 20, "--epochs", 2, "--seed", 1, "--save", path)
    np.random.seed(1)
    layers = [naive.ConvolutionLayer(16, 3), naive.MaxPoolingLayer(2), naive.SoftmaxLayer(2704, 10)]
    for _ in range(2):
        order = np.random.permutation(20)
        steps = [naive.training_step(ARRAYS[0][i], ARRAYS[1][i], layers, 0.005) for i in order]
    losses, right = np.transpose(steps)
    assert result["train_loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert result["train_accuracy"] == right.mean()
    found = nn.load(path).get_weights()
    np.testing.assert_allclose(found["0.kernel"][:, :, 0].transpose(2, 0, 1), layers[0].kernels, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["3.kernel"], layers[2].weight, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["3.bias"], layers[2].bias, rtol=0, atol=1e-5)


def test_the_notebooks_training_goes_on_from_a_checkpoint(train, data, tmp_path):
    arguments = "--data", data, "--checkpoint", tmp_path / "state.npz"
    first, longer = train(*arguments), train(*arguments, "--resume", "--epochs", 2)
    whole = train("--data", data, "--epochs", 2)
    assert first["weights_hash"] != longer["weights_hash"] == whole["weights_hash"]
    assert longer["train_loss"] == whole["train_loss"]


def test_a_loss_that_is_no_number_is_null_in_json(train, data):
    with pytest.warns(RuntimeWarning, match="^fit: the loss is NaN in epoch 1: the training has come apart") as told:
        result = train("--data", data, "--lr", 1e30)
    assert len(told) == 1
    assert result["train_loss"] is None
    assert result["test_loss"] is None


def test_all_forms_of_a_dataset_train_the_same(train, tmp_path):
    raw = write_mnist_folder(tmp_path / "raw", ARRAYS, bytes)
    packed = write_mnist_folder(tmp_path / "packed", ARRAYS)
    np.savez(tmp_path / "c.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), ARRAYS)))
    x_train, y_train, x_test, y_test = ARRAYS
    np.savez(tmp_path / "f.npz", x_train=np.asfortranarray(x_train), y_train=y_train.astype(int), x_test=x_test, y_test=y_test)
    hashes = {train("--data", path)["weights_hash"] for path in (raw, packed, tmp_path / "c.npz", tmp_path / "f.npz")}
    assert len(hashes) == 1


def test_pictures_of_another_size_can_be_trained_on(train, tmp_path):
    result = train("--data", write_mnist_folder(tmp_path / "data", tiny_pictures(width=16)), "--save", tmp_path / "network.npz")
    assert result["images"] == 40
    assert nn.load(tmp_path / "network.npz").shapes[0] == (16, 16, 1)


def test_coloured_pictures_of_any_shape_can_be_trained_on(train, run, tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (60, 20, 28, 3), np.uint8), np.arange(60) % 10
    np.savez(tmp_path / "data.npz", x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])
    path = tmp_path / "network.npz"
    monkeypatch.setattr(nn.Sequential, "fit", lambda model, x, y, **options: History())
    result = train("--data", tmp_path / "data.npz", "--save", path)
    assert (result["images"], result["train_loss"], result["threads"]) == (40, None, fastconv.get_num_threads())
    np.save(tmp_path / "one.npy", images[0])
    np.save(tmp_path / "two.npy", images[:2])
    lines = run("predict", path, tmp_path / "one.npy", tmp_path / "two.npy").out.splitlines()
    best = nn.load(path).predict(images[:2]).argmax(axis=1)
    assert [line.split(": ")[1].split()[0] for line in lines] == [str(best[0]), str(best[0]), str(best[1])]


# evaluate


@pytest.fixture
def model(run, train, data, tmp_path):
    """A trained network's file, and what training said of it."""
    path = tmp_path / "network.npz"
    return path, train("--data", data, "--save", path, "--lr", 0.01)


def test_evaluate_finds_the_saved_network_as_training_left_it(run, model, data):
    path, result = model
    assert nn.load(path).weights_hash() == result["weights_hash"]
    expected = f"loss {result['test_loss']:.4f}, accuracy {result['test_accuracy']:.2%} of 20 images\n"
    assert run("evaluate", path, "--data", data).out == expected


# warmup, info, cache, bench, version


def test_warmup_says_what_it_does(run, monkeypatch):
    state = np.random.get_state()[1].tolist()
    steps = _warmup._steps()[:3:2]
    monkeypatch.setattr(_warmup, "_steps", lambda: steps)
    lines = run("warmup").out.splitlines()
    assert lines[0].startswith("1 of 2: training, the model seed, ")
    assert lines[1].startswith("2 of 2: the notebooks' layers, 8 filters, ")
    assert lines[2].endswith(" s in all")
    assert np.random.get_state()[1].tolist() == state


def test_info_prints_json(run):
    info = json.loads(run("info").out)
    assert info == fastconv.info()
    assert info["fastconv"] == fastconv.__version__
    assert info["threads"] == fastconv.get_num_threads()
    assert info["vector_bytes"] in (16, 32, 64)
    assert set(info["kernels"]) == {"output", "input_grad", "weight_grad"}


def test_cache_counts_and_clears_kernels_only(run, monkeypatch, tmp_path):
    root = tmp_path / "cache"
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(root))
    assert run("cache").out == f"{root}: 0 files, 0.0 MB\n"
    for stamp in ("0123456789abcdef0123", "f" * 20):
        (root / stamp).mkdir(parents=True)
        (root / stamp / "kernel").write_bytes(bytes(150_000))
    (root / "datasets" / "cifar-10").mkdir(parents=True)
    (root / "datasets" / "cifar-10" / "data").write_bytes(bytes(10**6))
    assert run("cache").out == f"{root}: 2 files, 0.3 MB\n"
    assert run("cache", "--clear").out == f"2 files deleted in {root}\n"
    assert run("cache").out == f"{root}: 0 files, 0.0 MB\n"
    assert [path.name for path in root.iterdir()] == ["datasets"]
    assert (root / "datasets" / "cifar-10" / "data").stat().st_size == 10**6


def test_bench_lists_and_runs_the_benchmarks_of_a_checkout(tmp_path):
    (tmp_path / "bench").mkdir()
    for name, code in (("__init__", ""), ("run", ""), ("hello", "import sys\nprint(sys.argv, __name__)"), ("_private", "")):
        (tmp_path / "bench" / f"{name}.py").write_text(code)
    assert run_python("-m", "fastconv", "bench", cwd=tmp_path).stdout == "hello\nrun\n"
    done = run_python("-m", "fastconv", "bench", "hello", "--size", "3", cwd=tmp_path)
    assert done.stdout == "['bench.hello', '--size', '3'] __main__\n"
    done = run_python("-m", "fastconv", "bench", "other", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "fastconv: bench: NAME must be one of ['hello', 'run'], but is 'other'\n")


def test_version_and_help(run):
    assert run("--version").out == f"fastconv {fastconv.__version__}\n"
    assert "train" in run(status=2).out
