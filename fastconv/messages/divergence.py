"""When a training has come apart: the rule, and the warning."""

from __future__ import annotations

from .warn import warn

EXPLODED = 10.0
"""A mean loss so many times that of guessing is none of a training that gets anywhere."""
WINDOW = 100
"""Over so many images the notebooks' training functions take the mean, as the notebooks' own reports do."""


class LossWatch:
    """The running mean loss of a training, image by image, and whether it has been warned that it explodes.

    Parameters
    ----------
    operation : str
        For the warning.
    guessing : float
        The mean loss of guessing: ln(classes).
    """

    def __init__(self, operation: str, guessing: float):
        self._operation, self._limit = operation, EXPLODED * guessing
        self._total, self._count, self._warned = 0.0, 0, False

    def add(self, loss: float, rate: float) -> None:
        """Take an image's loss before its update; warn once if it is NaN, or if the mean over a window is far above guessing."""
        self._total += loss
        self._count += 1
        if self._count == WINDOW or loss != loss:
            mean, self._total, self._count = self._total / self._count, 0.0, 0
            if rate and not self._warned and not mean <= self._limit:
                self._warned = True
                what = f"mean loss of the last {WINDOW} images is {mean:.4g}" if mean == mean else "loss is NaN"
                warn_diverged(self._operation, f"the {what}", rate)


def warn_diverged(operation: str, what: str, rate: float) -> None:
    """Warn that a training has come apart, given what shows it and the learning rate; at a rate of 0 there is none."""
    warn(f"{operation}: {what}: the training has come apart; try a smaller learning rate than {rate:g}", RuntimeWarning)
