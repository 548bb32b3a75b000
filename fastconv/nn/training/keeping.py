"""The callback that keeps models in files: each epoch's, or the best one's, which no worse one replaces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...messages.warn import warn
from ..files.container import checked_path, checked_target, read_file
from ..files.model_file import IMPOSSIBLE, check_structure, copied, lasting, save, structure_of
from ..files.texts import from_json, to_json
from ..files.writing import Writing
from ..options import as_bool
from .callbacks import Best, Callback, check_numbers

if TYPE_CHECKING:
    from ..network import Network

BEST = "best"
"""The text in a file that tells which figure its model has."""


class Checkpoint(Callback):
    """Saves the model after each epoch, or after each that is the best so far; `nn.load` reads it.

    With best_only, a better model in the file is never replaced by a worse one. What is the best goes on from one fit to the next
    with the same callback. The file tells its figure, so that it goes on from a file of an earlier process too, with a warning that
    says so. A file without a figure, or of a model of other layers, is refused before the training begins: delete it to begin anew.

    To go on with a training that was interrupted, see the `checkpoint` of `fit`.

    Parameters
    ----------
    path : path
        Ending in .npz or .safetensors; written anew each time, as a whole or not at all. Where it can't be (the disk is full), a
        warning says so, the training goes on, and only at its end an OSError says that the last model isn't in the file.
    best_only : bool
    monitor : str
        With best_only, the figure that says which is the best, "val_loss" if not given; of accuracies, more is better.

    Examples
    --------
    >>> from fastconv import nn
    >>> keep = nn.Checkpoint("best.npz", best_only=True, monitor="val_accuracy")
    """

    def __init__(self, path: str | os.PathLike[str], best_only: bool = False, monitor: str | None = None):
        self.path, self.best_only = Path(checked_path("Checkpoint", path)), as_bool("Checkpoint", "best_only", best_only)
        if monitor is not None and not self.best_only:
            raise ValueError(f"Checkpoint: monitor must come with best_only=True, but is {monitor!r} without it")
        self.monitor = str(monitor or "val_loss") if self.best_only else None
        self._best, self._known = Best(str(self.monitor)), False
        self._writing = Writing("Checkpoint", self.path)
        self._unwritten: tuple[Network, float] | None = None

    def check_file(self, model: Network, loss: str, resume: bool) -> None:
        """See to it that the model can be written to the file, and find out what is the best: before anything is changed."""
        checked_target("Checkpoint", self.path)
        check_structure("Checkpoint", model)
        self._writing, self._unwritten = Writing("Checkpoint", self.path), None
        if self.monitor is None:
            return
        if not self.path.exists():
            self._best, self._known = Best(self.monitor), False
        elif not self._known:
            value = best_in(self.path, self.monitor, model, loss)
            self._best.improves(value)
            self._known = True
            if not resume:
                warn(
                    f"Checkpoint: {self.path} has a model of {self.monitor} {value:.6g} from before, which only a better one "
                    "replaces (delete the file to begin anew)"
                )

    def on_epoch_end(self, model: Network, epoch: int, logs: dict[str, float]) -> None:
        """Save the model; where it can't be written, the training goes on, and a best model is tried again after each epoch."""
        if self.monitor is None:
            self._writing.attempt(partial(save, model, self.path))
            return
        value = float(logs[self.monitor])
        if self._best.is_better(value) and (self._unwritten is None or self._best.sign * (value - self._unwritten[1]) < 0):
            self._keep(model, value)
        elif self._unwritten is not None:
            self._keep(*self._unwritten)

    def _keep(self, model: Network, value: float) -> None:
        """Write a best model, or if that can't be, keep it in memory."""
        told = to_json("Checkpoint", {"monitor": self.monitor, "value": value})
        if self._writing.attempt(partial(save, model, self.path, {BEST: told})):
            self._best.improves(value)
            self._known, self._unwritten = True, None
        elif self._unwritten is None or model is not self._unwritten[0]:
            self._unwritten = copied(model), value

    def on_train_end(self, model: Network) -> None:
        """Raise OSError if what was to be saved last couldn't be; warn if there was nothing to save."""
        if self._unwritten is not None:
            self._keep(*self._unwritten)
        self._writing.finish()
        if self.monitor is not None and not self.path.exists():
            warn(f"Checkpoint: {self.path} wasn't written, as {self.monitor} was never a finite number")

    def state(self) -> dict[str, np.ndarray]:
        """Return the best value."""
        return {"best": np.array(self._best.value)}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned; the file may have a better model already, of an epoch that is gone through again."""
        if self.path.exists():
            self._best.value, self._known = min(self._best.value, float(state["best"])), True

    def check_state(self, model: Network, state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError for what can't be set."""
        check_numbers(self, state, best=("f", ()))


def best_in(path: Path, monitor: str, model: Network, loss: str) -> float:
    """Return the figure of the model in a file, which must be of the same layers; ValueError if there is none."""
    contents = read_file("Checkpoint", path)
    try:
        told, found = (from_json(contents.texts[name]) for name in (BEST, "structure"))
        value, wanted = float(told["value"]), lasting(structure_of("Checkpoint", model))
        if (told["monitor"], found["loss"], lasting(found) | {"seed": model.seed}) == (monitor, loss, wanted):
            return value
    except IMPOSSIBLE:  # it is of another kind
        pass
    raise ValueError(f"Checkpoint: {path} exists, and tells no {monitor} of a model like this one: delete it, or give another name")
