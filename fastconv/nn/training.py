"""The run of a training whose arguments are checked: epochs in slices, with what is shown, noted and kept on disk meanwhile.

What is done is told by two things that change in one stroke each: the count of updates, which only kernels change, between slices,
and `kept`. So an interrupt at any moment leaves a state that can be written and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._team import Team
from ..engine.data import Data
from ..engine.epoch import Epoch
from ..kernels.batch import BEFORE, STEP
from ..progress import Progress
from .callbacks import Callback
from .checkpoint import Changing, Kept, Resumed, save_checkpoint
from .frozen import set_trainable, trainable_layers
from .history import History
from .inference import BATCH, Inference, figures
from .moments import Moments, fixed_options
from .update import Recording, Updates, runs_online

if TYPE_CHECKING:
    from .model import Sequential

CHECKPOINT_SECONDS = 30.0
"""During an epoch a checkpoint is written every so often, or less often if it takes longer than a twentieth of that."""


class Course(NamedTuple):
    """Which epochs of its life a model is trained for, and what the optimizer brings from those before.

    That is its vectors, and how many updates they have seen.
    """

    first: int
    epochs: int
    slots: list[np.ndarray]
    before: int


class Training:
    """One call of `fit`: the model, what it is trained on and how, and how far it has come.

    `online` says that each image is an update, for which there is work for one thread only.
    """

    def __init__(
        self, model: Sequential, data: Data, course: Course, updates: Updates, callbacks: Sequence[Callback],
        checkpoint: Path | None, settings: dict[str, Any], resumed: Resumed | None,
    ):  # fmt: skip
        self.model, self.data, self._course, self._updates, self._callbacks = model, data, course, updates, callbacks
        self._checkpoint, self._settings, self._kept = checkpoint, settings, Kept()
        self._recording = Recording(model, data, updates, course.slots)
        self._epoch: Epoch | None = None
        self._trained: tuple[bool, ...] = ()
        data.state[BEFORE] = course.before
        if resumed is not None:
            model.set_weights(resumed.weights)
            model.epochs = course.first + len(resumed.kept.history)
            self._change(resumed.began)
            data.losses[: len(resumed.losses)], data.correct[: len(resumed.correct)] = resumed.losses, resumed.correct
            data.state[STEP], self._kept = resumed.step, resumed.kept
            self._leave_moments()
        self._began, self.online = self._changing(), runs_online(model, updates)
        self.history = History(self._kept.history)

    @property
    def has_begun(self) -> bool:
        """Whether the model has changed."""
        return bool(self.data.state[STEP] > 0 or self._kept.history)

    def run(self, team: Team, validation: Data | None, progress: bool) -> None:
        """Train to the end of the last epoch, or until a callback or an interrupt ends it."""
        model = self.model
        validate = None if validation is None else Inference(model, validation, BATCH, team).run
        for callback in self._callbacks:
            callback.on_train_begin(model)
        for callback, (name, state) in zip(self._callbacks, self._kept.callbacks, strict=False):
            if name == type(callback).__name__:
                callback.set_state(state)
        if self._kept.changed is not None:
            self._change(self._kept.changed)
        try:
            while len(self._kept.history) < self._course.epochs and not self._kept.stopped:
                self._run_epoch(team, validate, progress)
                self._save()
        except (KeyboardInterrupt, SystemExit):
            self._save()
            raise
        for callback in self._callbacks:
            callback.on_train_end(model)

    def _changing(self) -> Changing:
        """Return what callbacks may change from one epoch to the next."""
        return Changing(self._updates.optimizer.lr, trainable_layers(self.model))

    def _change(self, to: Changing) -> None:
        self._updates.optimizer.lr = to.rate
        set_trainable(self.model, to.trainable)

    def _place(self) -> int:
        """Return how many images of the running epoch are done."""
        updates = int(self.data.state[STEP]) - len(self._kept.history) * self._updates.per_epoch
        return min(updates * self._updates.batch, self._updates.images)

    def _run_epoch(self, team: Team, validate: Callable[[], dict[str, float]] | None, progress: bool) -> None:
        """Run an epoch from where it is to its end, then validation and callbacks."""
        number, data, model, images = self._course.first + len(self._kept.history), self.data, self.model, self._updates.images
        order = self._updates.order(number)
        for callback in self._callbacks:
            callback.on_epoch_begin(model, number)
        epoch, done = self._prepared(team), self._place()
        data.begin(number, order, done)
        last = self._course.first + self._course.epochs
        bar = Progress(images, f"Epoch {number + 1} of {last}", done=done) if progress else None
        try:
            self._run_updates(epoch, bar)
            logs = figures(data, images)
            if validate is not None:
                logs |= {f"val_{name}": value for name, value in validate().items()}
        except BaseException:  # raised again: only the bar is closed
            if bar is not None:
                bar.close(f"interrupted after {self._place()} images")
            raise
        if bar is not None:
            bar.close(", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        model.epochs = number + 1
        stop = [ends(callback, callback.on_epoch_end(model, number, dict(logs))) for callback in self._callbacks]
        states = tuple((type(callback).__name__, dict(callback.state())) for callback in self._callbacks)
        self._kept = Kept((*self._kept.history, logs), states, any(stop), self._changing())
        self.history.add(logs)

    def _prepared(self, team: Team) -> Epoch:
        """Return the epoch's programs, by the rate and the layers that are trainable now; the model goes on with their moments."""
        changing = self._changing()
        if self._epoch is None or self._trained != changing.trainable:
            self._epoch, self._trained = self._recording.epoch(team), changing.trainable
        self._recording.set_rate(changing.rate)
        self._leave_moments()
        return self._epoch

    def _leave_moments(self) -> None:
        """Let the model have the optimizer's vectors, which go on changing, for the next fit."""
        optimizer = self._updates.optimizer
        self.model._moments = Moments(type(optimizer), fixed_options(optimizer), self._course.slots, self.data.state)

    def _run_updates(self, epoch: Epoch, bar: Progress | None) -> None:
        """Run the epoch's updates; between slices, show how it goes and write checkpoints."""
        data, shown, loss, correct = self.data, 0, 0.0, 0
        saved, pause = time.perf_counter(), CHECKPOINT_SECONDS
        for done in epoch.run():
            if bar is not None:
                loss += float(data.losses[shown:done].sum())
                correct += int(np.count_nonzero(data.correct[shown:done]))
                shown = done
                bar.update(done, loss / done, correct / done if data.classified else None)
            if self._checkpoint is not None and time.perf_counter() - saved > pause and done < self._updates.images:
                start = time.perf_counter()
                self._save()
                saved = time.perf_counter()
                pause = max(CHECKPOINT_SECONDS, 20 * (saved - start))

    def _save(self) -> None:
        """Write a checkpoint, if one is wanted."""
        if self._checkpoint is not None:
            data, done, step = self.data, self._place(), int(self.data.state[STEP])
            losses, correct, course = data.losses[:done], data.correct[:done], self._course
            state = Resumed(
                self.model.get_weights(), course.slots, losses, correct, course.first, course.epochs, course.before, step,
                self._kept, self._began, self._changing(),
            )  # fmt: skip
            save_checkpoint(self._checkpoint, self.model, self._settings, state)


def ends(callback: Callback, answer: Any) -> bool:
    """Return whether a callback's on_epoch_end has ended the training."""
    if answer is not None and not isinstance(answer, (bool, np.bool_)):
        kind = type(callback).__name__
        raise TypeError(
            f"fit: {kind}.on_epoch_end must return True to end the training, else False or None, but returns {answer!r}"
        )
    return bool(answer)
