"""Output sizes and shape rules of convolution and pooling: the one place that knows and enforces them.

Standard library only. Shapes are channels-last: (images, *spatial, channels); weights are (*kernel, channels / groups, filters).
Every error names the operation, the rule and the numbers, and is raised before any array is made.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

MAX_ELEMENTS = 2**40
"""No array, padding included, may have more elements than this; sizes are checked as Python integers, which don't wrap."""

PADDINGS = ("valid", "same", "same_lower", "full")


def as_int(operation: str, name: str, value: object, least: int) -> int:
    """Return `value` as an int of at least `least`; bools, floats and strings are refused."""
    if isinstance(value, bool):
        raise TypeError(f"{operation}: {name} must be an integer, but is {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # that it may fail is the check
    except TypeError:
        raise TypeError(f"{operation}: {name} must be an integer, but is {value!r}") from None
    if number < least:
        raise ValueError(f"{operation}: {name} must be at least {least}, but is {number}")
    return number


def per_axis(operation: str, name: str, value: object, dims: int, least: int = 1) -> Ints:
    """Return `value`, one integer or one per spatial axis, as a tuple of `dims` ints of at least `least`."""
    if isinstance(value, (tuple, list)):
        if len(value) != dims:
            raise ValueError(f"{operation}: {name} must be one integer or {dims}, but has {len(value)}: {value!r}")
        return tuple(as_int(operation, name, item, least) for item in value)
    return (as_int(operation, name, value, least),) * dims


def as_padding(operation: str, padding: object, dims: int) -> str | Pads:
    """Return the padding option as one of PADDINGS or as (before, after) per axis.

    Parameters
    ----------
    operation : str
        For error texts.
    padding : int, str, or sequence
        One int; one int or one (before, after) pair per axis; "valid"; "same" (TensorFlow's and ONNX's SAME_UPPER: the output
        has ceil(size / stride) pixels, an odd pixel of padding goes to the end); "same_lower" (it goes to the beginning);
        "full" (window - 1 on both sides).
    dims : int
        How many spatial axes there are.
    """
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ValueError(f"{operation}: padding must be an integer, pairs, or one of {PADDINGS}, but is {padding!r}")
        return padding
    if isinstance(padding, (tuple, list)):
        if len(padding) != dims:
            raise ValueError(f"{operation}: padding must have one entry per axis ({dims}), but has {len(padding)}: {padding!r}")
        return tuple(per_axis(operation, "padding", item, 2, 0) for item in padding)  # type: ignore[misc]  # pairs
    return ((as_int(operation, "padding", padding, 0),) * 2,) * dims


def resolve_padding(padding: str | Pads, size: Ints, window: Ints, stride: Ints) -> Pads:
    """Return (before, after) for each axis, given the input's size, the dilated window's extent and the stride."""
    if not isinstance(padding, str):
        return padding
    if padding == "valid":
        return ((0, 0),) * len(size)
    if padding == "full":
        return tuple((extent - 1, extent - 1) for extent in window)
    pads = []
    for pixels, extent, step in zip(size, window, stride, strict=True):
        total = max(0, (-(-pixels // step) - 1) * step + extent - pixels)
        less, more = total // 2, total - total // 2
        pads.append((less, more) if padding == "same" else (more, less))
    return tuple(pads)


def window_outputs(operation: str, size: Ints, window: Ints, stride: Ints, pads: Pads) -> Ints:
    """Return how many windows fit per axis: floor((size + before + after - window) / stride) + 1, at least one."""
    outputs = []
    for axis, (pixels, extent, step, (before, after)) in enumerate(zip(size, window, stride, pads, strict=True)):
        room = pixels + before + after
        if room < extent:
            raise ValueError(
                f"{operation}: the window must not be larger than the padded input, but on spatial axis {axis} it covers "
                f"{extent} pixels of {room}"
            )
        outputs.append((room - extent) // step + 1)
    return tuple(outputs)


@dataclass(frozen=True)
class ConvSpec:
    """One convolution's geometry, channels-last, already checked; `cached_property` values are derived once."""

    images: int
    size: Ints
    channels: int
    filters: int
    kernel: Ints
    stride: Ints
    dilation: Ints
    pads: Pads
    groups: int

    @cached_property
    def window(self) -> Ints:
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @cached_property
    def outputs(self) -> Ints:
        return window_outputs("convolution", self.size, self.window, self.stride, self.pads)

    @cached_property
    def padded(self) -> Ints:
        return tuple(s + before + after for s, (before, after) in zip(self.size, self.pads, strict=True))

    @cached_property
    def input_shape(self) -> Ints:
        return (self.images, *self.size, self.channels)

    @cached_property
    def output_shape(self) -> Ints:
        return (self.images, *self.outputs, self.filters)

    @cached_property
    def weight_shape(self) -> Ints:
        return (*self.kernel, self.channels // self.groups, self.filters)

    @cached_property
    def flops(self) -> int:
        """Multiplications and additions of the unpadded problem."""
        return 2 * prod(self.output_shape) * prod(self.weight_shape[:-1])


def conv_spec(
    operation: str,
    input_shape: Ints,
    weight_shape: Ints,
    stride: object = 1,
    padding: object = "valid",
    dilation: object = 1,
    groups: object = 1,
) -> ConvSpec:
    """Check a convolution's shapes and options and return its ConvSpec."""
    dims = len(input_shape) - 2
    if len(weight_shape) != dims + 2:
        raise ValueError(
            f"{operation}: weights must have as many axes as the input ({dims + 2}), but have {len(weight_shape)}: {weight_shape}"
        )
    return _conv_spec(
        operation,
        input_shape,
        weight_shape,
        per_axis(operation, "stride", stride, dims),
        as_padding(operation, padding, dims),
        per_axis(operation, "dilation", dilation, dims),
        as_int(operation, "groups", groups, 1),
    )


@lru_cache(maxsize=1024)
def _conv_spec(
    operation: str, input_shape: Ints, weight_shape: Ints, stride: Ints, padding: str | Pads, dilation: Ints, groups: int
) -> ConvSpec:
    """As conv_spec, with each option an integer per axis (what is equal in a cache's eyes, 1 and True, differs in a check's)."""
    images, *size, channels = input_shape
    *kernel, group_channels, filters = weight_shape
    if min(kernel) < 1:
        raise ValueError(f"{operation}: the kernel must have at least one pixel per axis, but is {tuple(kernel)}")
    for name, count in (("channels", channels), ("filters", filters)):
        if count % groups:
            raise ValueError(f"{operation}: groups must divide {name}, but {groups} does not divide {count}")
    if channels != group_channels * groups:
        raise ValueError(
            f"{operation}: the weights' channels x groups must be the input's channels, "
            f"but {group_channels} x {groups} is not {channels}"
        )
    window = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = resolve_padding(padding, tuple(size), window, stride)
    window_outputs(operation, tuple(size), window, stride, pads)
    spec = ConvSpec(images, tuple(size), channels, filters, tuple(kernel), stride, dilation, pads, groups)
    check_elements(operation, images, *spec.padded, channels)
    check_elements(operation, *spec.output_shape)
    return spec


@dataclass(frozen=True)
class PoolSpec:
    """One pooling's geometry, channels-last, already checked."""

    images: int
    size: Ints
    channels: int
    kernel: Ints
    stride: Ints
    pads: Pads

    @cached_property
    def outputs(self) -> Ints:
        return window_outputs("pooling", self.size, self.kernel, self.stride, self.pads)

    @cached_property
    def input_shape(self) -> Ints:
        return (self.images, *self.size, self.channels)

    @cached_property
    def output_shape(self) -> Ints:
        return (self.images, *self.outputs, self.channels)


def pool_spec(operation: str, input_shape: Ints, kernel_size: object, stride: object = None, padding: object = "valid") -> PoolSpec:
    """Check a pooling's shapes and options and return its PoolSpec; `stride` None means the kernel size."""
    dims = len(input_shape) - 2
    kernel = per_axis(operation, "kernel_size", kernel_size, dims)
    strides = kernel if stride is None else per_axis(operation, "stride", stride, dims)
    return _pool_spec(operation, input_shape, kernel, strides, as_padding(operation, padding, dims))


@lru_cache(maxsize=1024)
def _pool_spec(operation: str, input_shape: Ints, kernel: Ints, stride: Ints, padding: str | Pads) -> PoolSpec:
    images, *size, channels = input_shape
    pads = resolve_padding(padding, tuple(size), kernel, stride)
    for axis, (extent, pair) in enumerate(zip(kernel, pads, strict=True)):
        if max(pair) >= extent:
            raise ValueError(
                f"{operation}: padding must be smaller than the window, but on spatial axis {axis} it is {max(pair)} of {extent}"
            )
    window_outputs(operation, tuple(size), kernel, stride, pads)
    spec = PoolSpec(images, tuple(size), channels, kernel, stride, pads)
    check_elements(operation, images, *(s + sum(pair) for s, pair in zip(size, pads, strict=True)), channels)
    check_elements(operation, *spec.output_shape)
    return spec


def check_elements(operation: str, *sizes: int) -> None:
    """Refuse an array of more than MAX_ELEMENTS elements."""
    if prod(sizes) > MAX_ELEMENTS:
        raise ValueError(f"{operation}: an array of {sizes} is larger than {MAX_ELEMENTS} elements")


def check_shape(operation: str, name: str, shape: Ints, expected: Ints) -> None:
    """Refuse an array whose shape is not the one that the other arguments imply."""
    if shape != expected and tuple(shape) != tuple(expected):
        raise ValueError(f"{operation}: {name} must have shape {tuple(expected)}, but has {tuple(shape)}")
