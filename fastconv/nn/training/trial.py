"""A short training and test on noise, after which all kernels that a long one calls are compiled and kept on disk."""

from __future__ import annotations

import numpy as np

from ..inference import BATCH
from ..model import Sequential
from ..models import Recipe


def compile_kernels(model: Sequential, recipe: Recipe, train_count: int, test_count: int) -> None:
    """Compile what training by a recipe on so many uint8 images and evaluating others call.

    A whole batch and the last, smaller one are all the sizes that there are. At a rate of 0, noise makes no training come apart.
    """
    random = np.random.default_rng(0)

    def noise(count: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
        few = min(batch + count % batch, count)
        return random.integers(0, 256, (few, *model.shapes[0]), np.uint8), random.integers(0, model.shapes[-1][0], few)

    model.fit(*noise(train_count, recipe.batch_size), **recipe.with_rate(0.0)._replace(epochs=1)._asdict(), progress=False)
    model.evaluate(*noise(test_count, BATCH))
