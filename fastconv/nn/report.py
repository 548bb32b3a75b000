"""What a model is made of, and where its time goes: the tables of `Sequential.summary` and `Sequential.explain`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..engine.data import Data
from ..engine.graph import Graph
from ..kernels.peak import fma_peak
from ..runtime.program import Program
from ..runtime.task import Work
from ..runtime.team import Team
from ..runtime.threads import team_of, used_threads
from ..shapes import as_int
from .inputs import checked_threads
from .passes import forward

if TYPE_CHECKING:
    from .network import Network

LEAST_SECONDS, LEAST_RUNS = 0.02, 5


def summary(model: Network, print_fn: Callable[[str], object] = print) -> None:
    """Print the model's layers, their results' shapes, parameters and work, and which parameters are frozen.

    Parameters
    ----------
    print_fn : callable
        Called once with the text.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Sequential([nn.Flatten(), nn.Dense(10)], input_shape=(28, 28)).summary()
    layer      output shape  parameters  FLOP an image
    ---------  ------------  ----------  -------------
    0 Flatten  (784,)                 0              0
    1 Dense    (10,)              7,850         15,680
    ---------  ------------  ----------  -------------
    in all     float32            7,850         15,680
    """
    print_fn(_layers(model))


def described(model: Network) -> str:
    """Return what `repr` says of a model: what it takes and gives, and the table of `summary`."""
    size = f"{model.parameters.size:,} parameters of {model.dtype}"
    return f"Sequential: {model.shapes[0]} -> {model.shapes[-1]}, {size}, seed {model.seed}\n{_layers(model)}"


def _layers(model: Network) -> str:
    """Return the table of a model's layers."""
    rows, weights, frozen = [], model.get_weights(), 0
    for number, layer in enumerate(model.layers):
        size = sum(array.size for name, array in weights.items() if name.startswith(f"{number}."))
        name = f"{number} {layer.name}" + ", frozen" * bool(size and not layer.trainable)
        frozen += 0 if layer.trainable else size
        rows.append((name, model.shapes[number + 1], size, layer.flops(model.shapes[number])))
    sizes, flops = (sum(row[column] for row in rows) for column in (2, 3))  # type: ignore[misc]  # numbers
    rows.append(("in all", model.dtype.name, sizes, flops))
    heads = ["layer", "output shape", "parameters", "FLOP an image"]
    cells = [[name, str(shape), f"{size:,}", f"{work:,}"] for name, shape, size, work in rows]
    last = [["of these frozen", "", f"{frozen:,}", ""]] if frozen else []
    return table(heads, [*cells, *last], texts=2, last=1 + len(last))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int, last: int = 1) -> str:
    """Return a table, its first `texts` columns aligned left and its last rows under a line."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    line = ["-" * width for width in widths]
    lines = [
        "  ".join(f"{cell:{'<' if number < texts else '>'}{widths[number]}}" for number, cell in enumerate(row)).rstrip()
        for row in (heads, line, *rows[:-last], line, *rows[-last:])
    ]
    return "\n".join(lines)


class LayerTime(NamedTuple):
    """What a layer does in one direction for a batch: the kernels' names, floating-point operations (0: not counted), seconds."""

    layer: str
    direction: str
    kernels: tuple[str, ...]
    flops: int
    seconds: float

    @property
    def gflops(self) -> float:
        """GFLOP/s reached."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0


class ModelExplanation(NamedTuple):
    """What `Sequential.explain` found; print it.

    `peak` is the GFLOP/s of multiply-adds that never leave their registers, all threads together.
    """

    rows: tuple[LayerTime, ...]
    batch_size: int
    threads: int
    peak: float

    def __str__(self) -> str:
        whole = LayerTime("in all", "", (), sum(row.flops for row in self.rows), sum(row.seconds for row in self.rows))
        cells = []
        for row in (*self.rows, whole):
            share = [f"{row.gflops:.1f}", f"{row.gflops / self.peak:.1%}"] if row.flops else ["", ""]
            cells.append([row.layer, row.direction, " ".join(row.kernels), f"{1e3 * row.seconds:.4f}", *share])
        heads = ["layer", "", "kernels", "ms", "GFLOP/s", "of peak"]
        first = f"batches of {self.batch_size}, {self.threads} thread{'s' * (self.threads > 1)}, peak {self.peak:.0f} GFLOP/s"
        return f"{first}\n{table(heads, cells, texts=3)}"


def explain(model: Network, batch_size: int = 64, threads: int | None = None) -> ModelExplanation:
    """Tell for each layer, forward and backward, which kernels it runs in, how long they take, and how near the peak that is.

    Parameters
    ----------
    batch_size : int
    threads : int
        If not given, `fastconv.get_num_threads()`; no more run than the process has CPUs.

    Returns
    -------
    ModelExplanation
        Print it; its `rows` have the numbers.

    Notes
    -----
    Each layer's calls are run alone, some times, on noise; the best time counts, with all arrays perhaps in a cache where in
    training they are not. A convolution may pass 100 % of the peak by Winograd's algorithm, which needs fewer multiplications than
    are counted. The first layer with weights needs no gradient of its input. The model isn't changed.

    Examples
    --------
    >>> from fastconv import nn
    >>> model = nn.Sequential([nn.Flatten(), nn.Dense(10)], input_shape=(28, 28))
    >>> [(row.layer, row.direction) for row in model.explain(threads=1).rows]
    [('1 Dense', 'forward'), ('1 Dense', 'backward')]
    """
    batch, count = as_int("explain", "batch_size", batch_size, 1), used_threads(checked_threads("explain", threads))
    noise = np.random.default_rng(0).normal(size=(batch, *model.shapes[0])).astype(model.dtype)
    data, buffers = Data(noise, None, model.dtype), model.buffers.copy()
    noting = Noting()
    graph = noted_graph(model, batch, data, noting)
    try:
        with team_of(count) as team:
            peak = fma_peak(model.dtype)
            forward(noting, data, batch, graph)
            graph.backward(noting)
            team.run(Program(noting.tasks, count))
            rows = [_row(model, batch, key, tasks, team) for key, tasks in noting.parts.items() if key != BATCH]
            peak = max(peak, fma_peak(model.dtype)) * count
    finally:
        model.buffers[:] = buffers
    return ModelExplanation(tuple(rows), batch, count, peak)


BATCH = (-1, "")
"""The key of what belongs to no layer: gathering the batch."""


class Noting:
    """Keeps an update's tasks, but for the loss's and the optimizer's, and each layer's apart: `key` says whose they are."""

    def __init__(self):
        self.key, self.tasks = BATCH, list[Work]()
        self.parts: dict[tuple[int, str], list[Work]] = {}

    def __call__(self, task: Work) -> None:
        """Keep a task, if it has units."""
        if task.units:
            self.tasks.append(task)
            self.parts.setdefault(self.key, []).append(task)


def noted_graph(model: Network, batch: int, data: Data, noting: Noting) -> Graph:
    """Return the model's graph for training, whose operations tell `noting` which layer they belong to."""
    nodes = model.nodes(batch, data, np.zeros_like(model.parameters))
    for number, node in nodes:
        for direction in ("forward", "backward"):
            setattr(node.operation, direction, _noted(getattr(node.operation, direction), noting, (number, direction)))
    return Graph((batch, *model.shapes[0]), [node for _, node in nodes], model.dtype, True)


def _noted(method: Any, noting: Noting, key: tuple[int, str]) -> Any:
    def run(*arguments: Any) -> None:
        noting.key = key
        method(*arguments)

    return run


def _row(model: Network, batch: int, key: tuple[int, str], tasks: list[Work], team: Team) -> LayerTime:
    """Time a layer's tasks alone, and return what is known about them."""
    (number, direction), program = key, Program(tasks, team.threads)
    seconds: list[float] = []
    while sum(seconds) < LEAST_SECONDS or len(seconds) < LEAST_RUNS:
        start = time.perf_counter()
        team.run(program)
        seconds.append(time.perf_counter() - start)
    layer = model.layers[number]
    flops = batch * layer.flops(model.shapes[number])
    if direction == "backward":  # a product for the weights' gradient, and one for the input's where a layer before wants it
        wanted = any(model.parameters_of(before) and model.layers[before].trainable for before in range(number))
        flops *= layer.trainable + wanted
    return LayerTime(f"{number} {layer.name}", direction, _kernels(tasks), flops, min(seconds))


def _kernels(tasks: Sequence[Work]) -> tuple[str, ...]:
    """Return the kernels' names, each once."""
    return tuple(dict.fromkeys(part.kernel.__name__ for task in tasks for part in task.parts()))
