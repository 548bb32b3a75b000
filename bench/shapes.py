"""The layers that are timed, by the networks they come from."""

from __future__ import annotations

from typing import NamedTuple

from fastconv.shapes import ConvSpec, conv_spec


class Layer(NamedTuple):
    """One layer. A number stands for both axes of an image, and of a kernel for all of its axes; tuples tell axis by axis."""

    images: int
    size: int | tuple[int, ...]
    channels: int
    filters: int
    kernel: int | tuple[int, ...]
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] = 0
    groups: int = 1
    dilation: int = 1


SHAPES: dict[str, list[Layer]] = {
    "basic": [
        Layer(1, 32, 16, 16, 3, 1, 1),
        Layer(16, 32, 3, 32, 3, 1, 1),
    ],
    "lenet": [
        Layer(64, 32, 1, 6, 5),
        Layer(64, 14, 6, 16, 5),
    ],
    "mnist": [
        Layer(64, 28, 1, 16, 3),
        Layer(64, 28, 1, 32, 3),
        Layer(64, 26, 32, 64, 3),
        Layer(64, 14, 16, 32, 5),
    ],
    "vgg": [
        Layer(4, 56, 64, 64, 3, 1, 1),
        Layer(4, 28, 128, 128, 3, 1, 1),
        Layer(4, 14, 256, 256, 3, 1, 1),
        Layer(4, 7, 512, 512, 3, 1, 1),
    ],
    "resnet": [
        Layer(4, 56, 64, 256, 1),
        Layer(4, 28, 512, 128, 1),
        Layer(4, 56, 128, 128, 3, 2, 1),
        Layer(4, 224, 3, 64, 7, 2, 3),
        Layer(4, 56, 256, 512, 1, 2),
    ],
    "mobilenet": [
        Layer(4, 112, 32, 32, 3, 1, 1, 32),
        Layer(4, 112, 64, 64, 3, 2, 1, 64),
        Layer(4, 28, 256, 256, 3, 1, 1, 256),
        Layer(4, 14, 512, 512, 3, 1, 1, 512),
        Layer(4, 7, 960, 960, 5, 1, 2, 960),
        Layer(4, 112, 32, 64, 1),
        Layer(4, 14, 512, 512, 1),
    ],
    "stems": [
        Layer(4, 224, 3, 32, 3, 2, 1),
        Layer(4, 224, 3, 96, 4, 4),
    ],
    "resnext": [
        Layer(4, 28, 256, 256, 3, 1, 1, 32),
        Layer(4, 14, 512, 512, 3, 1, 1, 8),
    ],
    "tails": [
        Layer(8, 29, 29, 65, 3, 1, 1),
        Layer(8, 31, 10, 17, 5, 1, 2),
    ],
    "batch1": [
        Layer(1, 56, 64, 64, 3, 1, 1),
        Layer(1, 14, 256, 256, 3, 1, 1),
        Layer(1, 7, 512, 512, 3, 1, 1),
        Layer(1, 28, 128, 512, 1),
        Layer(1, 14, 256, 1024, 1),
        Layer(1, 14, 1024, 256, 1),
        Layer(1, 7, 512, 2048, 1),
        Layer(1, 224, 3, 64, 7, 2, 3),
        Layer(1, 112, 32, 32, 3, 1, 1, 32),
        Layer(1, 14, 384, 384, 3, 1, 1, 384),
    ],
    "resnet50": [  # and those of "resnet" and "vgg"
        Layer(4, 56, 64, 64, 1),
        Layer(4, 56, 256, 64, 1),
        Layer(4, 56, 256, 128, 1),
        Layer(4, 28, 128, 512, 1),
        Layer(4, 28, 512, 1024, 1, 2),
        Layer(4, 28, 256, 256, 3, 2, 1),
        Layer(4, 14, 256, 1024, 1),
        Layer(4, 14, 1024, 256, 1),
        Layer(4, 14, 512, 512, 3, 2, 1),
        Layer(4, 14, 1024, 2048, 1, 2),
        Layer(4, 7, 512, 2048, 1),
        Layer(4, 7, 2048, 512, 1),
    ],
    "mobilenetv3": [
        Layer(4, 112, 16, 16, 3, 1, 1, 16),
        Layer(4, 112, 16, 64, 1),
        Layer(4, 56, 24, 72, 1),
        Layer(4, 56, 72, 24, 1),
        Layer(4, 56, 72, 72, 5, 2, 2, 72),
        Layer(4, 28, 120, 120, 5, 1, 2, 120),
        Layer(4, 28, 240, 240, 3, 2, 1, 240),
        Layer(4, 14, 80, 480, 1),
        Layer(4, 14, 112, 672, 1),
        Layer(4, 14, 672, 672, 3, 1, 1, 672),
        Layer(4, 7, 160, 960, 1),
        Layer(4, 1, 960, 240, 1),
    ],
    "efficientnet": [
        Layer(4, 112, 96, 96, 3, 2, 1, 96),
        Layer(4, 56, 24, 144, 1),
        Layer(4, 56, 144, 144, 3, 1, 1, 144),
        Layer(4, 56, 144, 144, 5, 2, 2, 144),
        Layer(4, 28, 240, 240, 5, 1, 2, 240),
        Layer(4, 14, 480, 480, 5, 1, 2, 480),
        Layer(4, 14, 672, 672, 5, 2, 2, 672),
        Layer(4, 7, 1152, 1152, 5, 1, 2, 1152),
        Layer(4, 7, 1152, 192, 1),
        Layer(4, 7, 320, 1280, 1),
        Layer(32, 1, 672, 28, 1),
        Layer(32, 1, 48, 1152, 1),
    ],
    "yolo": [
        Layer(1, 640, 3, 32, 6, 2, 2),
        Layer(1, 640, 3, 32, 3, 2, 1),
        Layer(1, 320, 32, 64, 3, 2, 1),
        Layer(1, 160, 32, 32, 3, 1, 1),
        Layer(1, 80, 128, 256, 3, 2, 1),
        Layer(1, 80, 64, 64, 3, 1, 1),
        Layer(1, 80, 256, 128, 1),
        Layer(1, 80, 128, 80, 1),
        Layer(1, 40, 128, 128, 3, 1, 1),
        Layer(1, 20, 256, 256, 3, 1, 1),
        Layer(1, 20, 1024, 512, 1),
    ],
    "unet": [
        Layer(1, 256, 1, 32, 3, 1, 1),
        Layer(1, 256, 32, 32, 3, 1, 1),
        Layer(1, 256, 32, 64, 2, 2),
        Layer(1, 256, 64, 32, 3, 1, 1),
        Layer(1, 128, 64, 64, 3, 1, 1),
        Layer(1, 64, 256, 128, 3, 1, 1),
        Layer(1, 16, 512, 512, 3, 1, 1),
        Layer(1, 256, 32, 2, 1),
    ],
    "ocr": [
        Layer(16, (32, 100), 1, 64, 3, 1, 1),
        Layer(16, (16, 50), 64, 128, 3, 1, 1),
        Layer(16, (8, 25), 128, 256, 3, 1, 1),
        Layer(16, (4, 26), 512, 512, 3, 1, 1),
        Layer(16, (2, 27), 512, 512, 2),
        Layer(4, (48, 320), 3, 16, 3, 2, 1),
        Layer(4, (24, 160), 32, 64, 1),
        Layer(4, (24, 160), 64, 64, 3, (2, 1), 1, 64),
        Layer(4, (12, 160), 128, 128, 3, (1, 2), 1, 128),
        Layer(4, (12, 80), 256, 256, 5, 1, 2, 256),
        Layer(4, (6, 80), 256, 512, 1),
    ],
    "deeplab": [
        Layer(1, 33, 256, 256, 3, 1, 2, dilation=2),
        Layer(1, 33, 320, 256, 3, 1, 6, dilation=6),
        Layer(1, 33, 320, 256, 3, 1, 12, dilation=12),
        Layer(1, 33, 960, 960, 3, 1, 2, 960, dilation=2),
        Layer(1, 65, 64, 64, 3, 1, 4, dilation=4),
    ],
    "signals": [
        Layer(1, (16000,), 1, 512, 10, 5),
        Layer(1, (3199,), 512, 512, 3, 2),
        Layer(16, (8000,), 1, 32, 80, 4),
        Layer(1, (3000,), 80, 384, 3, 1, 1),
        Layer(1, (16000,), 64, 128, 2, dilation=64),
        Layer(16, (1000,), 64, 64, 7, 1, 3),
        Layer(16, (400,), 256, 256, 31, 1, 15, 256),
    ],
    "volumes": [
        Layer(1, (16, 112, 112), 3, 64, 3, 1, 1),
        Layer(1, (32, 32, 32), 32, 64, 3, 1, 1),
        Layer(1, (16, 16, 16), 64, 128, 3, 1, 1),
        Layer(1, (8, 28, 28), 128, 128, (1, 3, 3), 1, (0, 1, 1)),
        Layer(1, (8, 28, 28), 128, 128, (3, 1, 1), 1, (1, 0, 0)),
        Layer(1, (8, 28, 28), 128, 256, 3, 2, 1),
        Layer(1, (16, 28, 28), 108, 108, 3, 1, 1, 108),
    ],
}
DEFAULT = ("basic", "lenet", "mnist", "vgg", "resnet", "mobilenet", "stems", "resnext", "tails")
"""The groups that are timed where none is named."""


def sizes_of(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a layer's image and kernel axis by axis."""
    size = layer.size if isinstance(layer.size, tuple) else (layer.size,) * 2
    return size, layer.kernel if isinstance(layer.kernel, tuple) else (layer.kernel,) * len(size)


def spec_of(layer: Layer) -> ConvSpec:
    """Return a layer's ConvSpec."""
    size, kernel = sizes_of(layer)
    shape, weights = (layer.images, *size, layer.channels), (*kernel, layer.channels // layer.groups, layer.filters)
    return conv_spec("bench", shape, weights, layer.stride, layer.padding, layer.dilation, layer.groups)


def label(layer: Layer) -> str:
    """Return a layer's name: images x size x channels -> filters, kernel, and where there are stride, padding, dilation, groups."""
    size, kernel = sizes_of(layer)
    extra = "".join(
        f" {sign}{_times(value)}"
        for sign, value, usual in (("/", layer.stride, 1), ("+", layer.padding, 0), ("dilated ", layer.dilation, 1))
        if value != usual
    )
    alone = layer.groups == layer.channels == layer.filters
    extra += "" if layer.groups == 1 else " depthwise" if alone else f" {layer.groups} groups"
    return f"{_times((layer.images, *size, layer.channels))} -> {layer.filters}, {_times(kernel)}{extra}"


def _times(numbers: int | tuple[int, ...]) -> str:
    return "x".join(map(str, numbers)) if isinstance(numbers, tuple) else str(numbers)
