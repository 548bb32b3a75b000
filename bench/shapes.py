"""The layers that are timed, by the networks they come from."""

from __future__ import annotations

from typing import NamedTuple

from fastconv.shapes import ConvSpec, conv_spec


class Layer(NamedTuple):
    """One layer, of square images and kernels."""

    images: int
    height: int
    channels: int
    filters: int
    kernel: int
    stride: int
    padding: int
    groups: int = 1


SHAPES: dict[str, list[Layer]] = {
    "basic": [
        Layer(1, 32, 16, 16, 3, 1, 1),
        Layer(16, 32, 3, 32, 3, 1, 1),
    ],
    "lenet": [
        Layer(64, 32, 1, 6, 5, 1, 0),
        Layer(64, 14, 6, 16, 5, 1, 0),
    ],
    "mnist": [
        Layer(64, 28, 1, 16, 3, 1, 0),
        Layer(64, 28, 1, 32, 3, 1, 0),
        Layer(64, 26, 32, 64, 3, 1, 0),
        Layer(64, 14, 16, 32, 5, 1, 0),
    ],
    "vgg": [
        Layer(4, 56, 64, 64, 3, 1, 1),
        Layer(4, 28, 128, 128, 3, 1, 1),
        Layer(4, 14, 256, 256, 3, 1, 1),
        Layer(4, 7, 512, 512, 3, 1, 1),
    ],
    "resnet": [
        Layer(4, 56, 64, 256, 1, 1, 0),
        Layer(4, 28, 512, 128, 1, 1, 0),
        Layer(4, 56, 128, 128, 3, 2, 1),
        Layer(4, 224, 3, 64, 7, 2, 3),
        Layer(4, 56, 256, 512, 1, 2, 0),
    ],
    "mobilenet": [
        Layer(4, 112, 32, 32, 3, 1, 1, 32),
        Layer(4, 112, 64, 64, 3, 2, 1, 64),
        Layer(4, 28, 256, 256, 3, 1, 1, 256),
        Layer(4, 14, 512, 512, 3, 1, 1, 512),
        Layer(4, 7, 960, 960, 5, 1, 2, 960),
        Layer(4, 112, 32, 64, 1, 1, 0),
        Layer(4, 14, 512, 512, 1, 1, 0),
    ],
    "stems": [
        Layer(4, 224, 3, 32, 3, 2, 1),
        Layer(4, 224, 3, 96, 4, 4, 0),
    ],
    "resnext": [
        Layer(4, 28, 256, 256, 3, 1, 1, 32),
        Layer(4, 14, 512, 512, 3, 1, 1, 8),
    ],
    "tails": [
        Layer(8, 29, 29, 65, 3, 1, 1),
        Layer(8, 31, 10, 17, 5, 1, 2),
    ],
}


def spec_of(layer: Layer) -> ConvSpec:
    """Return a layer's ConvSpec."""
    n, height, channels, filters, k, stride, padding, groups = layer
    shape, weights = (n, height, height, channels), (k, k, channels // groups, filters)
    return conv_spec("bench", shape, weights, stride, padding, 1, groups)


def label(layer: Layer) -> str:
    """Return a layer's name: images x height x channels -> filters, kernel, and stride, padding and groups where there are."""
    n, height, channels, filters, k, stride, padding, groups = layer
    extra = (f" /{stride}" if stride > 1 else "") + (f" +{padding}" if padding else "")
    extra += "" if groups == 1 else " depthwise" if groups == channels == filters else f" {groups} groups"
    return f"{n}x{height}x{height}x{channels} -> {filters}, {k}x{k}{extra}"
