"""Convolution by numpy.fft's transforms, on request only: quick for large kernels, but each result has all pixels' rounding errors.

By the convolution theorem a correlation is a product of transforms, one of them conjugated. A stride keeps every s-th result,
and a dilation is zeros between the kernel's pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...shapes import ConvSpec


class _FFTPlan:
    """What the three plans share: transforms long enough that nothing wraps around."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        self.spec, self.dtype, self.name = spec, dtype, f"fft_{dtype.name}"
        self.axes = tuple(range(1, 1 + len(spec.size)))
        self.length = spec.padded
        groups = spec.groups
        self.x_shape = (spec.images, *spec.padded, groups, spec.channels // groups)
        self.y_shape = (spec.images, *spec.outputs, groups, spec.filters // groups)
        self.w_shape = (*spec.kernel, spec.channels // groups, groups, spec.filters // groups)
        ends = tuple((o - 1) * s + 1 for o, s in zip(spec.outputs, spec.stride, strict=True))
        self.spread_shape = (spec.images, *ends, *self.y_shape[-2:])
        self.kept = (slice(None), *(slice(0, end, s) for end, s in zip(ends, spec.stride, strict=True)))
        self.taps: tuple[Any, ...] = (0, *(slice(0, e, d) for e, d in zip(spec.window, spec.dilation, strict=True)))
        self.inside = (slice(None), *(slice(before, before + n) for n, (before, _) in zip(spec.size, spec.pads, strict=True)))

    def transform(self, array: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # as silent as the other kernels
            return np.fft.rfftn(array, self.length, self.axes)

    def back(self, transform: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.fft.irfftn(transform, self.length, self.axes).astype(self.dtype, copy=False)

    def image(self, x: np.ndarray) -> np.ndarray:
        """Return the padded image's transform, (n, *frequencies, groups, channels)."""
        padded = np.zeros((self.spec.images, *self.spec.padded, self.spec.channels), self.dtype)
        x = x.reshape(self.spec.input_shape)
        target = padded[self.inside]
        target[...] = x[tuple(map(slice, target.shape))]  # a transposed convolution's spec may cut pixels off
        return self.transform(padded.reshape(self.x_shape))

    def weights(self, w: np.ndarray) -> np.ndarray:
        """Return the dilated weights' transform, (1, *frequencies, channels, groups, filters)."""
        spread = np.zeros((1, *self.spec.window, *self.w_shape[-3:]), self.dtype)
        spread[self.taps] = w.reshape(self.w_shape)
        return self.transform(spread)

    def gradient(self, dy: np.ndarray) -> np.ndarray:
        """Return the transform of dy with stride - 1 zeros between its pixels, (n, *frequencies, groups, filters)."""
        spread = np.zeros(self.spread_shape, self.dtype)
        spread[self.kept] = dy.reshape(self.y_shape)
        return self.transform(spread)


class FFTOutputPlan(_FFTPlan):
    """The convolution's output: an OutputPlan."""

    def __call__(self, run, x, w, bias, y):
        product = np.einsum("...gc,...cgf->...gf", self.image(x), np.conj(self.weights(w)))
        y.reshape(self.y_shape)[...] = self.back(product)[self.kept]
        if bias is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                y.reshape(-1, self.spec.filters)[...] += bias


class FFTInputGradPlan(_FFTPlan):
    """The input gradient: an InputGradPlan."""

    def __call__(self, run, dy, w, dx):
        product = np.einsum("...gf,...cgf->...gc", self.gradient(dy), self.weights(w))
        padded = self.back(product).reshape(self.spec.images, *self.spec.padded, self.spec.channels)
        source = padded[self.inside]
        dx[:] = 0
        dx.reshape(self.spec.input_shape)[tuple(map(slice, source.shape))] = source


class FFTWeightGradPlan(_FFTPlan):
    """The weight gradient: a WeightGradPlan."""

    def __call__(self, run, x, dy, dw):
        product = np.einsum("n...gc,n...gf->...cgf", self.image(x), np.conj(self.gradient(dy)))
        dw.reshape(self.w_shape)[...] = self.back(product[None])[self.taps]
