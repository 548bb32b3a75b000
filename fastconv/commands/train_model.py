"""`fastconv train`, as a function: load, compile, train, test, and say how long each took."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..datasets import load_fashion_mnist, load_mnist, load_npz
from ..datasets.mnist import read_folder
from ..files.paths import as_path, check_folder, real_path
from ..shapes import as_int, check_shape

if TYPE_CHECKING:
    from ..nn.model import Sequential
    from ..nn.models import Recipe
    from ..nn.training.history import History

MODELS = ("seed", "lenet", "small", "accurate", "pytorch-example")
"""The names in `fastconv.nn.models`, known without importing numba."""

CLASSES = 10
MOST_SEED = 2**32 - 1
MOST_RATE = float(np.finfo(np.float32).max)

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load_data(name: str, operation: str = "train", limit: int | None = None) -> Data:
    """Return the named dataset, or the one at a path: a .npz file, or a folder of MNIST's four IDX files.

    Of the training images only the first `limit` are read.
    """
    if name in ("mnist", "fashion-mnist"):
        x_train, y_train, x_test, y_test = load_mnist() if name == "mnist" else load_fashion_mnist()
        return x_train[:limit], y_train[:limit], x_test, y_test
    path = as_path(operation, name)
    if path.is_dir():
        return read_folder(operation, path, limit)
    if path.is_file():
        x_train, y_train, x_test, y_test = (np.ascontiguousarray(array) for array in load_npz(path, limit))
        return x_train, y_train, x_test, y_test
    raise ValueError(f"{operation}: data must be 'mnist', 'fashion-mnist', a .npz file or a folder of IDX files, but is {name!r}")


def train(
    data: str = "mnist",
    *,
    model: str = "small",
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    save: str | None = None,
    limit: int | None = None,
    checkpoint: str | None = None,
    resume: bool = False,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
    started: float | None = None,
    interruptible: AbstractContextManager[object] | None = None,
) -> dict[str, Any]:
    """Train one of the named networks by its recipe, and test it.

    Parameters
    ----------
    data : str
        "mnist", "fashion-mnist", a .npz file or a folder of IDX files.
    model : "seed", "lenet", "small", "accurate" or "pytorch-example"
        See `fastconv.nn.models`.
    epochs, batch_size, lr : numbers, optional
        What is to be other than in the model's recipe. The seed model's is the notebook's way: each image is an update.
    seed : int
        Of the weights, the order of the images, dropout and augmentation. The seed model's weights and the orders of its images are
        those that the notebook draws after numpy.random.seed(seed).
    save : path, optional
        Where to write the trained network, .npz or .safetensors, for `fastconv.nn.load`.
    limit : int, optional
        Train on the first images only.
    checkpoint : path, optional
        Where to keep the state of the training; see `fastconv.nn.training.fit.fit`. A file that exists is only taken with `resume`.
    resume : bool
        Go on from there.
    say : callable
        Takes the lines of the report.
    started : float, optional
        When the process started, as time.time() tells it, for seconds_total; this call's start if not given.
    interruptible : context manager, optional
        Entered once kernels are compiled, and left before the network is saved: a KeyboardInterrupt within it, as any other
        exception, goes on when the network is saved (unless nothing has been trained, and a file would be replaced).

    Returns
    -------
    dict
        What `fastconv train --json` prints; times are in seconds. "threads" is how many were asked for; `fastconv.info()` says
        how many run.
    """
    began, seconds = time.time() if started is None else started, Seconds()
    _check_arguments(model, epochs, batch_size, lr, seed, limit)
    _check_files(data, save, checkpoint, resume)
    with seconds.of("load"):
        x_train, y_train, x_test, y_test = load_data(data, limit=limit)
        _check_images(x_train, x_test)
        _check_labels((x_train, y_train), (x_test, y_test))
    say(f"{len(x_train)} training and {len(x_test)} test images of {data}, loaded in {seconds['load']:.2f} s")
    say("Preparing the kernels: the first time they are compiled, which takes some seconds; then they are kept on disk ...")
    with seconds.of("compile"):
        network, recipe = _prepare(model, epochs, batch_size, lr, seed, x_train, len(x_test))
    say(f"Kernels ready in {seconds['compile']:.2f} s")
    say(f"{model}: {network.parameters.size:,} weights, batches of {recipe.batch_size}, {recipe.optimizer}, {recipe.schedule}")
    threads, options = _threads(network, recipe), recipe._asdict()
    if model == "seed":
        from ..nn.models import NotebookOrder

        options["shuffle"] = NotebookOrder(network, len(x_train))
    if checkpoint is not None:
        options |= {"checkpoint": checkpoint, "resume": resume}

    untrained: np.ndarray | None = network.parameters.copy()
    lost: OSError | None = None
    try:
        with interruptible or nullcontext():
            with seconds.of("train"):
                history, lost = _fitted(network, x_train, y_train, options)
            with seconds.of("test"):
                tested = network.evaluate(x_test, y_test)
        untrained = None
    finally:
        unchanged = untrained is not None and np.array_equal(untrained, network.parameters)
        if save is not None and not (unchanged and as_path("train", save).exists()):
            lost = _saved(network, save, say) or lost
    say(f"Test: loss {tested['loss']:.4f}, accuracy {tested['accuracy']:.2%} of {len(x_test)} images")
    seconds["total"] = time.time() - began
    parts = ", ".join(f"{name} {seconds[name]:.2f}" for name in ("load", "compile", "train", "test"))
    say(f"Seconds: {parts}, in all {seconds['total']:.2f}; weights {network.weights_hash()}")
    if lost is not None:
        raise lost
    last = history.epochs[-1] if history.epochs else {"loss": float("nan"), "accuracy": float("nan")}
    return {
        "images": len(x_train),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "threads": threads,
        **{f"seconds_{name}": number for name, number in seconds.items()},
        "train_loss": last["loss"],
        "train_accuracy": last["accuracy"],
        "test_loss": tested["loss"],
        "test_accuracy": tested["accuracy"],
        "weights_hash": network.weights_hash(),
        "versions": versions(),
    }


class Seconds(dict[str, float]):
    """How long each part took, by its name."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measure what is done within."""
        start = time.perf_counter()
        yield
        self[name] = time.perf_counter() - start


def _prepare(
    model: str, epochs: int | None, batch_size: int | None, lr: float | None, seed: int, x_train: np.ndarray, tested: int
) -> tuple[Sequential, Recipe]:
    """Return the network of that name and its recipe, as the arguments have it, all its kernels compiled."""
    from ..messages.waiting import said_already
    from ..nn.models import MODELS as MODELS_BY_NAME
    from ..nn.training.trial import compile_kernels

    build, recipe = MODELS_BY_NAME[model]
    recipe = recipe._replace(epochs=epochs or recipe.epochs, batch_size=batch_size or recipe.batch_size)
    recipe = recipe if lr is None else recipe.with_rate(lr)
    network, trial = (build(x_train.shape[1:], CLASSES, seed) for _ in range(2))
    with said_already():
        compile_kernels(trial, recipe, len(x_train), tested)
    return network, recipe


def _threads(network: Sequential, recipe: Recipe) -> int:
    """Return how many threads the training asks for: one where each image is an update of the notebook's network."""
    from ..nn.passes import OnePass, fastest_pass
    from ..nn.training.optimizers import is_plain
    from ..runtime.threads import get_num_threads

    online = recipe.batch_size == 1 and is_plain(recipe.optimizer) and isinstance(fastest_pass(network), OnePass)
    return 1 if online else get_num_threads()


def _fitted(network: Sequential, x: np.ndarray, y: np.ndarray, options: dict[str, Any]) -> tuple[History, OSError | None]:
    """Train, and return what happened, and the error if the last checkpoint couldn't be written."""
    from ..nn.files.writing import NotWritten

    try:
        return network.fit(x, y, **options), None
    except NotWritten as error:
        return network.history, error


def _saved(network: Any, path: str, say: Callable[[str], None]) -> OSError | None:
    """Save a network, and return the error if it couldn't be written, which must stop nothing else."""
    try:
        network.save(path)
    except OSError as error:
        say(f"Network not written: {error}")
        return error
    say(f"Network written to {path}")
    return None


def versions() -> dict[str, str]:
    """Return the versions that results may depend on."""
    import numba

    return {"fastconv": __version__, "python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__}


def _check_arguments(
    model: str, epochs: int | None, batch_size: int | None, lr: float | None, seed: int, limit: int | None
) -> None:
    if model not in MODELS:
        raise ValueError(f"train: model must be one of {MODELS}, but is {model!r}")
    for name, number in (("epochs", epochs), ("batch_size", batch_size), ("limit", limit)):
        as_int("train", name, 1 if number is None else number, 1)
    as_int("train", "seed", seed, 0, MOST_SEED)
    if lr is not None and not 0 <= lr <= MOST_RATE:
        raise ValueError(f"train: lr must be from 0 to {MOST_RATE}, but is {lr}")


def _check_files(data: str, save: str | None, checkpoint: str | None, resume: bool) -> None:
    for name, path in (("network", save), ("checkpoint", checkpoint)):
        _check_place(name, path)
    _check_apart(data, save, checkpoint)
    if resume and checkpoint is None:
        raise ValueError("train: resume must come with a checkpoint, but there is none")
    if checkpoint is not None and not resume and as_path("train", checkpoint).exists():
        raise ValueError(
            f"train: the checkpoint {checkpoint} exists: go on with its training with --resume (resume=True), or delete it"
        )


def _check_place(what: str, path: str | None) -> None:
    if path is None:
        return
    place = as_path("train", path)
    if place.is_dir() or not place.parent.is_dir():
        raise ValueError(f"train: the {what} must be saved to a file in a folder that exists, but is to be {path}")
    if place.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"train: the {what}'s file must end in .npz or .safetensors, but is to be {path}")
    if place.suffix == ".safetensors" and find_spec("safetensors") is None:
        raise ImportError(f"train: to write {path}, install safetensors: pip install safetensors")
    check_folder("train", place)


def _check_apart(data: str, *paths: str | None) -> None:
    """Refuse to write the network, the checkpoint and the data to one file."""
    places = [real_path(as_path("train", path)) for path in (data, *paths) if path is not None]
    twice = [place for number, place in enumerate(places) if place in places[:number]]
    if twice:
        raise ValueError(f"train: the data, the network and the checkpoint must be different files, but {twice[0]} is there twice")


def _check_images(*parts: np.ndarray) -> None:
    for images in parts:
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise ValueError(f"train: images must be uint8 (n, h, w) or (n, h, w, c), but are {images.dtype} of {images.shape}")
    if not all(map(len, parts)) or parts[0].shape[1:] != parts[1].shape[1:]:
        raise ValueError(
            f"train: there must be training and test images of one size, but the shapes are {[p.shape for p in parts]}"
        )


def _check_labels(*parts: tuple[np.ndarray, np.ndarray]) -> None:
    for images, labels in parts:
        if labels.dtype.kind not in "iu":
            raise ValueError(f"train: labels must be integers, but have dtype {labels.dtype}")
        check_shape("train", "labels", labels.shape, images.shape[:1])
        if not 0 <= labels.min() <= labels.max() < CLASSES:
            reached = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(f"train: labels must be from 0 to {CLASSES - 1}, but reach {reached}")
