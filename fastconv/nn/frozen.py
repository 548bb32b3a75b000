"""Which of a model's layers are trained, and which parts of its vector of parameters that makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..shapes import Ints

if TYPE_CHECKING:
    from .network import Network


def trainable_layers(model: Network) -> tuple[bool, ...]:
    """Return for each layer whether it is to be trained."""
    return tuple(layer.trainable for layer in model.layers)


def set_trainable(model: Network, flags: Sequence[bool]) -> None:
    """Set what `trainable_layers` returned."""
    for layer, flag in zip(model.layers, flags, strict=True):
        layer.trainable = flag


def trained_parts(model: Network) -> list[slice]:
    """Return the parts of `model.parameters` that are trained, as few as there can be."""
    parts: list[slice] = []
    start = 0
    for number, layer in enumerate(model.layers):
        size = model.parameters_of(number)
        if size and layer.trainable:
            first = parts.pop().start if parts and parts[-1].stop == start else start
            parts.append(slice(first, start + size))
        start += size
    return parts


def is_frozen(model: Network) -> bool:
    """Return whether there are parameters that aren't trained."""
    return sum(part.stop - part.start for part in trained_parts(model)) < model.parameters.size


def check_batches(operation: str, model: Network, sizes: Iterable[int]) -> None:
    """Refuse training with batches of some sizes that a layer can't be trained with."""
    for size in sizes:
        for number, layer in enumerate(model.layers):
            try:
                layer.check_batch((size, *model.shapes[number]))
            except ValueError as error:
                raise ValueError(f"{operation}: layer {number}: {error}") from None


def batch_sizes(images: int, batch: int) -> Ints:
    """Return the sizes of an epoch's batches, the whole one and the last."""
    return tuple(sorted({min(batch, images), images % batch} - {0}))
