"""`fastconv train`, as a function: load, compile, train, test, and say how long each took."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .datasets import load_fashion_mnist, load_mnist, load_npz
from .datasets.mnist import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, read_pairs
from .progress import Progress
from .shapes import as_int

MODELS = ("seed",)
MOST_RATE = float(np.finfo(np.float32).max)
WINDOW = 100
"""The notebook's running figures are over this many images."""

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load_data(name: str) -> Data:
    """Return the named dataset, or the one at a path: a .npz file, or a folder of MNIST's four IDX files."""
    if name == "mnist":
        return load_mnist()
    if name == "fashion-mnist":
        return load_fashion_mnist()
    path = Path(name)
    if path.is_dir():
        names = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
        found = {item: path / item if (path / item).exists() else path / item.removesuffix(".gz") for item in names}
        return read_pairs("train", found)
    if path.is_file():
        x_train, y_train, x_test, y_test = (np.ascontiguousarray(array) for array in load_npz(path))
        return x_train, y_train, x_test, y_test
    raise ValueError(f"train: data must be 'mnist', 'fashion-mnist', a .npz file or a folder of IDX files, but is {name!r}")


def train(
    data: str = "mnist",
    *,
    model: str = "seed",
    epochs: int = 1,
    batch_size: int = 1,
    lr: float = 0.005,
    seed: int = 0,
    save: str | None = None,
    limit: int | None = None,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
    started: float | None = None,
    interruptible: AbstractContextManager[object] | None = None,
) -> dict[str, Any]:
    """Train the notebook's network (16 filters of 3 x 3, 2 x 2 max pooling, dense layer with softmax) and test it.

    Parameters
    ----------
    data : str
        "mnist", "fashion-mnist", a .npz file or a folder of IDX files.
    model : "seed"
    epochs, batch_size : int
        With batch_size 1, the notebook's way, each image is an update, and one compiled function runs the epoch.
    lr : float
        The learning rate; the notebook's is 0.005.
    seed : int
        The weights and the order of the images are what the notebook's numpy.random.seed(seed) gives.
    save : path, optional
        Where to write the trained network.
    limit : int, optional
        Train on the first images only.
    say : callable
        Takes the lines of the report.
    started : float, optional
        When the process started, as time.time() tells it, for seconds_total; this call's start if not given.
    interruptible : context manager, optional
        Entered once kernels are compiled: from then on a KeyboardInterrupt saves the network before it goes on.

    Returns
    -------
    dict
        What `fastconv train --json` prints; times are in seconds.
    """
    began = time.time() if started is None else started
    clock = time.perf_counter()
    if model not in MODELS:
        raise ValueError(f"train: model must be one of {MODELS}, but is {model!r}")
    for name, number in (("epochs", epochs), ("batch_size", batch_size), ("limit", 1 if limit is None else limit)):
        as_int("train", name, number, 1)
    if not 0 <= lr <= MOST_RATE:
        raise ValueError(f"train: lr must be from 0 to {MOST_RATE}, but is {lr}")
    if save is not None and (Path(save).is_dir() or not Path(save).parent.is_dir()):
        raise ValueError(f"train: the network must be saved to a file in a folder that exists, but save is {save}")
    x_train, y_train, x_test, y_test = load_data(data)
    x_train, y_train = x_train[:limit], y_train[:limit]
    _check_images(x_train, x_test)
    _check_labels(y_train, y_test)
    seconds_load = time.perf_counter() - clock
    say(f"{len(x_train)} training and {len(x_test)} test images of {data}, loaded in {seconds_load:.2f} s")

    clock = time.perf_counter()
    say("Preparing the kernels: the first time they are compiled, which takes some seconds; then they are kept on disk ...")
    from .engine.batches import run_batches
    from .engine.online import OnlineNetwork

    network = OnlineNetwork(width=x_train.shape[1], seed=seed)
    trial = OnlineNetwork(width=x_train.shape[1], seed=seed)
    first = np.arange(min(batch_size + len(x_train) % batch_size, len(x_train)), dtype=np.int64)  # a whole batch and the last one
    runs = {
        True: lambda net, order: net.run(x_train, y_train, order, lr),
        False: lambda net, order: run_batches(net, x_train, y_train, order, lr, batch_size),
    }
    run = runs[batch_size == 1]
    for _ in run(trial, first):
        pass
    for _ in trial.run(x_test, y_test, first[:1] * 0, 0.0):
        pass
    seconds_compile = time.perf_counter() - clock
    say(f"Kernels ready in {seconds_compile:.2f} s")

    seconds_train, losses, correct = 0.0, np.empty(0), np.empty(0, np.bool_)
    with interruptible or nullcontext():
        try:
            for epoch in range(epochs):
                order = network.random.permutation(len(x_train)).astype(np.int64)
                clock = time.perf_counter()
                losses, correct = _epoch(run(network, order), len(order), f"Epoch {epoch + 1} of {epochs}")
                seconds_train += time.perf_counter() - clock
            clock = time.perf_counter()
            test_loss, test_accuracy = evaluate_network(network, x_test, y_test)
            seconds_test = time.perf_counter() - clock
        finally:
            if save is not None:
                _save(network, save, say)
    say(f"Test: loss {test_loss:.4f}, accuracy {test_accuracy:.2%} of {len(x_test)} images")
    total = time.time() - began
    say(
        f"Seconds: load {seconds_load:.2f}, compile {seconds_compile:.2f}, train {seconds_train:.2f}, test {seconds_test:.2f}, "
        f"in all {total:.2f}; weights {network.weights_hash()}"
    )
    return {
        "images": len(x_train),
        "epochs": epochs,
        "batch_size": batch_size,
        "threads": 1 if batch_size == 1 else _threads_in_use(),
        "seconds_load": seconds_load,
        "seconds_compile": seconds_compile,
        "seconds_train": seconds_train,
        "seconds_test": seconds_test,
        "seconds_total": total,
        "train_loss": float(losses.mean()),
        "train_accuracy": float(correct.mean()),
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        "weights_hash": network.weights_hash(),
        "versions": versions(),
    }


def _epoch(steps: Iterator[tuple[int, np.ndarray, np.ndarray]], total: int, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Go through an epoch's steps under a progress bar; return the losses, and which images were recognised."""
    bar = Progress(total, title)
    done, losses, correct = 0, np.empty(0), np.empty(0, np.bool_)
    try:
        for done, losses, correct in steps:
            bar.update(done, float(losses[-WINDOW:].mean()), float(correct[-WINDOW:].mean()))
    except KeyboardInterrupt:
        bar.close(f"interrupted after {done} images")
        raise
    bar.close(f"loss {losses.mean():.4f}, accuracy {correct.mean():.2%}")
    return losses, correct


def evaluate_network(network: Any, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return (mean loss, accuracy) of a network on images; NaN for none."""
    losses, correct = np.empty(0), np.empty(0)
    for _, losses, correct in network.run(images, labels, np.arange(len(images), dtype=np.int64), 0.0):
        pass
    return (float(losses.mean()), float(correct.mean())) if len(losses) else (float("nan"), float("nan"))


def versions() -> dict[str, str]:
    """Return the versions that results may depend on."""
    import numba

    return {"fastconv": __version__, "python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__}


def _check_images(*parts: np.ndarray) -> None:
    for images in parts:
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1] != images.shape[2]:
            raise ValueError(f"train: images must be square grey uint8 (n, w, w), but are {images.dtype} of {images.shape}")
    if not all(map(len, parts)) or parts[0].shape[1:] != parts[1].shape[1:]:
        raise ValueError(
            f"train: there must be training and test images of one size, but the shapes are {[p.shape for p in parts]}"
        )


def _check_labels(*parts: np.ndarray) -> None:
    for labels in parts:
        if labels.dtype.kind not in "iu":
            raise ValueError(f"train: labels must be integers, but have dtype {labels.dtype}")


def _save(network: Any, path: str, say: Callable[[str], None]) -> None:
    from .engine.model_file import save_network

    save_network(network, path)
    say(f"Network written to {path}")


def _threads_in_use() -> int:
    from ._threads import get_num_threads

    return get_num_threads()
