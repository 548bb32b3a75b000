"""The layers that are timed, by the networks they come from: (images, height, channels, filters, kernel, stride, padding)."""

from __future__ import annotations

from fastconv.shapes import ConvSpec, conv_spec

SHAPES: dict[str, list[tuple[int, int, int, int, int, int, int]]] = {
    "mnist": [
        (64, 28, 1, 16, 3, 1, 0),
        (64, 28, 1, 32, 3, 1, 0),
        (64, 26, 32, 64, 3, 1, 0),
        (64, 14, 16, 32, 5, 1, 0),
    ],
    "vgg": [
        (4, 56, 64, 64, 3, 1, 1),
        (4, 28, 128, 128, 3, 1, 1),
        (4, 14, 256, 256, 3, 1, 1),
        (4, 7, 512, 512, 3, 1, 1),
    ],
    "resnet": [
        (4, 56, 64, 256, 1, 1, 0),
        (4, 28, 512, 128, 1, 1, 0),
        (4, 56, 128, 128, 3, 2, 1),
        (4, 224, 3, 64, 7, 2, 3),
    ],
    "tails": [
        (8, 29, 29, 65, 3, 1, 1),
        (8, 31, 10, 17, 5, 1, 2),
    ],
}


def spec_of(row: tuple[int, int, int, int, int, int, int]) -> ConvSpec:
    """Return the ConvSpec of a row of SHAPES."""
    images, height, channels, filters, kernel, stride, padding = row
    return conv_spec("bench", (images, height, height, channels), (kernel, kernel, channels, filters), stride, padding)


def label(row: tuple[int, int, int, int, int, int, int]) -> str:
    """Return a row's name: images x height x channels -> filters, kernel, and stride and padding where there are."""
    images, height, channels, filters, kernel, stride, padding = row
    extra = (f" /{stride}" if stride > 1 else "") + (f" +{padding}" if padding else "")
    return f"{images}x{height}x{height}x{channels} -> {filters}, {kernel}x{kernel}{extra}"
