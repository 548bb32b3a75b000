"""Results of few images by a program that is made once and kept, since making it takes ten times as long as running it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from math import prod
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from ..engine.data import Data
from ..kernels.layers.softmax import softmax
from ..kernels.table import VARIABLE
from ..runtime.memory import aligned_empty
from ..runtime.program import Program
from ..runtime.task import Task, Work
from ..runtime.team import Team
from ..runtime.threads import SERIAL_FLOPS, team_of, used_threads
from .passes import LayerByLayer

if TYPE_CHECKING:
    from .network import Network

MOST_KEPT = 8
"""So many programs are kept for each model."""
MOST_NUMBERS = 2**21
"""None is kept where the largest layer's results and the model's parameters are more numbers: it holds about twice as many."""


class Prepared:
    """The results of the layers up to the last one, or all, for so many images of a type, as probabilities if so wished.

    The layers' options and the places of the weights never change, so the program needs to be made once only. It has memory of its
    own, for one caller at a time. Little work is for one thread, other for the given number.
    """

    def __init__(self, model: Network, count: int, dtype: np.dtype, last: int | None, probable: bool, threads: int):
        shape = model.shapes[-1 if last is None else last + 1]
        self._images, self._results = aligned_empty((count, *model.shapes[0]), dtype), aligned_empty((count, *shape), model.dtype)
        self._lock, self._alone = Lock(), Team(0)
        flat, tasks = self._results.reshape(-1), list[Work]()
        LayerByLayer(model, model.loss).results(tasks.append, Data(self._images, None, model.dtype), count, flat, last)
        self._threads = threads if sum(task.flops for task in tasks) >= SERIAL_FLOPS else 1
        if probable:
            tasks.append(Task(softmax, (flat, flat, prod(shape)), count))
        self._program = Program(tasks, self._threads)

    def __call__(self, images: np.ndarray) -> np.ndarray | None:
        """Return the images' results, with the model's weights as they are now; None if another thread is at it."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._images[...] = images
            with nullcontext(self._alone) if self._threads == 1 else team_of(self._threads) as team:
                team.run(self._program, flush=True)
            return self._results.copy()
        finally:
            self._lock.release()


Key = tuple[int, np.dtype, int | None, bool, int, str | None]
_kept: WeakKeyDictionary[Network, dict[Key, Prepared]] = WeakKeyDictionary()


def prepared(model: Network, images: np.ndarray, last: int | None, probable: bool, threads: int) -> Prepared | None:
    """Return what gives the results of so many images, made now or before; None if it would take much memory to keep it."""
    numbers = len(images) * max(map(prod, model.shapes)) + model.parameters.size
    if not images.size or numbers > MOST_NUMBERS or not all(map(_is_own, model.layers)):
        return None
    programs, used = _kept.setdefault(model, {}), used_threads(threads)
    key = len(images), images.dtype, last, probable, used, os.environ.get(VARIABLE)
    found = programs.get(key)
    if found is None:
        found = Prepared(model, len(images), images.dtype, last, probable, used)
        if len(programs) >= MOST_KEPT:
            programs.clear()
        programs[key] = found
    return found


def _is_own(layer: object) -> bool:
    """Return whether it is one of fastconv's layers, whose operations never change."""
    return type(layer).__module__.startswith(__package__)
