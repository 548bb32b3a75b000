"""Random layers within the ranges of real networks' ones: stems, dense, pointwise, grouped, depthwise, dilated, 1-D and 3-D."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from .shapes import Layer, spec_of

IMAGES = (1, 1, 2, 4, 8, 16, 32, 64)
CHANNELS = (
    8,
    10,
    16,
    20,
    24,
    32,
    40,
    48,
    64,
    72,
    80,
    96,
    112,
    128,
    144,
    160,
    192,
    240,
    256,
    320,
    384,
    480,
    512,
    672,
    768,
    960,
    1024,
)
SIDES = (4, 5, 7, 8, 10, 12, 13, 14, 16, 20, 24, 26, 28, 32, 33, 40, 48, 56, 64, 80, 96, 100, 112, 128, 160, 224, 256, 320)
LEAST_FLOPS, MOST_FLOPS, MOST_NUMBERS = 10**5, 10**9, 2**24
"""Work of more than some milliseconds, and arrays of more than 64 MB of float32, are left out."""


def random_layer(seed: int, number: int) -> Layer:
    """Return the layer of a seed and a number; which others are asked for makes no difference."""
    rng = np.random.default_rng((seed, number))
    kind = rng.choice([*KINDS], p=[share for share, _ in KINDS.values()])
    while True:
        layer = KINDS[kind][1](rng)
        spec = spec_of(layer) if _fits(layer) else None
        if (
            spec
            and LEAST_FLOPS <= spec.flops <= MOST_FLOPS
            and max(map(prod, (spec.input_shape, spec.output_shape))) <= MOST_NUMBERS
        ):
            return layer


def _fits(layer: Layer) -> bool:
    """Return whether the kernel's window is no larger than the padded image."""
    kernel, padding = (v if isinstance(v, int) else max(v) for v in (layer.kernel, layer.padding))
    size = layer.size if isinstance(layer.size, int) else min(layer.size)
    return (kernel - 1) * layer.dilation < size + 2 * padding


def _pick(rng: np.random.Generator, values: tuple[int, ...]) -> int:
    return int(values[rng.integers(len(values))])


def _size(rng: np.random.Generator) -> int | tuple[int, ...]:
    """Return a side, or one time in four, height and width."""
    return _pick(rng, SIDES) if rng.random() < 0.75 else (_pick(rng, SIDES), _pick(rng, SIDES))


def _layer(
    rng: np.random.Generator, size: int | tuple[int, ...], channels: int, filters: int, kernel: int, groups: int = 1
) -> Layer:
    """Return a layer with a stride of 1, or one time in four 2, and mostly as much padding as keeps the size."""
    stride = 1 if rng.random() < 0.75 else 2
    padding = kernel // 2 if rng.random() < 0.8 else 0
    return Layer(_pick(rng, IMAGES), size, channels, filters, kernel, stride, padding, groups)


def _stem(rng: np.random.Generator) -> Layer:
    """Few channels, or few filters."""
    few, many = _pick(rng, (1, 1, 2, 3, 3, 4, 6)), _pick(rng, (4, 6, 8, 16, 24, 32, 48, 64, 96))
    channels, filters = (few, many) if rng.random() < 0.75 else (many, few)
    return _layer(rng, _size(rng), channels, filters, _pick(rng, (1, 3, 3, 3, 5, 7)))


def _dense(rng: np.random.Generator) -> Layer:
    return _layer(rng, _size(rng), _pick(rng, CHANNELS), _pick(rng, CHANNELS), _pick(rng, (2, 3, 3, 3, 3, 3, 4, 5, 5, 7)))


def _pointwise(rng: np.random.Generator) -> Layer:
    return _layer(rng, _size(rng), _pick(rng, CHANNELS), _pick(rng, CHANNELS), 1)._replace(padding=0)


def _grouped(rng: np.random.Generator) -> Layer:
    """Groups of 2 to 64 channels and filters, as ResNeXt, RegNet and others have them."""
    groups, width, more = _pick(rng, (2, 3, 4, 8, 16, 32)), _pick(rng, (2, 4, 8, 16, 24, 32, 64)), _pick(rng, (1, 1, 1, 2))
    return _layer(rng, _size(rng), groups * width, groups * width * more, _pick(rng, (1, 3, 3, 3, 5)), groups)


def _depthwise(rng: np.random.Generator) -> Layer:
    channels = _pick(rng, CHANNELS)
    return _layer(rng, _size(rng), channels, channels, _pick(rng, (3, 3, 5, 7)), channels)


def _dilated(rng: np.random.Generator) -> Layer:
    dilation = _pick(rng, (2, 3, 4, 6, 12))
    layer = _layer(rng, _size(rng), _pick(rng, CHANNELS), _pick(rng, CHANNELS), 3)
    return layer._replace(stride=1, padding=dilation, dilation=dilation)


def _signal(rng: np.random.Generator) -> Layer:
    """1-D: sound, text, sensors."""
    size = (_pick(rng, (50, 100, 128, 400, 1000, 1500, 3000, 8000, 16000)),)
    return _layer(rng, size, _pick(rng, (1, 3, *CHANNELS)), _pick(rng, CHANNELS), _pick(rng, (1, 3, 3, 5, 7, 10, 15, 31)))


def _volume(rng: np.random.Generator) -> Layer:
    """3-D: video, scans."""
    side = _pick(rng, (7, 8, 14, 16, 28, 32, 56))
    size = (_pick(rng, (4, 8, 16, 32)), side, side)
    return _layer(rng, size, _pick(rng, (1, 3, *CHANNELS)), _pick(rng, CHANNELS), _pick(rng, (1, 3, 3, 3)))


KINDS: dict[str, tuple[float, Callable[[np.random.Generator], Layer]]] = {
    "dense": (0.3, _dense),
    "stem": (0.18, _stem),
    "pointwise": (0.14, _pointwise),
    "grouped": (0.12, _grouped),
    "dilated": (0.07, _dilated),
    "depthwise": (0.07, _depthwise),
    "signal": (0.06, _signal),
    "volume": (0.06, _volume),
}
"""The share of each kind, and what makes one; those with more algorithms to choose from have larger shares than in networks."""
