"""What became of each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan

SHOWN = 10
"""So many epochs are shown, the last ones."""


class History(dict[str, list[float]]):
    """The figures of all epochs, as a dict of columns: `history["loss"]` is a list with a number for each epoch.

    The other columns are "accuracy", where there are classes, and "val_loss" and "val_accuracy", where there is validation data.
    A figure that an epoch doesn't have is NaN there. `pandas.DataFrame(history)` has a row for each epoch.

    Parameters
    ----------
    epochs : iterable of dict
        The figures by name, epoch by epoch.

    Attributes
    ----------
    epochs : list of dict
        The figures of each epoch, those that it has.

    Examples
    --------
    >>> from fastconv import nn
    >>> history = nn.History([{"loss": 0.5, "accuracy": 0.75}, {"loss": 0.25, "accuracy": 1.0}])
    >>> history["loss"], list(history), history.epochs[-1]["accuracy"]
    ([0.5, 0.25], ['loss', 'accuracy'], 1.0)
    >>> history
    History of 2 epochs
    epoch    loss  accuracy
        1  0.5000    0.7500
        2  0.2500    1.0000
    """

    def __init__(self, epochs: Iterable[Mapping[str, float]] = ()):
        super().__init__()
        self.epochs: list[dict[str, float]] = []
        for figures in epochs:
            self.add(figures)

    def add(self, figures: Mapping[str, float]) -> None:
        """Add an epoch's figures."""
        for name in figures:
            self.setdefault(name, [nan] * len(self.epochs))
        for name, column in self.items():
            column.append(figures.get(name, nan))
        self.epochs.append(dict(figures))

    @property
    def history(self) -> dict[str, list[float]]:
        """The columns by name, as Keras has them."""
        return dict(self)

    def __missing__(self, name: object) -> list[float]:
        columns = f"there are {list(self)}" if self else "there are none"
        epochs = "; epochs are in history.epochs" if isinstance(name, (int, slice)) else ""
        raise KeyError(f"no column {name!r}: {columns}{epochs}")

    def __repr__(self) -> str:
        count = len(self.epochs)
        first = f"History of {count} epoch{'s' * (count != 1)}" + (f", the last {SHOWN}" if count > SHOWN else "")
        cells = [["epoch", *self]]
        for number in range(max(0, count - SHOWN), count):
            cells.append([str(number + 1), *(f"{column[number]:.4f}" for column in self.values())])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([first, *rows] if count else [first])
