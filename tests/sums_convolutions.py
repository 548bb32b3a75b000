"""What `tests.sums` measures of convolutions: sums over taps and channels, and in weight gradients over pixels."""

from __future__ import annotations

import numpy as np

from fastconv import functional as fn

from .sums import dot, split, sums, total


def convolution(
    algorithm: str,
    dims: int,
    most: int,
    filters: int = 1,
    pixels: int = 1,
    channels: int = 1,
    side: int | None = None,
    quick: bool = False,
) -> None:
    """Add a convolution with one line of `pixels` results; there are `side` taps along each axis, or so many channels."""

    @sums(f"conv{dims}d, {algorithm}, {filters} filters, {f'{side} taps' if side else f'{channels} channels'}", most, quick)
    def _(n, numbers):
        kernel, depth = ([side] * dims, n // side**dims) if side else (split(n // channels, dims), channels)
        x, w = numbers((1, *kernel[:-1], kernel[-1] + pixels - 1, depth)), numbers((*kernel, depth, filters))
        places = range(0, pixels, max(1, pixels - 1))
        pairs = [dot(x[..., i : i + kernel[-1], :].reshape(-1), w.reshape(-1, filters)) for i in places]
        found = getattr(fn, f"conv{dims}d")(x, w, algorithm=algorithm).reshape(-1, filters)[[*places]]
        return found, *(np.stack(part) for part in zip(*pairs, strict=True))


for axes in (1, 2, 3):
    convolution("plane", axes, 25, 1, 32, quick=True)
for axes in (1, 2):
    convolution("direct", axes, 22, 8, 2)
    convolution("generic", axes, 22, 2, quick=True)
convolution("auto", 1, 13)
convolution("auto", 2, 13, 3)
convolution("auto", 3, 22, 4)
convolution("direct", 2, 20, 32, 14, 64, quick=True)
convolution("narrow", 2, 20, 17, 9, side=3, quick=True)
convolution("narrow", 2, 20, 9, 40, side=5)
convolution("dot", 2, 23, 1, 20, 64, quick=True)
convolution("dot", 1, 22, 3, 2, 17, quick=True)
convolution("direct", 2, 20, 16, 4, side=1)
convolution("auto", 2, 16, 16, 6, side=3)
convolution("winograd", 2, 13, 16, 6, side=3)


@sums("conv2d_input_grad, 3 x 3, filters", 16)
def _(n, numbers):
    dy, w = numbers((1, 8, 8, n // 8)), numbers((3, 3, 16, n // 8))
    right = dot(dy[0, 3:6, 2:5][::-1, ::-1].reshape(-1), np.moveaxis(w, 2, 3).reshape(-1, 16))
    return fn.conv2d_input_grad(dy, w, (1, 10, 10, 16))[0, 5, 4], *right


@sums("conv1d_input_grad, taps", 23)
def _(n, numbers):
    dy, w = numbers((1, n + 16, 1)), numbers((n, 1, 1))
    found = fn.conv1d_input_grad(dy, w, (1, 17, 1), padding=n - 1)
    return found[0, 5], *dot(dy[0, 5 : 5 + n, 0], w[::-1, 0])


@sums("conv1d_input_grad, border 'edge'", 20, True)
def _(n, numbers):
    dy, w = numbers((1, n + 1, 1)), np.ones((1, 1, 1), np.float32)
    return fn.conv1d_input_grad(dy, w, (1, 1, 1), padding=((0, n),), padding_mode="edge"), *total(dy, (1,))


@sums("conv_transpose1d, taps", 23)
def _(n, numbers):
    x, w = numbers((1, n + 16, 1)), numbers((n, 1, 1))
    return fn.conv_transpose1d(x, w, padding=n - 1)[0, 5], *dot(x[0, 5 : 5 + n, 0], w[::-1, 0])


for name, groups in (("depthwise", 16), ("grouped", 4)):

    @sums(f"conv1d, {name}", 20, True)
    def _(n, numbers, name=name, groups=groups):
        inner = 16 // groups
        x, w = numbers((1, n // inner, 16)), numbers((n // inner, inner, 16))
        pairs = [dot(x[0, :, g * inner : (g + 1) * inner].reshape(-1), w[..., g * inner].reshape(-1)) for g in range(groups)]
        return fn.conv1d(x, w, groups=groups, algorithm=name)[0, 0, ::inner], *np.transpose(pairs)

    @sums(f"conv1d_input_grad, {name}", 18, True)
    def _(n, numbers, name=name, groups=groups):
        inner = 16 // groups
        dy, w = numbers((1, n // inner + 1, 16)), numbers((n // inner, inner, 16))
        found = fn.conv1d_input_grad(dy, w, (1, 2, 16), padding=n // inner - 1, groups=groups, algorithm=name)
        places = [slice(g * inner, (g + 1) * inner) for g in range(groups)]
        return found[0, 0, ::inner], *np.transpose([dot(dy[0, :-1, s].reshape(-1), w[::-1, 0, s].reshape(-1)) for s in places])


# Weight gradients: sums over pixels and images


def weight_gradient(
    algorithm: str, most: int, channels: int, filters: int, groups: int = 1, images: int = 1, taps: int = 1, quick: bool = False
) -> None:
    @sums(f"conv2d_weight_grad, {algorithm}, {channels} -> {filters}, {images} images, {taps} x {taps}", most, quick)
    def _(n, numbers):
        h, w = split(n // images, 2)
        x, dy = numbers((images, h + taps - 1, w + taps - 1, channels)), numbers((images, h, w, filters))
        shape = (taps, taps, channels // groups, filters)
        found = fn.conv2d_weight_grad(x, dy, shape, groups=groups, algorithm=algorithm)[-1, -1, 0]
        places = np.arange(filters) // (filters // groups) * (channels // groups)
        pairs = [dot(x[:, taps - 1 :, taps - 1 :, c].reshape(-1), dy[..., f].reshape(-1)) for f, c in enumerate(places)]
        return found, *np.transpose(pairs)


weight_gradient("plane", 25, 1, 1, taps=3, quick=True)
weight_gradient("direct", 23, 1, 8, taps=3, quick=True)
weight_gradient("direct", 20, 3, 17, taps=3, images=64, quick=True)
weight_gradient("direct", 18, 64, 64, taps=3)
weight_gradient("pointwise", 20, 16, 20)
weight_gradient("depthwise", 20, 16, 16, 16, taps=3, quick=True)
weight_gradient("depthwise", 18, 5, 5, 5, images=512, taps=3, quick=True)
weight_gradient("grouped", 18, 32, 32, 8, taps=3)
weight_gradient("winograd", 18, 16, 16, taps=3)
weight_gradient("auto", 18, 64, 64, taps=3)
weight_gradient("auto", 18, 128, 128)
weight_gradient("generic", 22, 2, 4, 2, taps=1, quick=True)
weight_gradient("auto", 12, 1, 1, quick=True)


@sums("conv1d_weight_grad, one line", quick=True)
def _(n, numbers):
    x, dy = numbers((1, n + 1, 1)), numbers((1, n, 1))
    return fn.conv1d_weight_grad(x, dy, (2, 1, 1))[0, 0], *dot(x[0, :n, 0], dy[0])
