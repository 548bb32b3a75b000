"""Callbacks as a user passes them, checked before a training: what would never be called, or could only fail, is refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.data import Data
from ...files.paths import real_path
from .callbacks import Callback
from .keeping import Checkpoint

if TYPE_CHECKING:
    from ..network import Network

HOOKS = {
    "on_train_begin": ("model",),
    "on_train_end": ("model",),
    "on_epoch_begin": ("model", "epoch"),
    "on_epoch_end": ("model", "epoch", "logs"),
    "state": (),
    "set_state": ("state",),
}


def checked_callbacks(callbacks: Any, data: Data, validation: Data | None) -> list[Callback]:
    """Return callbacks that `fit` calls, and that look at figures which there will be."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"fit: callbacks must be a sequence of callbacks, but is {callbacks!r}")
    checked = [*callbacks]
    for number, callback in enumerate(checked):
        if not isinstance(callback, Callback):
            what = f"the class {callback.__name__} itself" if isinstance(callback, type) else repr(callback)
            raise TypeError(f"fit: callbacks must be objects of Callback of fastconv.nn, or of a subclass, but one is {what}")
        if any(callback is earlier for earlier in checked[:number]):
            raise ValueError(f"fit: each callback must be there once, but a {type(callback).__name__} is there twice")
        _check_hooks(callback)
        _check_monitor(callback, data, validation)
    return checked


def _check_hooks(callback: Callback) -> None:
    kind = type(callback).__name__
    unknown = [name for name in dir(callback) if _seems_a_hook(callback, name)]
    if unknown:
        known = [name for name in HOOKS if name.startswith("on_")]
        raise TypeError(f"fit: {kind}.{unknown[0]} would never be called: a callback has {', '.join(known)}")
    for name, arguments in HOOKS.items():
        try:
            given = inspect.signature(getattr(callback, name)).bind(*arguments).arguments
        except TypeError:
            given = {"logs": None}
        except ValueError:  # a function of another language, which doesn't tell
            continue
        if any(own in ("model", "epoch", "logs") and own != argument for own, argument in given.items()):
            raise TypeError(f"fit: {kind}.{name} must take ({', '.join(('self', *arguments))}), as `Callback` has it")


def _seems_a_hook(callback: Callback, name: str) -> bool:
    """Return whether a method is there to be called, but never is; a function that an object was given may be for its own use."""
    if not name.startswith("on_") or name in HOOKS or not callable(getattr(callback, name)):
        return False
    return hasattr(type(callback), name) or any(moment in name.lower() for moment in ("begin", "start", "end"))


def _check_monitor(callback: Callback, data: Data, validation: Data | None) -> None:
    kind, monitor = type(callback).__name__, callback.monitor
    figures = ["loss"] + ["accuracy"] * data.classified
    figures += [] if validation is None else ["val_loss"] + ["val_accuracy"] * validation.classified
    if monitor is None:
        return
    if monitor not in figures:
        raise ValueError(f"fit: {kind} must look at one of {figures}, but looks at {monitor!r}")
    if not (validation if monitor.startswith("val_") and validation is not None else data).count:
        raise ValueError(f"fit: {kind} looks at {monitor!r}, of which there must be images, but there are none")


def check_files(callbacks: Iterable[Callback], model: Network, loss: str, checkpoint: Path | None, resume: bool) -> None:
    """Refuse callbacks that would write to the checkpoint's file, to each other's, or over what they shouldn't."""
    taken = {} if checkpoint is None else {real_path(checkpoint): "fit's own checkpoint"}
    for callback in callbacks:
        if isinstance(callback, Checkpoint):
            target, kind = real_path(callback.path), type(callback).__name__
            if target in taken:
                raise ValueError(f"fit: {kind} must have a file of its own, but writes to that of {taken[target]}, {callback.path}")
            taken[target] = f"another {kind}"
            callback.check_file(model, loss, resume)
