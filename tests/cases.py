"""The named grid of convolution shapes that tests (and benchmarks' checks) run every kernel on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.shapes import ConvSpec, conv_spec


@dataclass(frozen=True)
class Case:
    """One convolution: channels-last input shape, weights (*kernel, channels / groups, filters), and options."""

    name: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: Any = 1
    padding: Any = "valid"
    dilation: Any = 1
    groups: int = 1

    @property
    def spec(self) -> ConvSpec:
        return conv_spec("test", self.x, self.w, self.stride, self.padding, self.dilation, self.groups)

    @property
    def geometry(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    @property
    def naive_geometry(self) -> tuple:
        spec = self.spec
        return spec.stride, spec.dilation, spec.pads, spec.groups


CASES = [
    Case("first layer", (2, 12, 12, 1), (3, 3, 1, 16)),
    Case("first layer, 10 filters", (2, 9, 11, 1), (3, 3, 1, 10)),
    Case("first layer, 8 filters", (1, 28, 28, 1), (3, 3, 1, 8)),
    Case("colour stem", (1, 13, 15, 3), (5, 5, 3, 17), 2, "same"),
    Case("3x3", (2, 6, 16, 4), (3, 3, 4, 32)),
    Case("3x3 same", (2, 5, 14, 3), (3, 3, 3, 33), 1, "same"),
    Case("3x3 same, deep", (1, 7, 7, 20), (3, 3, 20, 40), 1, 1),
    Case("whole vectors", (1, 4, 6, 32), (3, 2, 32, 33), 1, 1),
    Case("even kernel, same", (1, 6, 9, 2), (2, 4, 2, 5), 1, "same"),
    Case("even kernel, same_lower, stride 2", (1, 7, 8, 2), (4, 2, 2, 5), 2, "same_lower"),
    Case("full", (1, 4, 5, 3), (3, 4, 3, 8), 1, "full"),
    Case("asymmetric", (2, 6, 7, 2), (3, 2, 2, 6), (2, 3), ((1, 0), (2, 3))),
    Case("1x1", (2, 5, 7, 6), (1, 1, 6, 33)),
    Case("1x1 strided", (1, 7, 8, 5), (1, 1, 5, 17), 3),
    Case("1x1, blocks of pixels", (2, 13, 11, 19), (1, 1, 19, 37)),
    Case("kernel larger than the input", (2, 3, 4, 2), (5, 6, 2, 3), 1, ((2, 2), (3, 3))),
    Case("kernel as large as the input", (2, 4, 4, 3), (4, 4, 3, 7)),
    Case("dilated", (1, 9, 10, 3), (3, 3, 3, 9), 1, 2, 2),
    Case("dilated and strided", (1, 11, 12, 2), (3, 2, 2, 5), (2, 3), 3, (3, 2)),
    Case("stride larger than the kernel", (1, 8, 9, 2), (2, 2, 2, 5), 3, "valid"),
    Case("patches", (2, 8, 12, 3), (4, 4, 3, 17), 4),
    Case("patches, a row left over", (1, 9, 8, 2), (2, 2, 2, 5), 2),
    Case("grouped", (2, 6, 6, 4), (3, 3, 2, 6), 1, 1, 1, 2),
    Case("depthwise", (1, 6, 7, 5), (3, 3, 1, 5), 1, "same", 1, 5),
    Case("depthwise, two filters each", (1, 6, 7, 3), (3, 3, 1, 6), 2, "same", 1, 3),
    Case("grouped, 4 channels each", (2, 6, 9, 12), (3, 3, 4, 15), 1, "same", 1, 3),
    Case("grouped, strided, dilated", (1, 9, 8, 10), (2, 3, 5, 36), (2, 3), ((1, 0), (2, 2)), (2, 1), 2),
    Case("grouped, 1-D", (2, 17, 8), (4, 4, 8), 3, 2, 1, 2),
    Case("depthwise, tail, stride 2", (2, 9, 8, 19), (3, 3, 1, 19), 2, "same", 1, 19),
    Case("depthwise, asymmetric, dilated", (1, 8, 9, 33), (3, 2, 1, 33), (1, 2), ((2, 0), (1, 3)), (2, 1), 33),
    Case("depthwise, stride larger than the kernel", (1, 8, 9, 4), (2, 2, 1, 4), 3, "valid", 1, 4),
    Case("depthwise, 7x7", (1, 9, 10, 16), (7, 7, 1, 16), 1, 3, 1, 16),
    Case("depthwise, 1-D", (2, 19, 9), (4, 1, 9), 2, "same", 1, 9),
    Case("depthwise, 3-D", (1, 4, 5, 6, 8), (2, 3, 3, 1, 8), 1, 1, 1, 8),
    Case("groups of 2, tail", (2, 7, 9, 22), (3, 3, 2, 22), 1, "same", 1, 11),
    Case("groups of 4, stride 2", (1, 9, 16, 20), (3, 5, 4, 20), 2, 2, 1, 5),
    Case("groups of 8", (1, 5, 15, 24), (3, 3, 8, 24), 1, 1, 1, 3),
    Case("one filter", (2, 5, 19, 17), (3, 3, 17, 1), 1, 1),
    Case("three filters, stride 2", (1, 9, 12, 20), (3, 4, 20, 3), 2, "same"),
    Case("three channels", (1, 7, 19, 3), (3, 2, 3, 21), (1, 2), ((1, 0), (2, 1))),
    Case("one pixel", (1, 1, 1, 1), (1, 1, 1, 1)),
    Case("one pixel, padded", (1, 1, 1, 3), (3, 3, 3, 2), 1, 1),
    Case("one column", (2, 9, 1, 2), (3, 1, 2, 4)),
    Case("one row", (2, 1, 31, 2), (1, 3, 2, 4)),
    Case("plane, same", (1, 6, 25, 1), (3, 3, 1, 1), 1, "same"),
    Case("1-D", (2, 17, 3), (4, 3, 9), 1, "same"),
    Case("1-D strided and dilated", (1, 20, 2), (3, 2, 5), 2, 3, 3),
    Case("3-D", (1, 4, 5, 6, 2), (2, 3, 3, 2, 9), 1, 1),
    Case("3-D strided", (2, 5, 4, 6, 1), (3, 2, 3, 1, 4), (2, 1, 2), ((1, 0), (0, 0), (1, 2))),
    Case("narrow", (3, 8, 8, 12), (5, 5, 12, 20), 1, "same"),
]


PLANE_CASES = [
    Case("plane, four vectors", (1, 7, 190, 1), (3, 3, 1, 1), 1, "same"),
    Case("plane, two images, valid", (2, 5, 18, 1), (3, 3, 1, 1)),
    Case("plane, full", (1, 3, 19, 1), (3, 3, 1, 1), 1, "full"),
    Case("plane, one row of a kernel", (1, 4, 33, 1), (1, 5, 1, 1), 1, ((0, 0), (4, 0))),
    Case("plane, a column, tall tiles", (1, 9, 190, 1), (8, 1, 1, 1), 1, ((3, 2), (0, 0))),
    Case("plane, kernel wider than the image", (1, 3, 18, 1), (3, 29, 1, 1), 1, ((1, 1), (18, 12))),
    Case("plane, all outside", (1, 2, 17, 1), (1, 5, 1, 1), 1, ((3, 0), (20, 0))),
    Case("plane, 1-D", (2, 24, 1), (5, 1, 1), 1, "same"),
    Case("plane, dilated", (1, 9, 24, 1), (3, 3, 1, 1), 1, ((1, 2), (0, 4)), (3, 2)),
    Case("plane, tall kernel", (1, 22, 34, 1), (20, 3, 1, 1), 1, ((3, 0), (1, 1))),
    Case("plane, volume", (2, 4, 5, 19, 1), (3, 3, 3, 1, 1), 1, "same"),
    Case("plane, volume, dilated, cut", (1, 6, 5, 40, 1), (3, 2, 5, 1, 1), 1, ((4, 1), (0, 2), (4, 0)), (2, 2, 1)),
    Case("plane, volume thinner than its kernel", (1, 2, 3, 18, 1), (5, 1, 3, 1, 1), 1, "full"),
    Case("plane, 3 channels", (2, 9, 37, 3), (5, 4, 1, 3), 1, "same", 1, 3),
    Case("plane, 3 channels, two periods to a tile", (1, 5, 71, 3), (1, 7, 1, 3), 1, ((0, 0), (6, 0)), 1, 3),
    Case("plane, 6 channels, dilated", (1, 9, 24, 6), (3, 3, 1, 6), 1, ((1, 2), (0, 4)), (3, 2), 6),
    Case("plane, 2 channels, volume", (1, 3, 4, 18, 2), (3, 3, 3, 1, 2), 1, 1, 1, 2),
    Case("plane, 7 channels, 1-D", (2, 40, 7), (9, 1, 7), 1, "same", 1, 7),
]
"""More for the kernels for a filter of each of one or few channels, which the others need not run."""


NARROW_CASES = [
    Case("several tiles to a line", (1, 3, 39, 2), (3, 5, 2, 9), 1, "same"),
    Case("several tiles, 1-D, no border", (2, 40, 3), (4, 3, 33)),
    Case("a tile of several vectors", (1, 3, 4, 8), (3, 3, 8, 64), 1, 1),
    Case("full, groups", (1, 4, 5, 8), (3, 4, 4, 6), 1, "full", 1, 2),
    Case("strided, dilated, asymmetric", (1, 7, 10, 3), (3, 3, 3, 17), 2, ((1, 2), (2, 1)), (1, 3)),
]
"""More for "narrow", too little work for it to be chosen."""


def integers(shape: tuple[int, ...], dtype: Any, seed: int, most: int = 4) -> np.ndarray:
    """Return small random integers: products and sums of them are exact in any order, in float32 too."""
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)
