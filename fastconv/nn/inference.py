"""Evaluating and predicting: forward only, in batches."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..engine.data import Data
from ..engine.epoch import Epoch
from ..functional import softmax
from ..kernels.training.batch import advance
from ..runtime.task import Run, Task
from ..runtime.team import Team
from ..runtime.threads import team_of
from ..shapes import as_int
from .inputs import checked_threads, one_or_many
from .passes import LayerByLayer, fastest_pass
from .prepared import prepared
from .ranges import look
from .samples import checked_samples
from .targets import class_count

if TYPE_CHECKING:
    from .network import Network

BATCH = 256
"""Images at a time; more take memory and no less time."""
MOST_BYTES = 2**28
"""Of large results there are fewer images at a time, so that two layers' results take no more than that."""
OUTPUTS = (None, "probabilities", "logits")


class Inference:
    """Going through data without training, as often as one likes, with the losses or, if there is room for them, the results.

    The results are the last layer's, or those of the layer whose number is `last`.
    """

    def __init__(
        self, model: Network, data: Data, batch: int, team: Team, results: np.ndarray | None = None, last: int | None = None
    ):  # fmt: skip
        self._data = data

        def record(run: Run, size: int) -> None:
            if results is None:
                fastest_pass(model).losses(run, data, size)
            else:
                LayerByLayer(model, model.loss).results(run, data, size, results, last)
            run(Task(advance, (data.state, size, 0), 1))

        self._epoch = Epoch(team, record, data.count, min(batch, fitting(model)), data.state)

    def run(self) -> dict[str, float]:
        """Go through the data with the model's weights as they are now; return the mean loss and, of classes, accuracy."""
        self._data.begin(0, np.arange(self._data.count))
        for _ in self._epoch.run():
            pass
        return figures(self._data)


def fitting(model: Network) -> int:
    """Return how many images may be gone through at a time; always one."""
    largest = max(map(prod, model.shapes))
    return max(1, MOST_BYTES // (2 * largest * model.dtype.itemsize))


def figures(data: Data, used: int | None = None) -> dict[str, float]:
    """Return the mean loss of the images that were used, in the order, or of all, and of classes the accuracy; NaN for none."""
    return {"loss": mean(data.losses[:used])} | ({"accuracy": mean(data.correct[:used])} if data.classified else {})


def mean(numbers: np.ndarray) -> float:
    """Return the mean; NaN, without a warning, for none."""
    return float(numbers.mean()) if numbers.size else float("nan")


def evaluate(
    model: Network, x: ArrayLike, y: ArrayLike, *, batch_size: int = BATCH, threads: int | None = None
) -> dict[str, float]:
    """Return {"loss", "accuracy"} on images and their labels; NaN for none.

    Parameters
    ----------
    x, y : array_like
        As for `fit`. Of numbers that are no labels there is no "accuracy".
    batch_size, threads : int

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential([nn.Dense(2, kernel_initializer="zeros")], input_shape=(3,))
    >>> model.classes = ["cat", "dog"]
    >>> round(model.evaluate(np.eye(3), ["cat", "cat", "dog"])["accuracy"], 3)
    0.667
    """
    data = checked_samples("evaluate", model, x, y, model.loss).data
    batch, count = as_int("evaluate", "batch_size", batch_size, 1), checked_threads("evaluate", threads)
    with team_of(count) as team:
        return Inference(model, data, batch, team).run()


def predict(
    model: Network, x: ArrayLike, *, output: str | None = None, batch_size: int = BATCH, threads: int | None = None
) -> np.ndarray:
    """Return what the model says of images: of classes the probabilities, else the results as they are.

    Parameters
    ----------
    x : array_like
        Images as for `fit`, or one of them without the first axis: (h, w, c), (h, w) if it has one channel, or (units,).
    output : "probabilities" or "logits", optional
        Logits are the last layer's results. If not given, they are made probabilities, by softmax, where the model's loss is
        "cross_entropy" and the results are (classes,), two or more; images, or a single number, are never changed.
    batch_size, threads : int

    Returns
    -------
    (n, *shapes[-1]) ndarray, or (*shapes[-1]) for one image

    Raises
    ------
    ValueError, TypeError
        If x isn't of the model's input shape, or there are no probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential([nn.Dense(2, kernel_initializer="zeros")], input_shape=(3,))
    >>> model.predict(np.eye(3)).shape, model.predict([1, 0, 0]), model.predict([1, 0, 0], output="logits")
    ((3, 2), array([0.5, 0.5], dtype=float32), array([0., 0.], dtype=float32))
    """
    probable = model.loss == "cross_entropy" and class_count(model.shapes[-1]) is not None
    if output not in OUTPUTS:
        raise ValueError(f"predict: output must be one of {OUTPUTS}, but is {output!r}")
    if output == "probabilities" and not probable:
        raise ValueError(
            "predict: probabilities must be of a model for cross_entropy that tells at least two classes apart, "
            f"but this one is for {model.loss} and gives {model.shapes[-1]}: use output='logits'"
        )
    return _results("predict", model, x, None, batch_size, threads, probable and output != "logits")


def outputs(model: Network, x: ArrayLike, layer: int, *, batch_size: int = BATCH, threads: int | None = None) -> np.ndarray:
    """Return what a layer gives for images, its feature maps: with its own activation, without softmax, and not as in training.

    Parameters
    ----------
    x : array_like
        Images, or one image, as for `predict`.
    layer : int
        Its number in `layers`, from 0, or negative, from the end.
    batch_size, threads : int

    Returns
    -------
    (n, *shapes[layer + 1]) ndarray, or without the first axis for one image

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential([nn.Conv2D(8, 3, activation="relu"), nn.Flatten(), nn.Dense(10)], input_shape=(28, 28))
    >>> model.outputs(np.zeros((5, 28, 28)), 0).shape, model.outputs(np.zeros((28, 28)), -1).shape
    ((5, 26, 26, 8), (10,))
    """
    count = len(model.layers)
    number = as_int("outputs", "layer", layer, -count, count - 1)
    return _results("outputs", model, x, number % count, batch_size, threads)


def _results(
    operation: str, model: Network, x: Any, last: int | None, batch_size: int, threads: int | None, probable: bool = False
) -> np.ndarray:
    """Return the results of the layers up to the last one, or all, for images, or one image, as probabilities if so wished."""
    images, given, one = one_or_many(operation, model, x)
    batch, count = as_int(operation, "batch_size", batch_size, 1), checked_threads(operation, threads)
    look(operation, model, images, given, model.input_range)
    few = prepared(model, images, last, probable, count) if len(images) <= batch else None
    results = few(images) if few is not None else None
    if results is None:
        results = np.zeros((len(images), *model.shapes[-1 if last is None else last + 1]), model.dtype)
        with team_of(count) as team:
            data = Data(images, None, model.dtype, model.seed)
            Inference(model, data, batch, team, results.reshape(-1), last).run()
        results = softmax(results) if probable else results
    return results[0] if one else results
