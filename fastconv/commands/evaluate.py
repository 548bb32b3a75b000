"""`fastconv evaluate`."""

from __future__ import annotations

import argparse

from .console import say


def evaluate(options: argparse.Namespace) -> int:
    """Say a saved network's loss on a dataset's test images and, if it tells classes, its accuracy."""
    from ..nn import load
    from .train_model import load_data

    model = load(options.model)
    _, _, images, labels = load_data(options.data, "evaluate")
    if not len(images):
        raise ValueError(f"evaluate: there must be test images, but {options.data} has none")
    found = model.evaluate(images, labels)
    accuracy = f", accuracy {found['accuracy']:.2%}" if "accuracy" in found else ""
    say(f"loss {found['loss']:.4f}{accuracy} of {len(images)} images")
    return 0
