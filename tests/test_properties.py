"""Random cases against the loop twins, exactly, on small integers: convolutions, transposed convolutions, and pooling.

`--hypothesis-profile=full` draws 2,000 of them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from fastconv import functional as fn

from . import naive
from .cases import integers

LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
MODES = ("constant", "reflect", "symmetric", "edge", "wrap")


@dataclass(frozen=True)
class Drawn:
    """A random convolution: shapes channels-last, options as the functions take them, pads as they come out."""

    x: tuple
    w: tuple
    options: dict[str, Any]
    pads: tuple
    bias: bool
    first: bool
    dtype: str

    @property
    def dims(self):
        return len(self.x) - 2

    @property
    def layout(self):
        return LAYOUTS[self.dims][self.first]

    def users(self, array):
        """Return channels-last images as the user has them."""
        return np.moveaxis(array, -1, 1) if self.first else array

    def users_weights(self, array):
        return np.moveaxis(array, (-1, -2), (0, 1)) if self.first else array


def small(draw, low, high, dims):
    return tuple(draw(st.integers(low, high)) for _ in range(dims))


def drawn_pads(draw, size, extent, stride):
    """Return the padding option, and the pads that it must mean."""
    kind = draw(st.sampled_from(["valid", "int", "pairs", "same", "same_lower", "full"] + ["causal"] * (len(size) == 1)))
    if kind == "int":
        number = draw(st.integers(0, 3))
        return number, ((number, number),) * len(size)
    if kind == "pairs":
        pads = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in size)
        return pads, pads
    if kind == "valid":
        return kind, ((0, 0),) * len(size)
    if kind == "full":
        return kind, tuple((e - 1, e - 1) for e in extent)
    if kind == "causal":
        return kind, ((extent[0] - 1, 0),)
    totals = [max(0, (int(np.ceil(n / s)) - 1) * s + e - n) for n, e, s in zip(size, extent, stride)]
    if kind == "same":
        return kind, tuple((t // 2, t - t // 2) for t in totals)
    return kind, tuple((t - t // 2, t // 2) for t in totals)


@st.composite
def convolutions(draw):
    dims = draw(st.integers(1, 3))
    size, kernel = small(draw, 1, 9 - 2 * dims, dims), small(draw, 1, 3, dims)
    stride, dilation = small(draw, 1, 3, dims), small(draw, 1, 3, dims)
    groups, group_channels, group_filters = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    padding, pads = drawn_pads(draw, size, extent, stride)
    assume(all(n + a + b >= e for n, e, (a, b) in zip(size, extent, pads)))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if groups == 1 and draw(st.integers(0, 9)) == 0:
        options["algorithm"] = "direct"
    shape = (draw(st.integers(0, 2)), *size, group_channels * groups)
    weights = (*kernel, group_channels, group_filters * groups)
    return Drawn(
        shape, weights, options, pads, draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))
    )


@given(convolutions(), st.sampled_from(MODES))
def test_convolution_and_gradients(case, mode):
    n, options = case.dims, {**case.options, "padding_mode": mode, "layout": case.layout}
    x, w = integers(case.x, case.dtype, 1), integers(case.w, case.dtype, 2)
    bias = integers(case.w[-1:], case.dtype, 3) if case.bias else None
    stride, dilation, groups = (case.options[name] for name in ("stride", "dilation", "groups"))
    pads = ((0, 0), *case.pads, (0, 0))
    padded, zero = (np.pad(x, pads, mode=mode), ((0, 0),) * n) if mode != "constant" and x.size else (x, case.pads)
    geometry = (stride, dilation, zero, groups)
    expected = naive.conv(padded, w, bias, *geometry)
    y = getattr(fn, f"conv{n}d")(case.users(x), case.users_weights(w), bias, **options)
    np.testing.assert_array_equal(y, case.users(expected), strict=True)

    dy = integers(expected.shape, case.dtype, 4)
    dw = getattr(fn, f"conv{n}d_weight_grad")(case.users(x), case.users(dy), case.users_weights(w).shape, **options)
    np.testing.assert_array_equal(dw, case.users_weights(naive.conv_weight_grad(padded, dy, w.shape, *geometry)), strict=True)
    dx = getattr(fn, f"conv{n}d_input_grad")(case.users(dy), case.users_weights(w), case.users(x).shape, **options)
    assert dx.dtype == x.dtype and dx.shape == case.users(x).shape and dx.flags.carray
    without_bias = y if bias is None else y - bias.reshape((-1,) + (1,) * n if case.first else -1)
    assert np.vdot(without_bias, case.users(dy)) == np.vdot(dx, case.users(x)) == np.vdot(dw, case.users_weights(w))
    if mode == "constant":
        np.testing.assert_array_equal(dx, case.users(naive.conv_input_grad(dy, w, x.shape, *geometry)))
    else:
        back = naive.conv_input_grad(dy, w, padded.shape, *geometry)
        places = np.pad(np.arange(x[..., :1].size).reshape(x[..., :1].shape), pads, mode=mode)[..., 0]
        folded = np.zeros((x[..., :1].size, x.shape[-1]), x.dtype)
        np.add.at(folded, places.ravel(), back.reshape(-1, x.shape[-1]))
        np.testing.assert_array_equal(dx, case.users(folded.reshape(x.shape)))


@st.composite
def transposed_convolutions(draw):
    dims = draw(st.integers(1, 3))
    size, kernel = small(draw, 1, 6 - dims, dims), small(draw, 1, 3, dims)
    stride, dilation = small(draw, 1, 3, dims), small(draw, 1, 3, dims)
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation))
    groups, channels, filters = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    pads = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in size)
    assume(all((n - 1) * s + e + m - a - b >= 1 for n, s, e, m, (a, b) in zip(size, stride, extent, extra, pads)))
    options = {"stride": stride, "padding": pads, "output_padding": extra, "dilation": dilation, "groups": groups}
    if groups == 1 and draw(st.integers(0, 9)) == 0:
        options["algorithm"] = "direct"
    shape, weights = (draw(st.integers(0, 2)), *size, filters * groups), (*kernel, channels, filters * groups)
    return Drawn(
        shape, weights, options, pads, draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))
    )


@given(transposed_convolutions())
def test_transposed_convolution_and_gradients(case):
    n, options = case.dims, {**case.options, "layout": case.layout}
    x, w = integers(case.x, case.dtype, 1), integers(case.w, case.dtype, 2)
    groups = case.options["groups"]
    bias = integers((case.w[-2] * groups,), case.dtype, 3) if case.bias else None
    geometry = (case.options["stride"], case.options["dilation"], case.pads, case.options["output_padding"], groups)
    expected = naive.conv_transpose(x, w, bias, *geometry)
    y = getattr(fn, f"conv_transpose{n}d")(case.users(x), case.users_weights(w), bias, **options)
    np.testing.assert_array_equal(y, case.users(expected), strict=True)
    dy = integers(expected.shape, case.dtype, 4)
    dx = getattr(fn, f"conv_transpose{n}d_input_grad")(case.users(dy), case.users_weights(w), case.users(x).shape, **options)
    dw = getattr(fn, f"conv_transpose{n}d_weight_grad")(case.users(x), case.users(dy), case.users_weights(w).shape, **options)
    ones = [naive.conv_transpose(unit, w, None, *geometry) for unit in units(x)]
    np.testing.assert_array_equal(dx.ravel(), case.users(np.array([np.vdot(dy, one) for one in ones]).reshape(x.shape)).ravel())
    ones = [naive.conv_transpose(x, unit, None, *geometry) for unit in units(w)]
    np.testing.assert_array_equal(dw, case.users_weights(np.array([np.vdot(dy, one) for one in ones]).reshape(w.shape)))
    assert dx.shape == case.users(x).shape and dx.dtype == dw.dtype == x.dtype


def units(array):
    """Yield the arrays of array's shape and type with a single 1: a linear function's gradient is its value at these."""
    for i in range(array.size):
        unit = np.zeros_like(array)
        unit.flat[i] = 1
        yield unit


@dataclass(frozen=True)
class Pool:
    """A random pooling: channels-last shape, options, and the windows that they must mean."""

    x: tuple
    options: dict[str, Any]
    axes: list
    first: bool
    dtype: str

    users = Drawn.users
    dims = Drawn.dims
    layout = Drawn.layout


@st.composite
def pools(draw):
    dims = draw(st.integers(1, 3))
    size, kernel = small(draw, 1, 9 - 2 * dims, dims), small(draw, 1, 3, dims)
    dilation, ceil_mode = small(draw, 1, 2, dims), draw(st.booleans())
    stride = draw(st.sampled_from([None, small(draw, 1, 3, dims)]))
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    padding, pads = drawn_pads(draw, size, extent, stride or kernel)
    assume(all(n + a + b >= e > max(a, b) for n, e, (a, b) in zip(size, extent, pads)))
    axes = [naive.pool_axis(n, k, s, p, d, ceil_mode) for n, k, s, p, d in zip(size, kernel, stride or kernel, pads, dilation)]
    assume(all(pixels for axis in axes for pixels, _ in axis))
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    shape = (draw(st.integers(0, 2)), *size, draw(st.integers(1, 3)))
    return Pool(shape, options, axes, draw(st.booleans()), draw(st.sampled_from(["float32", "float64"])))


@given(pools(), st.sampled_from(["max", "min"]), st.sampled_from(["first", "all", "split"]))
def test_pick_pooling_and_gradients(case, name, ties):
    n, options, pick = case.dims, {**case.options, "layout": case.layout}, max if name == "max" else min
    x = integers(case.x, case.dtype, 1, 2)
    expected, places = naive.pick_pool(x, case.axes, pick)
    y, indices = getattr(fn, f"{name}_pool{n}d")(case.users(x), return_indices=True, **options)
    np.testing.assert_array_equal(y, case.users(expected), strict=True)
    np.testing.assert_array_equal(indices, case.users(places), strict=True)
    np.testing.assert_array_equal(getattr(fn, f"{name}_pool{n}d")(case.users(x), **options), y, strict=True)
    dy = 12 * integers(expected.shape, case.dtype, 2)
    dx = getattr(fn, f"{name}_pool{n}d_grad")(case.users(dy), case.users(x), ties=ties, **options)
    wanted = naive.pick_pool_grad(dy, x, case.axes, pick, ties)
    np.testing.assert_allclose(dx, case.users(wanted), rtol=0, atol=1e-4 if ties == "split" else 0)
    if ties == "first":
        assert np.vdot(y, case.users(dy)) == np.vdot(case.users(x), dx)
    back = getattr(fn, f"max_unpool{n}d")(y, indices, case.users(x).shape, layout=case.layout)
    np.testing.assert_array_equal(back, case.users(naive.max_unpool(expected, places, x.shape)), strict=True)
    picked = getattr(fn, f"max_unpool{n}d_grad")(case.users(x), indices, layout=case.layout)
    np.testing.assert_array_equal(picked, y, strict=True)


@given(pools(), st.booleans(), st.sampled_from([None, 1, 7]))
def test_average_pooling_and_gradients(case, include, divisor):
    n = case.dims
    options = {**case.options, "layout": case.layout, "count_include_pad": include, "divisor_override": divisor}
    x = integers(case.x, case.dtype, 1)
    expected = naive.avg_pool(x, case.axes, include, divisor).astype(case.dtype)
    y = getattr(fn, f"avg_pool{n}d")(case.users(x), **options)
    np.testing.assert_array_equal(y, case.users(expected), strict=True)
    dy = integers(expected.shape, case.dtype, 2)
    dx = getattr(fn, f"avg_pool{n}d_grad")(case.users(dy), case.users(x).shape, **options)
    if divisor == 1:
        assert np.vdot(y, case.users(dy)) == np.vdot(case.users(x), dx)
    wanted = naive.avg_pool_grad(dy, x.shape, case.axes, include, divisor)
    np.testing.assert_allclose(dx, case.users(wanted), rtol=0, atol=1e-5 if case.dtype == "float32" else 1e-13)


@given(pools(), st.data())
def test_adaptive_and_global_pooling(case, data):
    sizes = tuple(data.draw(st.integers(1, 5)) for _ in range(case.dims))
    axes = [naive.adaptive_axis(n, m) for n, m in zip(case.x[1:-1], sizes)]
    x = integers(case.x, case.dtype, 1, 2)
    averages = naive.avg_pool(x, axes, False).astype(case.dtype)
    maxima, places = naive.pick_pool(x, axes, max)
    y, indices = fn.adaptive_max_pool(case.users(x), sizes, case.layout, return_indices=True)
    np.testing.assert_array_equal(y, case.users(maxima), strict=True)
    np.testing.assert_array_equal(indices, case.users(places), strict=True)
    np.testing.assert_array_equal(fn.adaptive_avg_pool(case.users(x), sizes, case.layout), case.users(averages), strict=True)
    dy = integers(maxima.shape, case.dtype, 2)
    dx = fn.adaptive_max_pool_grad(case.users(dy), case.users(x), sizes, case.layout)
    np.testing.assert_array_equal(dx, case.users(naive.pick_pool_grad(dy, x, axes, max, "first")), strict=True)
    dx = fn.adaptive_avg_pool_grad(case.users(dy), case.users(x).shape, case.layout)
    np.testing.assert_allclose(dx, case.users(naive.avg_pool_grad(dy, x.shape, axes, False)), rtol=0, atol=1e-5)
    spatial = tuple(range(1, case.dims + 1))
    np.testing.assert_array_equal(fn.global_max_pool(case.users(x), case.layout), x.max(axis=spatial), strict=True)
    np.testing.assert_allclose(fn.global_avg_pool(case.users(x), case.layout), x.mean(axis=spatial), rtol=1e-6, atol=1e-6)
