"""How weights begin: by name, from a random generator, given how many inputs and outputs a weight has."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

Initializer = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]


def zeros(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return zeros."""
    return np.zeros(shape)


def ones(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return ones."""
    return np.ones(shape)


def glorot_uniform(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return numbers evenly from -limit to limit = sqrt(6 / (inputs + outputs)) (Glorot and Bengio, 2010): Keras' default."""
    limit = sqrt(6 / (inputs + outputs))
    return random.uniform(-limit, limit, shape)


def glorot_normal(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return normal numbers of variance 2 / (inputs + outputs)."""
    return random.normal(0, sqrt(2 / (inputs + outputs)), shape)


def he_normal(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return normal numbers of variance 2 / inputs, which keep their size through ReLUs (He et al., 2015)."""
    return random.normal(0, sqrt(2 / inputs), shape)


def he_uniform(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return numbers evenly from -limit to limit = sqrt(6 / inputs)."""
    limit = sqrt(6 / inputs)
    return random.uniform(-limit, limit, shape)


def torch_uniform(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return numbers evenly from -limit to limit = 1 / sqrt(inputs): PyTorch's default, also for its biases."""
    limit = 1 / sqrt(inputs)
    return random.uniform(-limit, limit, shape)


def notebook_xavier(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return what the notebooks' "xavier" layers begin with: for kernels normal of variance 2 / (k^2 + f), else 2 / (i + o)."""
    area = shape[0] * shape[1] if len(shape) == 4 else inputs
    return random.normal(0, sqrt(2 / (area + shape[-1])), shape)


def notebook_scaled(random: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> np.ndarray:
    """Return what the notebooks' "scaled" layers begin with: normal numbers divided by k^2, or by the inputs."""
    return random.normal(size=shape) / (shape[0] * shape[1] if len(shape) == 4 else inputs)


INITIALIZERS: dict[str, Initializer] = {
    function.__name__: function
    for function in (
        zeros,
        ones,
        glorot_uniform,
        glorot_normal,
        he_normal,
        he_uniform,
        torch_uniform,
        notebook_xavier,
        notebook_scaled,
    )  # fmt: skip
}


def initializer_name(layer: str, option: str, value: object) -> str:
    """Return a checked initialiser's name."""
    if value not in INITIALIZERS:
        raise ValueError(f"{layer}: {option} must be one of {[*INITIALIZERS]}, but is {value!r}")
    return str(value)
