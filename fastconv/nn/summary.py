"""A model as a table: its layers, their shapes, weights and work."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Sequential


def summary(model: Sequential) -> str:
    """Return a table of the layers: the shape of what each gives, its weights, and its forward FLOP for one image."""
    rows = [("layer", "output", "weights", "FLOP"), ("input", str(model.shapes[0]), "", "")]
    counts, flops = [], []
    for layer, before, after in zip(model.layers, model.shapes, model.shapes[1:], strict=False):
        counts.append(sum(prod(weight.shape) for weight in layer.weights(before)))
        flops.append(layer.flops(before))
        rows.append((layer.name, str(after), f"{counts[-1]:,}", f"{flops[-1]:,}"))
    rows.append(("all", "", f"{sum(counts):,}", f"{sum(flops):,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = (f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows)
    return "\n".join(line.rstrip() for line in lines)
