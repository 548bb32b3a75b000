"""A training in a file: a model's file with what else the next update depends on, so that it goes on as if never interrupted."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...files.content import reading
from ...shapes import as_int
from ..frozen import trainable_layers
from ..options import as_bool, as_number
from ..training.callbacks import Callback
from ..training.optimizers import Optimizer
from .container import Contents, read_file, write_file
from .model_file import FORMAT, TRAINING, lasting, structure_of, warn_of_not_finite
from .texts import from_json, plain, to_json

if TYPE_CHECKING:
    from ..network import Network

KEYS = {"settings", "first", "epochs", "before", "step", "history", "stopped", "callbacks", "began", "changed", "now"}
SAMPLE = 256
"""How many images at most tell one set of data from another."""


class Changing(NamedTuple):
    """What callbacks may change from one epoch to the next: the learning rate, and which layers are trainable."""

    rate: float
    trainable: tuple[bool, ...]


class Kept(NamedTuple):
    """What finished epochs leave: their figures, the callbacks' names and states, whether one of these ended the training.

    And what callbacks had changed after the last of these epochs.
    """

    history: tuple[dict[str, float], ...] = ()
    callbacks: tuple[tuple[str, dict[str, np.ndarray]], ...] = ()
    stopped: bool = False
    changed: Changing | None = None

    def states_of(self, callbacks: Sequence[Callback]) -> list[tuple[Callback, dict[str, np.ndarray]]]:
        """Return the callbacks whose states are kept, with these: each is known by its class, several of one by their order.

        ValueError if there is none for a state.
        """
        left, found = [*callbacks], []
        for name, state in self.callbacks:
            callback = next((callback for callback in left if type(callback).__name__ == name), None)
            if callback is not None:
                left.remove(callback)
                found.append((callback, state))
            elif state:
                raise ValueError(f"callbacks must have the {name} whose state it keeps, but have none")
        return found


class Resumed(NamedTuple):
    """What a checkpoint holds.

    Of the running epoch, the losses so far, and which images were recognised. `first` is the number of the training's first epoch,
    `before` how many updates the optimizer had made before it; `began` is what callbacks could change then, and `now` at the end.
    """

    weights: dict[str, np.ndarray]
    slots: list[np.ndarray]
    losses: np.ndarray
    correct: np.ndarray
    first: int
    epochs: int
    before: int
    step: int
    kept: Kept
    began: Changing
    now: Changing


def fingerprint(images: np.ndarray, targets: np.ndarray) -> str:
    """Return some digits that tell one set of data from another, by some of the images and all targets."""
    some = images[:: max(1, len(images) // SAMPLE)]
    return f"{zlib.crc32(some.tobytes()):08x}{zlib.crc32(targets.tobytes()):08x}"


def named(thing: Any) -> Any:
    """Return an optimizer, schedule or augmentation as JSON has it."""
    if thing is None:
        return None
    options = {name: value for name, value in vars(thing).items() if not name.startswith("_")}
    return {"name": type(thing).__name__, "options": plain(options)}


def save_checkpoint(path: Path, model: Network, settings: dict[str, Any], state: Resumed) -> None:
    """Write all that a training needs to go on from here."""
    kept = state.kept
    training = {
        "settings": settings,
        "first": state.first,
        "epochs": state.epochs,
        "before": state.before,
        "step": state.step,
        "history": [{name: repr(float(value)) for name, value in epoch.items()} for epoch in kept.history],
        "stopped": kept.stopped,
        "callbacks": [name for name, _ in kept.callbacks],
        "began": state.began,
        "changed": kept.changed,
        "now": state.now,
    }
    arrays = {f"{TRAINING}slot.{number}": slot for number, slot in enumerate(state.slots)}
    arrays |= {f"{TRAINING}losses": state.losses, f"{TRAINING}correct": state.correct}
    for number, (kind, found) in enumerate(kept.callbacks):
        for name, value in found.items():
            array = np.array(value, order="C")
            if array.dtype.kind not in "biuf":
                raise TypeError(f"fit: {kind}.state must return arrays of numbers, but {name!r} has dtype {array.dtype}")
            arrays[f"{TRAINING}callback.{number}.{name}"] = array
    structure = to_json("fit", structure_of("fit", model))
    texts = {"format": FORMAT, "structure": structure, "training": to_json("fit", training)}
    write_file("fit", path, texts, state.weights | arrays)


def load_checkpoint(
    path: Path, model: Network, settings: dict[str, Any], optimizer: Optimizer, count: int, batch: int,
    callbacks: Sequence[Callback],
) -> Resumed:  # fmt: skip
    """Return what a checkpoint holds, which must be of this model and these settings; neither model nor callbacks are changed.

    The optimizer's rate, and which layers are trainable, must be as when that training began, or as its callbacks left them.

    Raises
    ------
    ValueError
        If it is of others, or broken.
    """
    contents = read_file("fit", path)
    with reading("fit", path, "checkpoint of this training", verdict="is no"):
        resumed = _resumed(contents, model, settings, optimizer, count, batch)
        for callback, state in resumed.kept.states_of(callbacks):
            callback.check_state(model, state)
    warn_of_not_finite("fit", path, resumed.weights)
    return resumed


def _resumed(contents: Contents, model: Network, settings: dict[str, Any], optimizer: Optimizer, count: int, batch: int) -> Resumed:
    if contents.texts.get("format") != FORMAT or "training" not in contents.texts:
        raise ValueError(f"it must be of the format {FORMAT!r} and hold a training")
    found, training = from_json(contents.texts.get("structure", "")), from_json(contents.texts["training"])
    if not isinstance(found, dict) or not isinstance(training, dict) or set(training) != KEYS:
        raise ValueError(f"its training must have {sorted(KEYS)}")
    _check_alike(lasting(found), lasting(structure_of("fit", model)))
    _check_alike(training["settings"], settings)
    began, now = _changing(training["began"], model), _changing(training["now"], model)
    for name, value in zip(Changing._fields, (optimizer.lr, trainable_layers(model)), strict=True):
        if value not in (getattr(began, name), getattr(now, name)):
            raise ValueError(f"it was written with {name} = {getattr(began, name)}, but now it is {value}")
    step, per_epoch = as_int("training", "step", training["step"], 0, 2**62), -(-count // batch)
    history = _history(training["history"])
    if not len(history) * per_epoch <= step <= (len(history) + 1) * per_epoch:
        raise ValueError(f"its step {step} must be in the epoch after {len(history)} of {per_epoch} updates")
    place = min((step - len(history) * per_epoch) * batch, count)
    weights = {name: array for name, array in contents.arrays.items() if not name.startswith(TRAINING)}
    expected = model.get_weights()
    if set(weights) != set(expected):
        raise ValueError(f"its arrays must be {sorted(expected)} and what begins with {TRAINING!r}")
    for name, array in weights.items():
        _check_array(name, array, model.dtype, expected[name].shape)

    def take(name: str, dtype: Any, size: int) -> np.ndarray:
        if TRAINING + name not in contents.arrays:
            raise ValueError(f"there must be an array {TRAINING + name}")
        array = contents.arrays[TRAINING + name]
        _check_array(name, array, np.dtype(dtype), (size,))
        return array

    vectors = [take(f"slot.{number}", model.dtype, model.parameters.size) for number in range(optimizer.slots)]
    losses, correct = take("losses", np.float64, place), take("correct", np.bool_, place)
    callbacks = []
    if not isinstance(training["callbacks"], list):
        raise ValueError(f"its callbacks must be a list, but are {str(training['callbacks'])[:200]}")
    for number, name in enumerate(training["callbacks"]):
        start = f"{TRAINING}callback.{number}."
        callbacks.append((str(name), {k.removeprefix(start): a for k, a in contents.arrays.items() if k.startswith(start)}))
    changed = None if training["changed"] is None else _changing(training["changed"], model)
    kept = Kept(history, tuple(callbacks), bool(training["stopped"]), changed)
    first, epochs, before = (as_int("training", name, training[name], 0, 2**62) for name in ("first", "epochs", "before"))
    return Resumed(weights, vectors, losses, correct, first, epochs, before, step, kept, began, now)


def _history(told: Any) -> tuple[dict[str, float], ...]:
    """Return the figures of each epoch, which must be the same ones."""
    history = tuple({str(name): float(value) for name, value in epoch.items()} for epoch in told)
    if any("loss" not in epoch or set(epoch) != set(history[0]) for epoch in history):
        raise ValueError(f"each epoch of its history must have a loss and the same figures, but has {str(told)[:200]}")
    return history


def _changing(told: Any, model: Network) -> Changing:
    rate, trainable = told
    flags = tuple(as_bool("training", "trainable", flag) for flag in trainable)
    if len(flags) != len(model.layers):
        raise ValueError(f"it must tell of {len(model.layers)} layers whether they are trainable, but tells of {len(flags)}")
    return Changing(as_number("training", "rate", rate, 0), flags)


def _check_alike(found: Any, wanted: dict[str, Any]) -> None:
    """Refuse a checkpoint that was written with other options than are given now."""
    if not isinstance(found, dict) or set(found) != set(wanted):
        raise ValueError(f"it must tell {sorted(wanted)}")
    for name, value in wanted.items():
        if found[name] != value or type(found[name]) is not type(value):
            raise ValueError(f"it was written with {name} = {str(found[name])[:500]}, but now it is {str(value)[:500]}")


def _check_array(name: str, array: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} must be {dtype} of {shape}, but is {array.dtype} of {array.shape}")
