"""The run of a training whose arguments are checked: epochs in slices, with what is shown, noted and kept on disk meanwhile.

What is done is told by two things that change in one stroke each: the count of updates, which only kernels change, between slices,
and `kept`. So an interrupt at any moment leaves a state that can be written and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...engine.data import Data
from ...engine.epoch import Epoch
from ...kernels.training.batch import BEFORE, STEP
from ...runtime.team import Team
from ..files.checkpoint import Changing, Kept, Resumed, save_checkpoint
from ..files.writing import NotWritten, Writing
from ..frozen import set_trainable, trainable_layers
from ..inference import BATCH, Inference, figures
from .callbacks import Callback
from .history import History
from .moments import Moments, fixed_options
from .running import Running, loss_of_guessing
from .update import Recording, Updates, runs_online

if TYPE_CHECKING:
    from ..network import Network

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
        self, model: Network, data: Data, course: Course, updates: Updates, callbacks: Sequence[Callback],
        checkpoint: Path | None, settings: dict[str, Any], resumed: Resumed | None, progress: bool,
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
        guessing = loss_of_guessing(data, model.loss, model.shapes[-1][-1])
        self._running = Running(data, updates, course.first, course.epochs, guessing, progress)
        self._writing = None if checkpoint is None else Writing("fit", checkpoint, self._running.make_way)
        self.history = model._history = History(self._kept.history)

    @property
    def has_begun(self) -> bool:
        """Whether the model has changed."""
        return bool(self.data.state[STEP] > 0 or self._kept.history)

    @property
    def reached(self) -> str:
        """How far the training has come, in words."""
        epoch, last = self._course.first + len(self._kept.history), self._course.first + self._course.epochs
        if self._is_over():
            return f"after epoch {epoch} of {last}"
        return f"in epoch {epoch + 1} of {last}, after {self._place()} of {self._updates.images} images"

    def run(self, team: Team, validation: Data | None) -> None:
        """Train to the end of the last epoch, or until a callback or an interrupt ends it."""
        model = self.model
        validate = None if validation is None else Inference(model, validation, BATCH, team).run
        for callback in self._callbacks:
            callback.on_train_begin(model)
        for callback, state in self._kept.states_of(self._callbacks):
            callback.set_state(state)
        if self._kept.changed is not None:
            self._change(self._kept.changed)
        try:
            while not self._is_over():
                self._run_epoch(team, validate)
                self._save()
        except BaseException as error:  # raised again
            self._stop(error)
            raise
        self._running.close()
        self._finish()

    def _finish(self) -> None:
        """End all callbacks; only then raise NotWritten if one of them, or the training itself, has a file without its last."""
        failed: list[NotWritten] = []
        endings: list[Callable[[], None]] = [partial(callback.on_train_end, self.model) for callback in self._callbacks]
        for end in [*endings, *([] if self._writing is None else [self._writing.finish])]:
            try:
                end()
            except NotWritten as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _is_over(self) -> bool:
        return len(self._kept.history) >= self._course.epochs or self._kept.stopped

    def _stop(self, error: BaseException) -> None:
        """Keep what there is when the training ends early."""
        interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
        if interrupted:
            self._save()
        self.history = self.model._history = History(self._kept.history)  # the other one may be in the middle of a change
        if self._is_over():
            self._running.close()
        else:
            self._running.stop(len(self._kept.history), self._place(), "interrupted" if interrupted else "stopped")

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

    def _run_epoch(self, team: Team, validate: Callable[[], dict[str, float]] | None) -> None:
        """Run an epoch from where it is to its end, then validation and callbacks."""
        number, data, model, images = self._course.first + len(self._kept.history), self.data, self.model, self._updates.images
        order = self._updates.order(number)
        for callback in self._callbacks:
            callback.on_epoch_begin(model, number)
        epoch, done = self._prepared(team), self._place()
        data.begin(number, order, done)
        self._running.begin(len(self._kept.history), done)
        self._run_updates(epoch)
        logs = figures(data, images)
        if validate is not None:
            logs |= {f"val_{name}": value for name, value in validate().items()}
        self._running.finish(logs)
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

    def _run_updates(self, epoch: Epoch) -> None:
        """Run the epoch's updates; between slices, show and watch how it goes, and write checkpoints."""
        saved, pause = time.perf_counter(), CHECKPOINT_SECONDS
        for done in epoch.run():
            self._running.add(done)
            if self._checkpoint is not None and time.perf_counter() - saved > pause and done < self._updates.images:
                start = time.perf_counter()
                self._save()
                saved = time.perf_counter()
                pause = max(CHECKPOINT_SECONDS, 20 * (saved - start))

    def _save(self) -> None:
        """Write a checkpoint, if one is wanted; where it can't be written, the training goes on."""
        if self._checkpoint is not None and self._writing is not None:
            data, done, step = self.data, self._place(), int(self.data.state[STEP])
            losses, correct, course = data.losses[:done], data.correct[:done], self._course
            state = Resumed(
                self.model.get_weights(), course.slots, losses, correct, course.first, course.epochs, course.before, step,
                self._kept, self._began, self._changing(),
            )  # fmt: skip
            self._writing.attempt(partial(save_checkpoint, self._checkpoint, self.model, self._settings, state))


def ends(callback: Callback, answer: Any) -> bool:
    """Return whether a callback's on_epoch_end has ended the training."""
    if answer is not None and not isinstance(answer, (bool, np.bool_)):
        kind = type(callback).__name__
        raise TypeError(
            f"fit: {kind}.on_epoch_end must return True to end the training, else False or None, but returns {answer!r}"
        )
    return bool(answer)
