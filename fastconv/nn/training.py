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

from .._team import Team
from ..engine.conv_pool_dense import ONLINE_IMAGES, ConvPoolDense
from ..engine.data import Data
from ..engine.epoch import Epoch
from ..engine.recorder import Recorder
from ..kernels.batch import STEP, advance
from ..kernels.call import Call
from ..progress import Progress
from .callbacks import Callback
from .checkpoint import Kept, Resumed, save_checkpoint
from .fusion import conv_pool_dense, is_plain
from .history import History
from .inference import BATCH, Inference, figures
from .optimizers import Optimizer
from .order import Order

if TYPE_CHECKING:
    from .model import Sequential

CHECKPOINT_SECONDS = 30.0
"""During an epoch a checkpoint is written every so often, or less often if it takes longer than a twentieth of that."""


class Updates(NamedTuple):
    """What an update is: so many images in this order, moved by up to `shift` pixels; an optimizer, and its rate at each update."""

    batch: int
    order: Order
    optimizer: Optimizer
    rates: np.ndarray
    shift: int


class Training:
    """One call of `fit`: the model, what it is trained on and how, and how far it has come.

    `online` says that each image is an update, for which there is work for one thread only.
    """

    def __init__(
        self, model: Sequential, data: Data, epochs: int, updates: Updates, callbacks: Sequence[Callback],
        checkpoint: Path | None, settings: dict[str, Any], resumed: Resumed | None,
    ):  # fmt: skip
        self.model, self.data, self.epochs, self._updates, self._callbacks = model, data, epochs, updates, callbacks
        self._checkpoint, self._settings, self._kept = checkpoint, settings, Kept()
        self._slots = [np.zeros_like(model.parameters) for _ in range(updates.optimizer.slots)]
        self._gradient = np.zeros_like(model.parameters)
        self._per_epoch = -(-data.count // updates.batch)
        whole, gradient = (conv_pool_dense(model, vector) for vector in (model.parameters, self._gradient))
        fusible = model.loss == "cross_entropy" and not updates.shift
        self._fused = (whole, gradient) if fusible and whole is not None and gradient is not None else None
        self._plain = self._fused is not None and is_plain(updates.optimizer)
        self.online = self._plain and updates.batch == 1
        if resumed is not None:
            model.set_weights(resumed.weights)
            for slot, found in zip(self._slots, resumed.slots, strict=True):
                slot[:] = found
            data.losses[: len(resumed.losses)], data.correct[: len(resumed.correct)] = resumed.losses, resumed.correct
            data.state[STEP], self._kept = resumed.step, resumed.kept
        self.history = History(self._kept.history)

    def run(self, team: Team, validation: Data | None, progress: bool) -> None:
        """Train to the end of the last epoch, or until a callback or an interrupt ends it."""
        model, size = self.model, ONLINE_IMAGES if self.online else self._updates.batch
        record, around = self._record, None
        if self._fused is not None and self._plain:
            fused, packed = self._fused[0], self._fused[0].new_packed()
            record = partial(self._record_packed, fused, packed)
            around = partial(fused.pack, packed=packed), partial(fused.unpack, packed=packed)
        epoch = Epoch(team, record, self.data.count, size, self.data.state, around)
        validate = None if validation is None else Inference(model, validation, BATCH, team).run
        for callback in self._callbacks:
            callback.on_train_begin(model)
        for callback, (name, state) in zip(self._callbacks, self._kept.callbacks, strict=False):
            if name == type(callback).__name__:
                callback.set_state(state)
        try:
            while len(self._kept.history) < self.epochs and not self._kept.stopped:
                self._run_epoch(epoch, validate, progress)
                self._save()
        except (KeyboardInterrupt, SystemExit):
            self._save()
            raise
        for callback in self._callbacks:
            callback.on_train_end(model)

    def _record(self, recorder: Recorder, size: int) -> None:
        """Add the calls of an update to a program."""
        model, data = self.model, self.data
        if self._fused is not None:
            whole, gradient = self._fused
            whole.gradient(recorder, data, size, gradient)
        else:
            graph = model.graph(size, data, self._gradient)
            data.gather(recorder, size, graph.x, self._updates.shift)
            graph.forward(recorder)
            data.loss(recorder, model.loss, size, graph.y, graph.dy)
            graph.backward(recorder)
        parameters, slots, updates = model.parameters, self._slots, self._updates
        updates.optimizer.record(recorder, parameters, self._gradient, slots, updates.rates, data.state)
        recorder(1, Call(advance, data.state, size, 1), 0)

    def _record_packed(self, fused: ConvPoolDense, packed: np.ndarray, recorder: Recorder, size: int) -> None:
        """Add the calls of an update of packed weights to a program, or online those of many."""
        take = fused.online if self.online else fused.descend
        take(recorder, self.data, size, packed, self._updates.rates)
        recorder(1, Call(advance, self.data.state, size, size if self.online else 1), 0)

    def _place(self) -> int:
        """Return how many images of the running epoch are done."""
        updates = int(self.data.state[STEP]) - len(self._kept.history) * self._per_epoch
        return min(updates * self._updates.batch, self.data.count)

    def _run_epoch(self, epoch: Epoch, validate: Callable[[], dict[str, float]] | None, progress: bool) -> None:
        """Run an epoch from where it is to its end, then validation and callbacks."""
        number, data, model = len(self._kept.history), self.data, self.model
        order = self._updates.order(number)
        for callback in self._callbacks:
            callback.on_epoch_begin(model, number)
        done = self._place()
        data.begin(number, order, done)
        bar = Progress(data.count, f"Epoch {number + 1} of {self.epochs}", done=done) if progress else None
        try:
            self._run_updates(epoch, bar)
            logs = figures(data)
            if validate is not None:
                logs |= {f"val_{name}": value for name, value in validate().items()}
        except BaseException:  # raised again: only the bar is closed
            if bar is not None:
                bar.close(f"interrupted after {self._place()} images")
            raise
        if bar is not None:
            bar.close(", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        stop = [bool(callback.on_epoch_end(model, number, dict(logs))) for callback in self._callbacks]
        states = tuple((type(callback).__name__, dict(callback.state())) for callback in self._callbacks)
        self._kept = Kept((*self._kept.history, logs), states, any(stop))
        self.history.add(logs)

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
            if self._checkpoint is not None and time.perf_counter() - saved > pause and done < data.count:
                start = time.perf_counter()
                self._save()
                saved = time.perf_counter()
                pause = max(CHECKPOINT_SECONDS, 20 * (saved - start))

    def _save(self) -> None:
        """Write a checkpoint, if one is wanted."""
        if self._checkpoint is not None:
            data, done, step = self.data, self._place(), int(self.data.state[STEP])
            losses, correct = data.losses[:done], data.correct[:done]
            state = Resumed(self.model.get_weights(), self._slots, losses, correct, self.epochs, step, self._kept)
            save_checkpoint(self._checkpoint, self.model, self._settings, state)
