"""Output sizes and shape rules of convolution and pooling: the one place that knows and enforces them.

Standard library and NumPy only. Shapes are channels-last: (images, *spatial, channels); weights are
(*kernel, channels / groups, filters). Every error names the operation, the rule and the numbers, and is raised before any
array is made.
"""

from .common import (
    Ints,
    Pads,
    as_bool,
    as_int,
    as_padding,
    as_shape,
    check_elements,
    check_made,
    check_shape,
    per_axis,
    window_outputs,
)
from .convolution import ConvSpec, conv_spec, transposed_spec
from .layouts import images_hint, odd_image
from .pooling import PoolSpec, adaptive_spec, pool_spec

__all__ = [
    "ConvSpec",
    "Ints",
    "Pads",
    "PoolSpec",
    "adaptive_spec",
    "as_bool",
    "as_int",
    "as_padding",
    "as_shape",
    "check_elements",
    "check_made",
    "check_shape",
    "conv_spec",
    "images_hint",
    "odd_image",
    "per_axis",
    "pool_spec",
    "transposed_spec",
    "window_outputs",
]
