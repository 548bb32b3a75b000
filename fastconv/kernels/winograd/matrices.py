"""The matrices of Winograd's convolution F(m x m, 3 x 3), by which a patch of (m + 2)^2 pixels gives m^2 outputs of a 3 x 3 kernel.

In one dimension y = A' [(G w) * (B' x)], with * pixel by pixel: polynomials, evaluated at points, are multiplied there and
interpolated. In two dimensions each matrix is applied to the columns and then to the rows. The weight gradient is
dw = G' [(B' x) * (A dy)].

Source: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

POINTS = {2: (1.0,), 4: (0.5**0.5, 2.0**0.5)}
"""For each m the points, besides 0 and infinity, with their negatives.

Layers of 32 to 512 channels, normal random numbers, float32: the largest error for m = 4 is 1.0 to 1.9 times that of plain
sums in the output and 0.7 to 1.5 in the weight gradient; with the customary 1 and 2 it is 4 to 9 and 3 to 5. For m = 2 it is
0.3 to 0.8.
"""

INPUT, GRADIENT, WEIGHTS, OUTPUT, WEIGHT_GRADIENT = range(5)
"""Which matrix: B' for patches, A for patches of gradients, G for weights, A' for outputs, G' for weight gradients."""


@dataclass(frozen=True)
class Transform:
    """A matrix as a core and sums and differences: of each pair of inputs (2k - 1, 2k) before it, or of outputs behind it.

    Sums and differences behind have a weight k each: (even, odd) becomes (even + k * odd, even - k * odd).
    """

    core: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...] | None

    @property
    def matrix(self) -> np.ndarray:
        """The matrix itself."""
        core = np.array(self.core)
        pairs = len(self.weights) if self.weights is not None else core.shape[1] // 2 - 1
        mix = np.eye(core.shape[0] if self.weights is not None else core.shape[1])
        for k in range(pairs):
            i = 2 * k + 1
            weight = 1.0 if self.weights is None else self.weights[k]
            mix[i : i + 2, i : i + 2] = ((1, weight), (1, -weight)) if self.weights is not None else ((1, 1), (1, -1))
        return core @ mix if self.weights is None else mix @ core


def toom_cook(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A' (m, n), G (n, 3) and B' (n, n) for n = m + 2; rows of G and B' go by points 0, p, -p, ..., infinity."""
    points = [0.0, *(sign * p for p in POINTS[m] for sign in (1, -1))]
    n = m + 2
    output, weights, inputs = np.zeros((m, n)), np.zeros((n, 3)), np.zeros((n, n))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        output[:, i] = p ** np.arange(m)
        weights[i] = p ** np.arange(3) / np.prod([p - q for q in others])
        inputs[i, : n - 1] = np.poly(others)[::-1]
    output[m - 1, n - 1] = weights[n - 1, 2] = 1
    inputs[n - 1] = np.poly(points)[::-1]
    return output, weights, inputs


@cache
def transform(m: int, kind: int) -> Transform:
    """Return one of the five matrices of F(m x m, 3 x 3)."""
    output, weights, inputs = toom_cook(m)
    if kind in (OUTPUT, WEIGHT_GRADIENT):
        return _sums_first(output if kind == OUTPUT else weights.T)
    return _sums_last({INPUT: inputs, GRADIENT: output.T, WEIGHTS: weights}[kind])


def _sums_first(matrix: np.ndarray) -> Transform:
    core = matrix.copy()
    for i in range(1, matrix.shape[1] - 1, 2):
        plus, minus = matrix[:, i], matrix[:, i + 1]
        core[:, i], core[:, i + 1] = (plus + minus) / 2, (plus - minus) / 2
    return Transform(_rows(core), None)


def _sums_last(matrix: np.ndarray) -> Transform:
    core, factors = matrix.copy(), []
    for i in range(1, matrix.shape[0] - 1, 2):
        even, odd = (matrix[i] + matrix[i + 1]) / 2, (matrix[i] - matrix[i + 1]) / 2
        factors.append(float(odd[np.abs(odd) > 1e-9][-1]))
        core[i], core[i + 1] = even, odd / factors[-1]
    return Transform(_rows(core), tuple(factors))


def _rows(core: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Return the core as tuples, with whole numbers exactly whole."""
    whole = np.round(core)
    return tuple(tuple(map(float, row)) for row in np.where(np.abs(core - whole) < 1e-12, whole, core))
