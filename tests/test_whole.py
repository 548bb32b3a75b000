"""Which few results tell whether all weights, or output gradients, are finite: one that is not must show in them."""

import numpy as np
import pytest

from fastconv import functional as fn
from fastconv.shapes import conv_spec

GEOMETRIES = [
    (size, kernel, stride, dilation, padding)
    for size in (1, 2, 5, 9)
    for kernel in (1, 2, 3, 4)
    for stride in (1, 2, 3)
    for dilation in (1, 2)
    for padding in (0, 1, 2, (0, 3), (3, 1))
    if size + (2 * padding if isinstance(padding, int) else sum(padding)) >= (kernel - 1) * dilation + 1
]


def taps(spec):
    """Return for each output pixel and tap the input pixel that is read, by their geometry alone."""
    (stride,), (dilation,), ((before, _),) = spec.stride, spec.dilation, spec.pads
    return np.add.outer(np.arange(spec.outputs[0]) * stride - before, np.arange(spec.kernel[0]) * dilation)


@pytest.mark.parametrize("groups", [1, 2])
def test_what_is_not_finite_shows_in_them(groups):
    found = np.zeros(3, int)
    for size, kernel, stride, dilation, padding in GEOMETRIES:
        pads = padding if isinstance(padding, int) else (padding,)
        spec = conv_spec("conv1d", (1, size, 2), (kernel, 2 // groups, 4), stride, pads, dilation, groups)
        read = taps(spec)
        inside = (read >= 0) & (read < size)
        if spec.whole_output is not None:
            assert inside[spec.whole_output[1]].all()
        if spec.whole_inputs is not None:
            pixels = range(size)[spec.whole_inputs[1]]
            assert len(pixels) == stride and set(np.argwhere(np.isin(read, pixels))[:, 1]) == set(range(kernel))
        if spec.whole_tap is not None:
            assert inside[:, spec.whole_tap[0]].all()
        found += [spec.whole_output is not None, spec.whole_inputs is not None, spec.whole_tap is not None]
    assert (found > len(GEOMETRIES) // 8).all()  # they are rarely missing


def test_pixels_behind_the_last_window_are_none():
    x, w = np.ones((1, 1, 1, 2), "f"), np.ones((1, 1, 1, 2), "f")
    options = {"output_padding": (0, 2), "dilation": (1, 3), "groups": 2}
    y = fn.conv_transpose2d(x, w, **options)
    assert y.shape == (1, 1, 3, 2)
    np.testing.assert_array_equal(fn.conv_transpose2d_input_grad(np.ones_like(y), w, x.shape, **options), x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_wherever_one_is_the_result_is_the_generic_kernels(value):
    rng, options = np.random.default_rng(0), {"padding": 1, "groups": 2}
    x, w = (rng.integers(1, 3, shape).astype("f") for shape in ((1, 4, 5, 4), (3, 3, 2, 4)))
    dy = fn.conv2d(x, w, **options)
    for place in np.ndindex(w.shape):
        broken = w.copy()
        broken[place] = value
        for call in (
            lambda a: fn.conv2d(x, broken, algorithm=a, **options),
            lambda a: fn.conv2d_input_grad(dy, broken, x.shape, algorithm=a, **options),
        ):
            np.testing.assert_array_equal(call("auto"), call("generic"))
    for place in np.ndindex(dy.shape):
        broken = dy.copy()
        broken[place] = value
        results = (fn.conv2d_weight_grad(x, broken, w.shape, algorithm=a, **options) for a in ("auto", "generic"))
        np.testing.assert_array_equal(*results)
