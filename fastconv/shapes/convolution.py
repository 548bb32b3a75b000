"""A convolution's geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

from .common import Ints, Pads, as_int, as_padding, check_made, per_axis, resolve_padding, window_outputs
from .layouts import layout_hint


@dataclass(frozen=True)
class ConvSpec:
    """One convolution's geometry, channels-last, already checked; `cached_property` values are derived once.

    A transposed convolution is the input gradient of its spec. There the padding behind the image may be negative: so
    many pixels are in no window.
    """

    images: int
    size: Ints
    channels: int
    filters: int
    kernel: Ints
    stride: Ints
    dilation: Ints
    pads: Pads
    groups: int
    outputs: Ints

    @cached_property
    def window(self) -> Ints:
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

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
    def whole_output(self) -> tuple[int, ...] | None:
        """The index of an output pixel whose window is within the image, so that its sum has all weights; None if there is none."""
        found = [0]
        for size, window, stride, (before, _), outputs in zip(
            self.size, self.window, self.stride, self.pads, self.outputs, strict=True
        ):
            first, last = -(-before // stride), min((size - window + before) // stride, outputs - 1)
            found.append((first + last) // 2)
            if first > last:
                return None
        return tuple(found)

    @cached_property
    def whole_inputs(self) -> tuple[int | slice, ...] | None:
        """The index of input pixels, a stride's, whose sums together have all weights; None if there are none."""
        found: list[int | slice] = [0]
        for size, window, stride, (before, _), outputs in zip(
            self.size, self.window, self.stride, self.pads, self.outputs, strict=True
        ):
            first = max(window - 1 - before, 0)
            found.append(slice(first, first + stride))
            if first + stride > min(size, (outputs - 1) * stride - before + 1):
                return None
        return tuple(found)

    @cached_property
    def whole_tap(self) -> tuple[int, ...] | None:
        """The index of a tap that is always within the image, so that its sum has all output pixels; None if there is none."""
        found = []
        for size, kernel, stride, dilation, (before, _), outputs in zip(
            self.size, self.kernel, self.stride, self.dilation, self.pads, self.outputs, strict=True
        ):
            first, last = -(-before // dilation), (size - 1 + before - (outputs - 1) * stride) // dilation
            found.append(first)
            if first > min(last, kernel - 1):
                return None
        return (*found, 0)

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
            f"but {group_channels} x {groups} is not {channels}{layout_hint(input_shape, group_channels * groups)}"
        )
    window = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = resolve_padding(operation, padding, tuple(size), window, stride)
    outputs = window_outputs(operation, tuple(size), window, stride, pads, hint=layout_hint(input_shape))
    spec = ConvSpec(images, tuple(size), channels, filters, tuple(kernel), stride, dilation, pads, groups, outputs)
    check_made(operation, (images, *spec.padded, channels), input_shape, weight_shape)
    check_made(operation, spec.output_shape, input_shape, weight_shape)
    return spec


def transposed_spec(
    operation: str,
    input_shape: Ints,
    weight_shape: Ints,
    stride: object = 1,
    padding: object = "valid",
    output_padding: object = 0,
    dilation: object = 1,
    groups: object = 1,
) -> ConvSpec:
    """Return the spec of the convolution whose input gradient is this transposed convolution.

    Its input is our result: (size - 1) * stride + window - before - after + output_padding pixels per axis, or with padding
    "same" size * stride. The weights are its weights, (*kernel, result's channels / groups, our input's channels).
    """
    dims = len(input_shape) - 2
    if len(weight_shape) != dims + 2:
        raise ValueError(
            f"{operation}: weights must have as many axes as the input ({dims + 2}), but have {len(weight_shape)}: {weight_shape}"
        )
    steps = per_axis(operation, "stride", stride, dims)
    dilations = per_axis(operation, "dilation", dilation, dims)
    extra = per_axis(operation, "output_padding", output_padding, dims, 0)
    for more, step, spread in zip(extra, steps, dilations, strict=True):
        if more >= max(step, spread):
            raise ValueError(
                f"{operation}: output_padding must be smaller than stride or dilation, but is {more} for stride {step}, "
                f"dilation {spread}"
            )
    count = as_int(operation, "groups", groups, 1)
    return _transposed_spec(
        operation, input_shape, weight_shape, steps, as_padding(operation, padding, dims), extra, dilations, count
    )


@lru_cache(maxsize=1024)
def _transposed_spec(
    operation: str,
    input_shape: Ints,
    weight_shape: Ints,
    stride: Ints,
    padding: str | Pads,
    extra: Ints,
    dilation: Ints,
    groups: int,
) -> ConvSpec:
    images, *sizes, filters = input_shape
    *kernel, group_channels, weight_filters = weight_shape
    if min(kernel) < 1:
        raise ValueError(f"{operation}: the kernel must have at least one pixel per axis, but is {tuple(kernel)}")
    if filters != weight_filters or filters % groups:
        raise ValueError(
            f"{operation}: the weights must have as many filters as the input has channels, and groups must divide these, "
            f"but they have {weight_filters}, the input {filters}, and there are {groups} groups"
            f"{layout_hint(input_shape, weight_filters)}"
        )
    window = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    spread = tuple((n - 1) * s + e for n, s, e in zip(sizes, stride, window, strict=True))
    if padding in ("same", "same_lower"):
        cut = tuple(whole - n * s for whole, n, s in zip(spread, sizes, stride, strict=True))
        before = tuple(max(0, c) // 2 if padding == "same" else max(0, c) - max(0, c) // 2 for c in cut)
        pads = tuple((b, c - b) for b, c in zip(before, cut, strict=True))
    elif padding == "causal":
        raise ValueError(f"{operation}: padding 'causal' is for convolutions, not for transposed ones")
    else:
        pads = resolve_padding(operation, padding, tuple(sizes), window, stride)
    pads = tuple((before, after - more) for (before, after), more in zip(pads, extra, strict=True))
    size = tuple(whole - before - after for whole, (before, after) in zip(spread, pads, strict=True))
    if min(size) < 1 or min(sizes) < 1:
        raise ValueError(
            f"{operation}: input and result must have at least one pixel per axis, but an input of {tuple(sizes)} gives {size}"
        )
    channels = group_channels * groups
    spec = ConvSpec(images, size, channels, filters, tuple(kernel), stride, dilation, pads, groups, tuple(sizes))
    check_made(operation, (images, *spread, channels), input_shape, weight_shape)
    check_made(operation, spec.input_shape, input_shape, weight_shape)
    return spec
