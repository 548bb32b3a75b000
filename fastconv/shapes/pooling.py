"""A pooling's geometry: which pixels each output's window covers, axis by axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .common import Ints, Pads, as_bool, as_int, as_padding, check_made, per_axis, resolve_padding, window_outputs
from .layouts import layout_hint


@dataclass(frozen=True)
class PoolSpec:
    """One pooling's geometry, channels-last, already checked; adaptive pooling has no kernel."""

    images: int
    size: Ints
    channels: int
    outputs: Ints
    kernel: Ints | None
    stride: Ints
    dilation: Ints
    pads: Pads

    @cached_property
    def input_shape(self) -> Ints:
        return (self.images, *self.size, self.channels)

    @cached_property
    def output_shape(self) -> Ints:
        return (self.images, *self.outputs, self.channels)

    def windows(self, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return, for each output along the axis, its window's first pixel, the end, and how many pixels of the padded image.

        The window's pixels are range(first, end, dilation). Adaptive: output i of m covers floor(i * size / m) up to
        ceil((i + 1) * size / m).
        """
        size, dilation, (before, after) = self.size[axis], self.dilation[axis], self.pads[axis]
        output = np.arange(self.outputs[axis], dtype=np.int64)
        if self.kernel is None:
            first, end = output * size // self.outputs[axis], -(-(output + 1) * size // self.outputs[axis])
            return first, end, end - first
        start = output * self.stride[axis] - before
        first = start - np.minimum(start, 0) // dilation * dilation
        end = np.minimum(start + (self.kernel[axis] - 1) * dilation + 1, size)
        return first, end, np.minimum(self.kernel[axis], -((start - size - after) // dilation))


def pool_spec(
    operation: str,
    input_shape: Ints,
    kernel_size: object,
    stride: object = None,
    padding: object = "valid",
    dilation: object = 1,
    ceil_mode: object = False,
) -> PoolSpec:
    """Check a pooling's shapes and options and return its PoolSpec; `stride` None means the kernel size."""
    dims = len(input_shape) - 2
    kernel = per_axis(operation, "kernel_size", kernel_size, dims)
    strides = kernel if stride is None else per_axis(operation, "stride", stride, dims)
    dilations = per_axis(operation, "dilation", dilation, dims)
    overhang = as_bool(operation, "ceil_mode", ceil_mode)
    return _pool_spec(operation, input_shape, kernel, strides, as_padding(operation, padding, dims), dilations, overhang)


@lru_cache(maxsize=1024)
def _pool_spec(
    operation: str, input_shape: Ints, kernel: Ints, stride: Ints, padding: str | Pads, dilation: Ints, ceil_mode: bool
) -> PoolSpec:
    images, *spatial, channels = input_shape
    size, extent = tuple(spatial), tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = resolve_padding(operation, padding, size, extent, stride)
    for axis, (covered, pair) in enumerate(zip(extent, pads, strict=True)):
        if max(pair) >= covered:
            raise ValueError(
                f"{operation}: padding must be smaller than the window, but on spatial axis {axis} it is {max(pair)} of {covered}"
            )
    outputs = window_outputs(operation, size, extent, stride, pads, ceil_mode, layout_hint(input_shape))
    spec = PoolSpec(images, size, channels, outputs, kernel, stride, dilation, pads)
    check_made(operation, spec.output_shape, input_shape)
    check_made(operation, (images, *(s + sum(pair) for s, pair in zip(size, pads, strict=True)), channels), input_shape)
    for axis in range(len(size)):
        place = _first_of_padding(spec, axis)
        if place is not None:
            raise ValueError(
                f"{operation}: each window must cover a pixel of the image, but on spatial axis {axis} window {place} covers "
                f"only padding"
            )
    return spec


def _first_of_padding(spec: PoolSpec, axis: int) -> int | None:
    """Return the first output along the axis whose window covers no pixel of the image, if there is one."""
    size, step, before = spec.size[axis], spec.stride[axis], spec.pads[axis][0]
    if size >= spec.dilation[axis]:  # then every window that starts before the image covers a pixel, so no table is needed
        place = -(-(size + before) // step)
        return place if place < spec.outputs[axis] else None
    first, end, _ = spec.windows(axis)
    return int(np.argmax(first >= end)) if (first >= end).any() else None


def adaptive_spec(operation: str, input_shape: Ints, output_size: object) -> PoolSpec:
    """Check an adaptive pooling's shapes and return its PoolSpec; None on an axis of `output_size` keeps the input's size."""
    dims, size = len(input_shape) - 2, input_shape[1:-1]
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(sizes) != dims:
        raise ValueError(f"{operation}: output_size must be one integer or {dims}, but has {len(sizes)}: {output_size!r}")
    outputs = tuple(n if o is None else as_int(operation, "output_size", o, 1) for n, o in zip(size, sizes, strict=True))
    if min(size) < 1:
        raise ValueError(f"{operation}: the image must have at least one pixel per axis, but has {size}")
    ones = (1,) * dims
    spec = PoolSpec(input_shape[0], tuple(size), input_shape[-1], outputs, None, ones, ones, ((0, 0),) * dims)
    check_made(operation, spec.output_shape, input_shape)
    return spec
