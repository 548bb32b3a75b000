"""jax's NumPy reference (jax._src.lax_reference), over its own test grid of shapes, strides, pads and dilations, and over ours."""

from itertools import product

import numpy as np
import pytest

from fastconv import functional as fn

from ..cases import CASES, integers

reference = pytest.importorskip("jax._src.lax_reference", reason="jax isn't installed")

SPATIAL = {1: "W", 2: "HW", 3: "DHW"}
# Left out: lhs_dilation together with a stride, which is neither a convolution nor a transposed one in any framework's API, and
# grouped convolutions, which lax_reference doesn't have.


def numbers(dims):
    """Return jax's dimension numbers for channels-last images."""
    axes = SPATIAL[dims]
    return f"N{axes}C", f"{axes}IO", f"N{axes}C"


@pytest.mark.parametrize("case", [case for case in CASES if case.groups == 1], ids=lambda case: case.name)
def test_our_grid(case):
    x, w, spec = integers(case.x, "float64", 1), integers(case.w, "float64", 2), case.spec
    dims = len(case.x) - 2
    padding = case.padding.upper() if case.padding in ("same", "same_lower") and spec.dilation == (1,) * dims else spec.pads
    ones = (1,) * dims
    expected = reference.conv_general_dilated(x, w, spec.stride, padding, ones, spec.dilation, numbers(dims))
    np.testing.assert_array_equal(getattr(fn, f"conv{dims}d")(x, w, **case.geometry), expected)


JAX_GRID = list(product([(1, 1), (1, 2), (2, 1)], [((0, 0), (0, 0)), ((1, 2), (2, 0))], [(1, 1), (1, 2), (2, 2)]))


@pytest.mark.parametrize(("stride", "pads", "dilation"), JAX_GRID)
@pytest.mark.parametrize(("b", "i", "j"), list(product([2, 3], repeat=3)))
def test_jax_grid(b, i, j, stride, pads, dilation):
    x, w = integers((b, i, 9, 10), "float32", 1), integers((j, i, 4, 5), "float32", 2)
    expected = reference.conv_with_general_padding(x, w, stride, pads, (1, 1), dilation)
    y = fn.conv2d(x, w, stride=stride, padding=pads, dilation=dilation, layout="NCHW")
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("padding", ["VALID", "SAME", "SAME_LOWER"])
@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (2, 1), (3, 2)])
def test_jax_padding_types(stride, padding):
    x, w = integers((2, 3, 9, 10), "float64", 1), integers((4, 3, 4, 5), "float64", 2)
    np.testing.assert_array_equal(
        fn.conv2d(x, w, stride=stride, padding=padding.lower(), layout="NCHW"), reference.conv(x, w, stride, padding)
    )


@pytest.mark.parametrize(("stride", "pads", "dilation"), JAX_GRID)
def test_transposed_as_convolution_of_the_spread_image(stride, pads, dilation):
    """A transposed convolution is the turned kernel's over the image with zeros between its pixels."""
    x, w = integers((2, 3, 5, 6), "float64", 1), integers((3, 2, 4, 3), "float64", 2)
    extents = [(k - 1) * d for k, d in zip(w.shape[2:], dilation, strict=True)]
    around = [(e - a, e - b) for e, (a, b) in zip(extents, pads, strict=True)]
    turned = np.swapaxes(w, 0, 1)[:, :, ::-1, ::-1]
    expected = reference.conv_with_general_padding(x, turned, (1, 1), around, stride, dilation)
    y = fn.conv_transpose2d(x, w, stride=stride, padding=pads, dilation=dilation, layout="NCHW")
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("shape", "window", "stride", "padding"),
    [
        ((2, 9, 10, 3), (2, 3), (2, 2), "VALID"),
        ((2, 9, 10, 3), (3, 3), (1, 2), "SAME"),
        ((1, 8, 7, 4), (2, 2), (3, 1), "SAME_LOWER"),
        ((2, 11, 5), (3,), (2,), "SAME"),
        ((1, 5, 6, 7, 2), (2, 3, 2), (2, 1, 2), "VALID"),
    ],
)
def test_windows(shape, window, stride, padding):
    x, dims = integers(shape, "float64", 3), len(shape) - 2
    whole, steps = (1, *window, 1), (1, *stride, 1)
    pads = reference.padtype_to_pads(shape, whole, steps, padding)
    largest = reference.reduce_window(x, -np.inf, np.maximum, whole, steps, pads, None)
    total = reference.reduce_window(x, 0.0, np.add, whole, steps, pads, None)
    options = {"kernel_size": window, "stride": stride, "padding": padding.lower()}
    np.testing.assert_array_equal(getattr(fn, f"max_pool{dims}d")(x, **options), largest)
    np.testing.assert_array_equal(getattr(fn, f"avg_pool{dims}d")(x, divisor_override=1, **options), total)
