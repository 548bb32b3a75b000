"""Training: what a user passes to fit, checked before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...runtime.threads import team_of
from ...shapes import as_int
from ..files.checkpoint import Resumed, fingerprint, load_checkpoint, named
from ..files.container import checked_target
from ..files.model_file import check_structure
from ..files.texts import to_json
from ..frozen import batch_sizes, check_batches
from ..inputs import checked_loss, checked_threads
from ..options import as_bool, methods_beside
from ..samples import checked_samples, checked_validation
from ..state import MOST_EPOCHS
from .alone import one_at_a_time
from .augmentation import Shift
from .callbacks import Callback
from .history import History
from .hooks import check_files, checked_callbacks
from .loop import Course, Training
from .moments import gathered_by
from .optimizers import SGD, Optimizer
from .order import Order, Shuffle
from .rates import check_factors, rate_factors
from .schedules import Constant, Schedule
from .update import Updates

if TYPE_CHECKING:
    from ..network import Network


FOREIGN = ("step", "update", "apply_gradients", "minimize", "zero_grad", "get_lr", "forward", "apply", "__call__")
"""Methods of other libraries' optimizers, schedules and augmentations, which `fit` doesn't call."""


def fit(
    model: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 1,
    initial_epoch: int | None = None,
    batch_size: int = 64,
    drop_last: bool = False,
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
    """Train a model for so many further epochs, each of which goes through all images once.

    A model goes on where its last fit ended: its epochs are counted over its life, so that each has an order, dropout and
    augmentation of its own, and the optimizer keeps its momentum and the like. So fit(epochs=3) and then fit(epochs=2) come to the
    bits of fit(epochs=5) with the same options.

    Parameters
    ----------
    model : Network
        Its parameters change in place, update by update.
    x : (n, *input_shape) array
        Images of the model's input shape, (n, h, w) if they have one channel. uint8 are read where they are and count as 0 to 1;
        everything else is taken as numbers of the model's type.
    y : (n,) or (n, 1) array of labels, or (n, outputs) array
        Labels: integers, whole floats or bools, from 0 on; rows of a one and zeros; or names, strings, which are numbered in their
        sorted order and kept as the model's `classes`. For the squared error of several outputs, labels stand for rows of a one and
        zeros; numbers are (n, outputs), or (n, *output shape). With one output, integers are numbers too, (n,) or (n, 1).
    epochs : int
        How many epochs more.
    initial_epoch : int
        The number of the first of them: `model.epochs` if not given. With 0 the model begins anew, the optimizer too, but for its
        weights. Callbacks, functions of an epoch's number and what is shown get this number, and `model.epochs` goes on from it.
    batch_size : int
        Images an update; the last update of an epoch has those that are left.
    drop_last : bool
        Whether those that are left, fewer than batch_size, are left out: the last in the epoch's order, so with shuffle others each
        time. The figures are means over what was used.
    shuffle : bool or function
        Whether each epoch has an order of its own, by the model's seed, or all go through the images as they are. Or a function
        that is given an epoch's number, from 0 on, and returns the order: integers (n,), each from 0 to n - 1 once. It should
        return the same whenever it is given the same number.
    optimizer : Optimizer
        SGD(0.1) if not given. Its momentum and the like go on from the model's last fit if that had an optimizer of the same class
        and options (the rate may be another), else begin anew. They are in memory and not in the model's file: to go on after the
        process has ended, use `checkpoint`. Callbacks find it as `model.optimizer`, and may set its `lr` for the epochs to come.
    loss : "cross_entropy" or "mean_squared_error" (or "mse")
    schedule : Schedule
        What the optimizer's rate is multiplied by, update by update; constant if not given. `Step` goes by the epochs of the
        model's life; `Cosine` and `OneCycle` span the epochs of this fit.
    augment : Shift
    validation_data : (x, y)
        Evaluated after each epoch, as "val_loss" and "val_accuracy"; names of classes are those of y.
    callbacks : sequence of Callback
    threads : int
        If not given, `fastconv.get_num_threads()`; no more run than the process has CPUs. No bit of the result depends on it.
    progress : bool
        Whether standard error shows how it goes: the number of the epoch, and the loss and the accuracy, as means over the epoch so
        far, of each batch before its update. On a terminal or in a notebook that is one line, which is redrawn, if tqdm is
        installed; elsewhere a line now and then. In the end the last epoch's figures stay.
    checkpoint : path
        A .npz or .safetensors file for all that the training needs to go on: written at each epoch's end, every 30 seconds, and
        at an interrupt; always as a whole, so that a process that is killed leaves the one before. `nn.load` reads the model in it.
        A file that exists already, also one of a training that is finished, is only taken with `resume`: delete it to begin anew.
    resume : bool
        Go on from the checkpoint, to the same bits as if there had been no interruption (if shuffle is a function, it must be the
        same one): `epochs` are those of both together, and the model's own epochs and optimizer are replaced by the checkpoint's.
        Where the file doesn't exist yet, the training begins, so that the same command can be given again and again; a training
        that is finished is only loaded.

    Returns
    -------
    History
        `history["loss"]` is a list with the loss of each epoch of this fit, as are "accuracy", "val_loss" and "val_accuracy"; NaN
        where there are no images. There are accuracies where y are labels, or rows of a one and zeros, and none of other numbers.

    Raises
    ------
    ValueError, TypeError
        If an argument can't be, or if the checkpoint to resume is broken or of another model, other data or other options
        (`epochs` may be others if the rates so far don't depend on it), or exists and isn't to be resumed, or if a layer can't be
        trained with batches of these sizes (see `BatchNorm`). Nothing has been changed then. Also if what shuffle returns is no
        order of the images, before that epoch begins.
    UserWarning
        Once, naming the range of x, where integers other than uint8 exceed 1, uint8 are flags of 0 and 1, other numbers are far
        from 1, or some aren't finite; and where x is on another scale than what the model was trained on before (`input_range`), or
        that of validation_data is. `evaluate`, `predict` and `gradient` warn likewise.
    RuntimeWarning
        Once, if the loss is NaN, or if its mean over 1,000 images in a row (or an epoch, if it has fewer) is over 10 times that of
        the first batch before its update, and of guessing: the training comes apart, mostly for too large a learning rate.
    RuntimeError
        If another fit of this model is running, in another thread or as the one whose callback calls this one. Nothing has been
        changed then, and the other one goes on.
    OSError
        If `checkpoint`, or the file of a `Checkpoint`, can't be written: at once where that shows before the training. Where it
        comes later (the disk is full), a warning says so, the file stays as it is, the training goes on, and the error comes at its
        end, if the last state isn't in the file; `model.history` is what would have been returned.
    KeyboardInterrupt
        At Ctrl-C, as soon as the running slice of updates, about a tenth of a second, is done; it tells how many images the model
        has been trained on in this epoch. The model has its parameters after the last update, and `history` has the epochs before;
        another fit goes on with these, and begins the interrupted epoch anew.

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
    initial = None if initial_epoch is None else as_int("fit", "initial_epoch", initial_epoch, 0, MOST_EPOCHS)
    drop_last, resume, progress = (
        as_bool("fit", option, value) for option, value in (("drop_last", drop_last), ("resume", resume), ("progress", progress))
    )
    name, count = checked_loss("fit", loss), checked_threads("fit", threads)
    optimizer = _checked("optimizer", SGD(0.1) if optimizer is None else optimizer, Optimizer)
    schedule = _checked("schedule", Constant() if schedule is None else schedule, Schedule)
    augment = None if augment is None else _checked("augment", augment, Shift)
    if augment is not None and type(augment) is not Shift:
        raise TypeError(f"fit: augment must be a Shift itself, which the engine knows, but is a {type(augment).__name__}")
    if augment is not None and len(model.shapes[0]) != 3:
        raise ValueError(f"fit: only images (h, w, c) can be shifted, but the model's input is {model.shapes[0]}")
    if augment is not None and augment.pixels >= min(model.shapes[0][:2]):
        height, width = model.shapes[0][:2]
        raise ValueError(f"fit: {augment!r} must leave something of images of {height} x {width} pixels, but may move them away")
    samples = checked_samples("fit", model, x, y, name, learn=True)
    data, validation = samples.data, checked_validation(model, validation_data, name, samples)
    callbacks = checked_callbacks(callbacks, data, validation)
    used, batch = _checked_batches(model, data.count, batch, drop_last)
    order = Order(shuffle, model.seed, data.count)
    settings, resumed = {}, None
    if resume and checkpoint is None:
        raise ValueError("fit: resume must come with a checkpoint, but there is none")
    path = None if checkpoint is None else checked_target("fit", checkpoint)
    check_files(callbacks, model, name, path, resume)
    if path is not None:
        check_structure("fit", model)
        settings = {
            "optimizer": named(optimizer), "schedule": named(schedule), "augment": named(augment), "loss": name,
            "batch_size": batch, "drop_last": drop_last, "shuffle": order.kind, "images": data.count,
            "data": fingerprint(samples.images, data.targets),
        }  # fmt: skip
        settings |= {} if samples.classes is None else {"classes": [*samples.classes]}
        to_json("fit", settings)
        resumed = _resumed(path, resume, model, settings, optimizer, used, batch, callbacks)
    with one_at_a_time(model):
        first, slots, before = _start(model, optimizer, initial, resumed)
        as_int("fit", "the last epoch's number", first + total, 0, MOST_EPOCHS)
        per_epoch = -(-used // batch)
        factors = rate_factors(schedule, first, total, per_epoch)
        if resumed is not None:
            check_factors(schedule, factors, resumed, total, per_epoch)
        updates = Updates(used, batch, order, optimizer, factors, augment.pixels if augment else 0)
        course = Course(first, total, slots, before)
        begun: list[Training] = []
        try:
            with _or_as_before(model, begun):
                model.loss, model.classes, model._optimizer = name, samples.classes, optimizer
                model.input_range = samples.range if total else model.input_range
                training = Training(model, data, course, updates, callbacks, path, settings, resumed, progress)
                begun.append(training)
                with team_of(1 if training.online else count) as team:
                    training.run(team, validation)
        except KeyboardInterrupt as stop:
            stop.args = stop.args or (f"fit: interrupted {begun[0].reached if begun else 'before the first update'}",)
            raise stop.with_traceback(None) from None  # whoever pressed Ctrl-C need not see where
    return training.history


@contextmanager
def _or_as_before(model: Network, begun: list[Training]) -> Iterator[None]:
    """Give the model back what it was trained with if a training that is put into the list fails before it begins."""
    before = model.loss, model.classes, model.input_range, model._optimizer, model._history
    try:
        yield
    except BaseException:  # raised again
        if not any(training.has_begun for training in begun):
            model.loss, model.classes, model.input_range, model._optimizer, model._history = before
        raise


def _start(model: Network, optimizer: Optimizer, initial: int | None, resumed: Resumed | None) -> tuple[int, list[np.ndarray], int]:
    """Return the first epoch's number, and what the optimizer brings: its vectors, and how many updates these have seen."""
    if resumed is None:
        return model.epochs if initial is None else initial, *gathered_by(
            optimizer, None if initial == 0 else model._moments, model.parameters
        )
    if initial not in (None, resumed.first):
        raise ValueError(f"fit: initial_epoch must be {resumed.first}, as in the checkpoint, but is {initial}")
    return resumed.first, resumed.slots, resumed.before


def _resumed(
    path: Path, resume: bool, model: Network, settings: dict[str, Any], optimizer: Optimizer, used: int, batch: int,
    callbacks: list[Callback],
) -> Resumed | None:  # fmt: skip
    """Return what a checkpoint holds; None if there is none yet. One that exists is only taken to be resumed."""
    if not path.exists():
        return None
    if not resume:
        raise ValueError(
            f"fit: the checkpoint {path} exists: go on with its training with resume=True, or delete it to begin a new one"
        )
    return load_checkpoint(path, model, settings, optimizer, used, batch, callbacks)


def _checked_batches(model: Network, count: int, batch: int, drop_last: bool) -> tuple[int, int]:
    """Return how many images an epoch uses, and how many at a time, with which the layers must be able to be trained."""
    if drop_last and 0 < count < batch:
        raise ValueError(f"fit: with drop_last there must be a batch of {batch} images, but there are {count}")
    used, size = count - count % batch if drop_last else count, min(batch, max(1, count))
    try:
        check_batches("fit", model, batch_sizes(used, size))
    except ValueError as error:
        raise ValueError(f"{error} ({count} images in batches of {batch}{', without the last' if drop_last else ''})") from None
    return used, size


def _checked(option: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"fit: {option} must be a {kind.__name__} of fastconv.nn, but is {value!r}")
    foreign = methods_beside(kind, value, FOREIGN)
    if foreign:
        raise TypeError(f"fit: {option}: {type(value).__name__}.{foreign[0]} is never called: see {kind.__name__} for what is")
    return value
