"""What became of each epoch."""

from __future__ import annotations

from collections.abc import Iterable


class History:
    """The figures of all epochs: `history["loss"]` is a list with a number for each, as are "accuracy", "val_loss", "val_accuracy".

    Attributes
    ----------
    epochs : list of dict
        The same, epoch by epoch.
    """

    def __init__(self, epochs: Iterable[dict[str, float]] = ()):
        self.epochs = list(epochs)

    @property
    def history(self) -> dict[str, list[float]]:
        """The lists by name, as Keras has them."""
        return {name: self[name] for name in (self.epochs[0] if self.epochs else {})}

    def __getitem__(self, name: str) -> list[float]:
        return [epoch[name] for epoch in self.epochs]

    def __len__(self) -> int:
        return len(self.epochs)

    def __repr__(self) -> str:
        return f"History({self.epochs!r})"
