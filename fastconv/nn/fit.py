"""Training: what a user passes to fit, checked before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import as_array
from ..engine.data import Data
from ..engine.team import team_of
from ..shapes import as_int
from .augmentation import Shift
from .callbacks import Callback
from .checkpoint import Resumed, fingerprint, load_checkpoint, named
from .files import checked_target
from .history import History
from .inputs import checked_loss, checked_threads
from .model_file import structure_of, to_json
from .optimizers import SGD, Optimizer
from .order import Order, Shuffle
from .samples import checked_samples, checked_validation
from .schedules import Constant, Schedule
from .training import Training, Updates

if TYPE_CHECKING:
    from .model import Sequential

MOST_UPDATES = 2**27
"""A schedule's rates are computed before, 8 bytes for each update."""


def fit(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 1,
    batch_size: int = 64,
    shuffle: Shuffle = True,
    optimizer: Optimizer | None = None,
    loss: str = "cross_entropy",
    schedule: Schedule | None = None,
    augment: Shift | None = None,
    validation_data: tuple[ArrayLike, ArrayLike] | None = None,
    callbacks: Iterable[Callback] = (),
    threads: int | None = None,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> History:
    """Train a model; each epoch goes through all images once.

    Parameters
    ----------
    model : Sequential
        Its parameters change in place, update by update.
    x : (n, *input_shape) array
        Images of the model's input shape, (n, h, w) if they have one channel. uint8 are read where they are and count as 0 to 1;
        everything else is taken as numbers of the model's type.
    y : (n,) or (n, 1) array of labels, or (n, outputs) array
        Labels: integers, whole floats or bools, from 0 on; rows of a one and zeros; or names, strings, which are numbered in their
        sorted order and kept as the model's `classes`. For the squared error of several outputs, labels stand for rows of a one and
        zeros; numbers are (n, outputs), or (n, *output shape). With one output, integers are numbers too, (n,) or (n, 1).
    epochs : int
    batch_size : int
        Images an update; the last update of an epoch has those that are left.
    shuffle : bool or function
        Whether each epoch has an order of its own, by the model's seed, or all go through the images as they are. Or a function
        that is given an epoch's number, from 0 on, and returns the order: integers (n,), each from 0 to n - 1 once. It should
        return the same whenever it is given the same number.
    optimizer : Optimizer
        SGD(0.1) if not given. Its momentum and the like begin anew with each fit.
    loss : "cross_entropy" or "mean_squared_error" (or "mse")
    schedule : Schedule
        What the optimizer's rate is multiplied by, update by update; constant if not given.
    augment : Shift
    validation_data : (x, y)
        Evaluated after each epoch, as "val_loss" and "val_accuracy"; names of classes are those of y.
    callbacks : sequence of Callback
    threads : int
        If not given, `fastconv.get_num_threads()`; no more run than the process has CPUs. No bit of the result depends on it.
    progress : bool
        Whether a bar (if tqdm is installed, and standard error is a terminal), or a line now and then, shows on standard error how
        it goes: the loss and the accuracy are means over the epoch so far, of each batch before its update.
    checkpoint : path
        A .npz or .safetensors file for all that the training needs to go on: written at each epoch's end, every 30 seconds, and
        at an interrupt; always as a whole, so that a process that is killed leaves the one before. `nn.load` reads the model in it.
    resume : bool
        Go on from the checkpoint, to the same bits as if there had been no interruption (if shuffle is a function, it must be the
        same one). Where the file doesn't exist yet, the training begins, so that the same command can be given again and again.

    Returns
    -------
    History
        `history["loss"]` is a list with the loss of each epoch, as are "accuracy", "val_loss" and "val_accuracy"; NaN where
        there are no images. There are accuracies where y are labels, or rows of a one and zeros, and none of other numbers.

    Raises
    ------
    ValueError, TypeError
        If an argument can't be, or if the checkpoint to resume is broken or of another model, other data or other options
        (`epochs` may be others if the rates so far don't depend on it). Nothing has been changed then. Also if what shuffle
        returns is no order of the images, before that epoch begins.
    UserWarning
        Once, naming the range of x, where integers other than uint8 exceed 1, uint8 are flags of 0 and 1, other numbers are far
        from 1, or some aren't finite; and where x is on another scale than what the model was trained on before (`input_range`), or
        that of validation_data is. `evaluate`, `predict` and `gradient` warn likewise.
    KeyboardInterrupt
        At Ctrl-C, as soon as the running slice of updates, about a tenth of a second, is done. The model has its parameters after
        the last update.

    Notes
    -----
    The order of an epoch's images, where shuffle is True, depends on the model's seed and the epoch only, and what dropout drops
    and where augmentation moves an image on these and the image. While it runs, the model's arrays are in use: callbacks may
    change them in place, other threads must not.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> x = np.random.default_rng(0).random((100, 5)).astype("float32")
    >>> y = x.argmax(axis=1)
    >>> model = nn.Sequential([nn.Dense(5)], input_shape=(5,))
    >>> history = model.fit(x, y, epochs=100, batch_size=10, optimizer=nn.SGD(1.0), progress=False)
    >>> len(history["loss"]), history["accuracy"][-1] > 0.9
    (100, True)
    """
    total, batch = as_int("fit", "epochs", epochs, 0), as_int("fit", "batch_size", batch_size, 1)
    name, count = checked_loss("fit", loss), checked_threads("fit", threads)
    optimizer = _checked("optimizer", SGD(0.1) if optimizer is None else optimizer, Optimizer)
    schedule = _checked("schedule", Constant() if schedule is None else schedule, Schedule)
    augment = None if augment is None else _checked("augment", augment, Shift)
    if augment is not None and len(model.shapes[0]) != 3:
        raise ValueError(f"fit: only images (h, w, c) can be shifted, but the model's input is {model.shapes[0]}")
    samples = checked_samples("fit", model, x, y, name, learn=True)
    data, validation = samples.data, checked_validation(model, validation_data, name, samples)
    callbacks = _checked_callbacks(callbacks, data, validation)
    per_epoch, batch = -(-data.count // batch), min(batch, max(1, data.count))
    order = Order(shuffle, model.seed, data.count)
    rates = _rates(optimizer, schedule, total, per_epoch)
    path, settings, resumed = None, {}, None
    if resume and checkpoint is None:
        raise ValueError("fit: resume must come with a checkpoint, but there is none")
    if checkpoint is not None:
        path = checked_target("fit", checkpoint)
        structure_of("fit", model)
        settings = {
            "optimizer": named(optimizer), "schedule": named(schedule), "augment": named(augment), "loss": name,
            "batch_size": batch, "shuffle": order.kind, "images": data.count, "data": fingerprint(samples.images, data.targets),
        }  # fmt: skip
        settings |= {} if samples.classes is None else {"classes": [*samples.classes]}
        to_json("fit", settings)
        if resume and path.exists():
            resumed = load_checkpoint(path, model, settings, optimizer.slots, data.count, batch)
            _check_rates(rates, schedule, optimizer, resumed, total, per_epoch)
    updates = Updates(batch, order, optimizer, rates, augment.pixels if augment else 0)
    model.loss, model.classes = name, samples.classes
    model.input_range = samples.range if total else model.input_range
    training = Training(model, data, total, updates, callbacks, path, settings, resumed)
    with team_of(1 if training.online else count) as team:
        training.run(team, validation, bool(progress))
    return training.history


def _checked(option: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"fit: {option} must be a {kind.__name__} of fastconv.nn, but is {value!r}")
    return value


def _checked_callbacks(callbacks: Any, data: Data, validation: Data | None) -> list[Callback]:
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"fit: callbacks must be a sequence of callbacks, but is {callbacks!r}")
    figures = ["loss"] + ["accuracy"] * data.classified
    figures += [] if validation is None else ["val_loss"] + ["val_accuracy"] * validation.classified
    checked = [_checked("callbacks", callback, Callback) for callback in callbacks]
    for callback in checked:
        if callback.monitor is not None and callback.monitor not in figures:
            raise ValueError(f"fit: {type(callback).__name__} must look at one of {figures}, but looks at {callback.monitor!r}")
    return checked


def _rates(optimizer: Optimizer, schedule: Schedule, epochs: int, per_epoch: int) -> np.ndarray:
    """Return the rate of each update; the last one goes on for ever."""
    updates = epochs * per_epoch
    if type(schedule) is Constant or not updates:
        return np.full(1, optimizer.lr)
    if updates > MOST_UPDATES:
        raise ValueError(f"fit: with a schedule there must be at most {MOST_UPDATES} updates, but there are {updates}")
    factors = as_array("fit", f"what {schedule!r} gives", schedule.factors(updates, per_epoch)).astype(np.float64)
    if factors.shape != (updates,) or not np.isfinite(factors).all():
        raise ValueError(f"fit: {schedule!r} must give {updates} finite factors, but gives {factors}")
    return optimizer.lr * factors


def _check_rates(
    rates: np.ndarray, schedule: Schedule, optimizer: Optimizer, resumed: Resumed, epochs: int, per_epoch: int
) -> None:
    """Refuse to resume with another number of epochs if the updates that are done would have had other rates with it."""
    if resumed.epochs != epochs:
        before, step = _rates(optimizer, schedule, resumed.epochs, per_epoch), resumed.step
        if not np.array_equal(before[:step], rates[:step]):
            raise ValueError(f"fit: {schedule!r} goes by the number of epochs, which must be {resumed.epochs}, but is {epochs}")
