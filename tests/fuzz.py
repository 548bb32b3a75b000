"""Random calls with mostly nonsensical arguments: each must give the right answer, or raise ValueError or TypeError.

    python -m tests.fuzz 100000 [seed]

Answers are checked against NumPy, window by window. The process must not need more than 1 GiB. A call that breaks the rules is
printed with its number, which `python -m tests.fuzz 1 seed number` runs alone.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np

from fastconv import functional as fn
from fastconv import signal

LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
DTYPES = ["float32", "float64", "float64", "int64", "bool", "float16", ">f8", "uint8", "longdouble"]
BAD_DTYPES = ["complex64", "object", "U3", "M8[s]", "V4", "S2"]
NONSENSE = [
    0, -1, -(2**31), 2**31, 2**62, 2**63, -(2**63), 2**64, 2**200, 1.5, 1.0, float("nan"), float("inf"), True, None, "", "same",
    "1", (), (1,), (0, 0), (2, 2, 2), (1, 1, 1, 1), [1, [2]], {}, {1: 2}, set(), object(), np.int8(3), np.float32(2), np.array(2),
    b"x", np.array([1, 2]), np.zeros(0), (2**62, 2**62), ((1, 2), (3, 4)), ((2**40, 0), (0, 2**40)), "valid", "full", "causal",
    "CHWN", complex(1, 2), range(2), -0.0, 1e300, "reflect", "NHWC", np.bool_(True), ..., slice(1), lambda: 0,
]  # fmt: skip


class Fuzz:
    """Draws calls; each is (function's name, positional arguments, options, reference or None)."""

    def __init__(self, seed: int, number: int):
        self.rng = np.random.default_rng((seed, number))

    def one(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def numbers(self, low, high, count):
        return tuple(self.number(low, high) for _ in range(count))

    def array(self, shape, kind=None):
        """Return small integers of some type in some memory layout, rarely of a type that is refused."""
        kind = kind or self.one(*DTYPES)
        if self.number(0, 60) == 0:
            return np.zeros(shape, self.one(*BAD_DTYPES))
        values = self.rng.integers(0, 2, shape) if kind in ("bool", "uint8") else self.rng.integers(-3, 4, shape)
        array = values.astype(kind)
        form = self.number(0, 9)
        if form == 0 and array.ndim:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        if form == 1:
            return np.asfortranarray(array)
        if form == 2:
            return array[::-1][::-1] if array.ndim else array
        if form == 3:
            array.flags.writeable = False
        if form == 4:
            return np.ndarray(array.shape, array.dtype, bytes(1) + array.tobytes(), 1)  # unaligned, read-only
        return array.tolist() if form == 5 else array

    def per_axis(self, low, high, dims):
        return self.one(self.number(low, high), self.numbers(low, high, dims))

    def padding(self, dims):
        return self.one(
            "valid", "same", "same_lower", "full", self.number(0, 2), self.numbers(0, 2, dims),
            tuple(self.numbers(0, 2, 2) for _ in range(dims)),
        )  # fmt: skip

    def draw(self):
        family = self.one(
            self.convolution, self.convolution, self.transposed, self.pooling, self.adaptive, self.others, self.signals
        )  # fmt: skip
        name, args, options = family()
        for _ in range(self.one(0, 0, 0, 1, 1, 2)):
            self.spoil(args, options)
        return name, args, options

    def spoil(self, args, options):
        """Put nonsense in the place of an argument or an option, or give a tensor another shape."""
        place = self.number(0, len(args) + len(options) - 1)
        key = list(options)[place - len(args)] if place >= len(args) else None
        value = self.one(*NONSENSE)
        if key is None and self.number(0, 1):
            value = self.array(self.numbers(0, 4, self.number(0, 6)))
        if key is None:
            args[place] = value
        else:
            options[key] = value

    def convolution(self):
        dims = self.number(1, 3)
        groups, c, f = self.one(1, 1, 2), self.number(0, 3), self.number(0, 3)
        size, kernel = self.numbers(0, 6, dims), self.numbers(1, 3, dims)
        options = {
            "stride": self.per_axis(1, 3, dims), "padding": self.padding(dims), "dilation": self.per_axis(1, 2, dims),
            "groups": groups, "layout": LAYOUTS[dims][0],
            "padding_mode": self.one("constant", "constant", "reflect", "symmetric", "edge", "wrap"),
        }  # fmt: skip
        x, w = (self.number(0, 2), *size, c * groups), (*kernel, c, f * groups)
        bias = self.one(None, self.array((f * groups,)))
        name = self.one("", "", "_input_grad", "_weight_grad")
        outputs = (x[0], *self.numbers(1, 6, dims), w[-1])
        args = {
            "": [self.array(x), self.array(w), bias],
            "_input_grad": [self.array(outputs), self.array(w), x],
            "_weight_grad": [self.array(x), self.array(outputs), w],
        }
        return f"conv{dims}d{name}", args[name], options

    def transposed(self):
        dims, groups = self.number(1, 3), self.one(1, 1, 2)
        x, w = (
            (self.number(0, 2), *self.numbers(0, 4, dims), 2 * groups),
            (*self.numbers(1, 3, dims), self.number(0, 2), 2 * groups),
        )
        options = {
            "stride": self.per_axis(1, 3, dims), "padding": self.padding(dims), "output_padding": self.per_axis(0, 2, dims),
            "dilation": self.per_axis(1, 2, dims), "groups": groups, "layout": LAYOUTS[dims][0],
        }  # fmt: skip
        return f"conv_transpose{dims}d", [self.array(x), self.array(w), None], options

    def pooling(self):
        dims, kind = self.number(1, 3), self.one("max", "min", "avg")
        x = (self.number(0, 2), *self.numbers(0, 6, dims), self.number(0, 3))
        options = {
            "padding": self.padding(dims), "dilation": self.per_axis(1, 2, dims), "ceil_mode": self.one(True, False),
            "layout": LAYOUTS[dims][0],
        }  # fmt: skip
        kernel, stride = self.per_axis(1, 3, dims), self.one(None, self.per_axis(1, 3, dims))
        if kind == "avg":
            options |= {"count_include_pad": self.one(True, False), "divisor_override": self.one(None, 2, -3)}
        if self.number(0, 3):
            return f"{kind}_pool{dims}d", [self.array(x), kernel, stride], options
        dy = self.array((x[0], *self.numbers(1, 4, dims), x[-1]))
        return f"{kind}_pool{dims}d_grad", [dy, x if kind == "avg" else self.array(x), kernel, stride], options

    def adaptive(self):
        dims = self.number(1, 3)
        x = self.array((self.number(0, 2), *self.numbers(0, 6, dims), self.number(0, 3)))
        layout, size = LAYOUTS[dims][0], self.one(None, self.per_axis(0, 5, dims))
        name = self.one("adaptive_avg_pool", "adaptive_max_pool", "global_avg_pool", "global_max_pool", "lp_pool")
        args = {"lp_pool": [x, self.per_axis(1, 3, dims), self.one(1, 2, 3.5)]}.get(name, [x] if "global" in name else [x, size])
        return name, args, {"layout": layout}

    def others(self):
        rows, inputs, outputs = self.numbers(0, 4, 3)
        x, w, b = self.array((rows, inputs)), self.array((inputs, outputs)), self.array((outputs,))
        labels = self.array((rows,), "int64")
        return self.one(
            ("linear", [x, w, b], {}), ("linear_input_grad", [self.array((rows, outputs)), w], {}), ("relu", [x], {}),
            ("softmax", [x], {"axis": self.number(-3, 2)}), ("log_softmax", [x], {"axis": -1}), ("cross_entropy", [x, labels], {}),
            ("linear_weight_grad", [x, self.array((rows, outputs))], {}), ("relu_grad", [x, self.array((rows, inputs))], {}),
            ("max_unpool1d", [self.array((1, 3, 2)), self.array((1, 3, 2), "int64"), (1, 5, 2)], {"layout": "NWC"}),
        )  # fmt: skip

    def signals(self):
        rank = self.number(0, 4)
        a, b = self.array(self.numbers(0, 5, rank)), self.array(self.numbers(0, 4, rank))
        options = {"mode": self.one("full", "same", "valid")}
        if rank == 2 and self.number(0, 1):
            options |= {"boundary": self.one("fill", "wrap", "symm"), "fillvalue": self.one(0, 2, 1.5)}
            return self.one("convolve2d", "correlate2d"), [a, b], options
        return self.one("convolve", "correlate"), [a, b], {**options, "method": self.one("auto", "direct", "fft")}


def float_array(value):
    array = np.asarray(value)
    return array.astype(np.float64)


def per_axis(value, dims):
    return tuple(int(v) for v in value) if isinstance(value, (tuple, list)) else (int(value),) * dims


def pads_of(padding, size, extent, stride):
    """Return the pads that a padding option means."""
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding == "full":
        return [(e - 1, e - 1) for e in extent]
    if padding == "causal":
        return [(extent[0] - 1, 0)]
    if isinstance(padding, str):
        totals = [max(0, (-(-n // s) - 1) * s + e - n) for n, e, s in zip(size, extent, stride)]
        return [(t // 2, t - t // 2) if padding == "same" else (t - t // 2, t // 2) for t in totals]
    if isinstance(padding, (tuple, list)):
        return [tuple(p) if isinstance(p, (tuple, list)) else (int(p),) * 2 for p in padding]
    return [(int(padding),) * 2] * len(size)


def taps(array, kernel, stride, dilation, outputs):
    """Yield, for each kernel pixel, its index and what it sees of the padded array for all outputs."""
    for k in product(*map(range, kernel)):
        windows = [slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in zip(k, dilation, outputs, stride)]
        yield k, array[(slice(None), *windows)]


def check_convolution(y, args, options):
    """Compare with NumPy: shifted slices times the weights, group by group."""
    x, w, bias = float_array(args[0]), float_array(args[1]), args[2]
    dims, size, kernel = x.ndim - 2, x.shape[1:-1], w.shape[:-2]
    stride, dilation = per_axis(options["stride"], dims), per_axis(options["dilation"], dims)
    extent, groups = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)], int(options["groups"])
    pads = pads_of(options["padding"], size, extent, stride)
    mode = options["padding_mode"] if any(map(any, pads)) else "constant"
    outputs = [(n + a + b - e) // s + 1 for n, (a, b), e, s in zip(size, pads, extent, stride)]
    assert y.shape == (x.shape[0], *outputs, w.shape[-1]), (y.shape, outputs)
    if not y.size:
        return
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], mode=mode)
    expected = np.zeros(y.shape)
    c, f = w.shape[-2], w.shape[-1] // groups
    for k, seen in taps(padded, kernel, stride, dilation, outputs):
        for g in range(groups):
            expected[..., g * f : (g + 1) * f] += seen[..., g * c : (g + 1) * c] @ w[k][:, g * f : (g + 1) * f]
    np.testing.assert_array_equal(y, expected if bias is None else expected + float_array(bias))


def check_full(y, a, b):
    """Compare with NumPy: b's elements times a, shifted, in a's and b's full convolution."""
    a, b = np.asarray(a), np.asarray(b)
    if "c" in a.dtype.kind + b.dtype.kind:
        return
    a, b = float_array(a), float_array(b)
    expected = np.zeros(np.add(a.shape, b.shape) - 1 if a.size and b.size else y.shape)
    for index in np.ndindex(b.shape):
        expected[tuple(slice(i, i + n) for i, n in zip(index, a.shape))] += b[index] * a
    if np.asarray(y).dtype not in (np.dtype(bool), np.dtype(np.uint8)) and np.abs(expected).max(initial=0) < 2**53:
        np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=0, atol=0.1 if y.dtype.kind == "f" else 0)


def check_pooling(y, name, args, options):
    """Compare with NumPy where there is no overhang: the extreme or the average of the shifted slices."""
    x = float_array(args[0])
    dims, size = x.ndim - 2, x.shape[1:-1]
    kernel = per_axis(args[1], dims)
    stride = kernel if args[2] is None else per_axis(args[2], dims)
    dilation = per_axis(options["dilation"], dims)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    pads = pads_of(options["padding"], size, extent, stride)
    outputs = [(n + a + b - e) // s + 1 for n, (a, b), e, s in zip(size, pads, extent, stride)]
    if not y.size or (options["ceil_mode"] and tuple(outputs) != y.shape[1:-1]):
        return
    empty = {"max": -np.inf, "min": np.inf, "avg": 0}[name[:3]]
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=empty)
    seen = np.stack([part for _, part in taps(padded, kernel, stride, dilation, outputs)])
    if name[:3] != "avg":
        expected = seen.max(axis=0) if name[:3] == "max" else seen.min(axis=0)
        np.testing.assert_array_equal(y, expected)
        return
    inside = np.pad(np.ones(x.shape), [(0, 0), *pads, (0, 0)], constant_values=float(options["count_include_pad"]))
    counts = np.sum([part for _, part in taps(inside, kernel, stride, dilation, outputs)], axis=0)
    np.testing.assert_allclose(y, seen.sum(axis=0) / (options["divisor_override"] or counts), rtol=1e-6)


def run(seed: int, number: int) -> str | None:
    """Make one call; return what broke the rules, or None."""
    fuzz = Fuzz(seed, number)
    name, args, options = fuzz.draw()
    before = [np.array(a, copy=True) if isinstance(a, np.ndarray) else a for a in args]
    try:
        result = getattr(signal if name in signal.__all__ else fn, name)(*args, **options)
    except (ValueError, TypeError) as error:
        return None if str(error) else "an error without a text"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    for mine, theirs in zip(before, args):
        if isinstance(theirs, np.ndarray) and theirs.tobytes() != mine.tobytes():
            return "an input was changed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the comparison's own
            if name in ("conv1d", "conv2d", "conv3d"):
                check_convolution(result, args, options)
            elif name == "convolve" and options["mode"] == "full":
                check_full(result, *args)
            elif name[:-2] in ("max_pool", "min_pool", "avg_pool"):
                check_pooling(result, name, args, options)
    except AssertionError as error:
        return f"a wrong answer: {error}"
    return None


def peak_mebibytes() -> float:
    """Return the most memory that this process has had; Linux's ru_maxrss counts what its parent had when it was started."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def main(calls: int, seed: int = 0, first: int = 0) -> int:
    """Make the calls; print what broke the rules and the figures; return how many did."""
    start, broken = time.perf_counter(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(first, first + calls):
            problem = run(seed, number)
            if problem is not None:
                broken += 1
                print(f"{number}: {Fuzz(seed, number).draw()}: {problem}")
    peak = peak_mebibytes()
    print(f"{calls} calls, {broken} broke the rules, {time.perf_counter() - start:.1f} s, at most {peak:.0f} MiB")
    return broken + (peak > 1024)


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:]))))
