"""PyTorch's own sample inputs (op_db, which its CI runs): results, indices and gradients; and its own bad inputs, all refused."""

import warnings
from functools import partial

import numpy as np
import pytest

from fastconv import functional as fn

torch = pytest.importorskip("torch", reason="PyTorch isn't installed")
pytest.importorskip("expecttest", reason="expecttest isn't installed, which PyTorch's op_db needs")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
NAMES = [f"{name}{n}d" for n in (1, 2, 3) for name in ("conv", "conv_transpose", "max_pool", "avg_pool", "max_unpool")]
NAMES += [f"adaptive_{kind}_pool{n}d" for n in (1, 2, 3) for kind in ("avg", "max")]
OPS = {op.name.removeprefix("nn.functional."): op for op in op_db if not op.variant_test_name}
DTYPES = [torch.float32, torch.float64]

# Bad inputs that are good ones here: what PyTorch's message says, and why.
LEFT_OUT = {
    "half of": "PyTorch wants padding of at most half the window; here each window must have a pixel, as in ONNX",
    "should be the same": "PyTorch wants one type; here mixed types promote, as in NumPy",
    "not supported for strided": "PyTorch has padding 'same' for stride 1 only; here it is TensorFlow's and ONNX's",
    "optional 0 dim batch": "no channels give a result of no channels",
    "non-batch dimensions to have positive": "no channels give a result of no channels",
}
# Samples that are refused here: what our message says, and why.
REFUSED = {"each window must cover a pixel": "PyTorch gives -inf for a window of nothing but padding; no pixel is its maximum"}


def settings(names, args, kwargs):
    """Return a call's options by their names, whichever way they were given."""
    return {**dict(zip(names, args)), **kwargs}


def padding(value):
    return value if isinstance(value, str) else tuple(value) if isinstance(value, (tuple, list)) else value


def one_or_all(value, dims):
    """PyTorch takes (2,) for (2, 2), and () for the default."""
    if isinstance(value, (tuple, list, torch.Size)):
        value = tuple(value)
        return None if not value else value * dims if len(value) == 1 else value
    return value


def numpy_of(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


class Adapter:
    """How one of PyTorch's operators is called here: forward gives (results...), backward the inputs' gradients."""

    def __init__(self, name):
        self.name, self.dims = name, int(name[-2])
        self.layout, self.function = FIRST[self.dims], getattr(fn, name, None)

    def grow(self, x):
        """Return x with an axis of images, which PyTorch may leave out."""
        return x[None] if x.ndim == self.dims + 1 else x

    def geometry(self, options):
        return {k: padding(v) if k == "padding" else one_or_all(v, self.dims) for k, v in options.items()}


class Convolution(Adapter):
    NAMES = ("weight", "bias", "stride", "padding", "dilation", "groups")

    def call(self, sample):
        options = settings(self.NAMES, sample.args, sample.kwargs)
        x, w, b = (numpy_of(v) for v in (sample.input, options.pop("weight"), options.pop("bias", None)))
        options = {**self.geometry(options), "layout": self.layout}
        if "padding" in options and not isinstance(options["padding"], str):
            options["padding"] = one_or_all(options["padding"], self.dims)
        batch = self.grow(x)
        y = self.function(batch, w, b, **options)

        def backward(dy):
            dy = self.grow(dy)
            dx = getattr(fn, f"{self.name}_input_grad")(dy, w, batch.shape, **options)
            dw = getattr(fn, f"{self.name}_weight_grad")(batch, dy, w.shape, **options)
            db = dy.sum(axis=(0, *range(2, dy.ndim)))
            return [dx.reshape(x.shape), dw] + ([] if b is None else [db])

        return [y if batch is x else y[0]], backward


class Transposed(Convolution):
    NAMES = ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")


class MaxPool(Adapter):
    NAMES = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")

    def call(self, sample):
        options = settings(self.NAMES, sample.args, sample.kwargs)
        indices = options.pop("return_indices", False)
        options = {**self.geometry(options), "layout": self.layout}
        options["padding"] = one_or_all(options.get("padding", 0), self.dims)
        x = numpy_of(sample.input)
        batch = self.grow(x)
        y = self.function(batch, return_indices=True, **options)
        results = [part if batch is x else part[0] for part in y]
        grad = partial(getattr(fn, f"{self.name}_grad"), **options)
        return results[: 2 if indices else 1], lambda dy: [grad(self.grow(dy), batch).reshape(x.shape)]


class AveragePool(Adapter):
    NAMES = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

    def call(self, sample):
        options = {"count_include_pad": True, **settings(self.NAMES, sample.args, sample.kwargs)}
        options = {**self.geometry(options), "layout": self.layout}
        options["padding"] = one_or_all(options.get("padding", 0), self.dims)
        x = numpy_of(sample.input)
        batch = self.grow(x)
        y = self.function(batch, **options)
        grad = partial(getattr(fn, f"{self.name}_grad"), **options)
        return [y if batch is x else y[0]], lambda dy: [grad(self.grow(dy), batch.shape).reshape(x.shape)]


class Adaptive(Adapter):
    def call(self, sample):
        options = settings(("output_size", "return_indices"), sample.args, sample.kwargs)
        x, size = numpy_of(sample.input), options["output_size"]
        size = size * self.dims if isinstance(size, tuple) and len(size) == 1 else size
        batch = self.grow(x)
        if "avg" in self.name:
            y = fn.adaptive_avg_pool(batch, size, self.layout)
            results, grad = [y], lambda dy: fn.adaptive_avg_pool_grad(dy, batch.shape, self.layout)
        else:
            results = list(fn.adaptive_max_pool(batch, size, self.layout, return_indices=True))
            results = results if options.get("return_indices") else results[:1]

            def grad(dy):
                return fn.adaptive_max_pool_grad(dy, batch, size, self.layout)

        return [y if batch is x else y[0] for y in results], lambda dy: [grad(self.grow(dy)).reshape(x.shape)]


class Unpool(Adapter):
    NAMES = ("indices", "kernel_size", "stride", "padding", "output_size")

    def call(self, sample):
        options = settings(self.NAMES, sample.args, sample.kwargs)
        x, indices = numpy_of(sample.input), numpy_of(options["indices"])
        batch, places = self.grow(x), self.grow(indices)
        size = tuple(options.get("output_size") or ())[-self.dims :]
        if not size:
            geometry = (one_or_all(options[key], self.dims) for key in ("kernel_size", "stride", "padding"))
            geometry = [v if isinstance(v, tuple) else (v,) * self.dims for v in geometry]
            size = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(batch.shape[2:], *geometry))
        shape = (*batch.shape[:2], *size)
        y = self.function(batch, places, shape, layout=self.layout)
        grad = partial(getattr(fn, f"{self.name}_grad"), layout=self.layout)
        return [y if batch is x else y[0]], lambda dy: [grad(self.grow(dy), places).reshape(x.shape)]


def adapter_of(name):
    kinds = {"conv_": Transposed, "conv": Convolution, "max_pool": MaxPool, "avg": AveragePool, "adaptive": Adaptive}
    return next((kind for start, kind in kinds.items() if name.startswith(start)), Unpool)(name)


def leaves(sample):
    """Return the tensors that PyTorch differentiates by, in the order of our gradients."""
    values = [sample.input, *sample.args, *sample.kwargs.values()]
    return [v for v in values if isinstance(v, torch.Tensor) and v.requires_grad]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_samples(name, dtype):
    op, adapter, left_out, count = OPS[name], adapter_of(name), 0, 0
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        expected = op(sample.input, *sample.args, **sample.kwargs)
        expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
        try:
            results, backward = adapter.call(sample)
        except ValueError as error:
            assert any(text in str(error) for text in REFUSED), (sample, error)
            left_out += 1
            continue
        for mine, theirs in zip(results, expected, strict=True):
            np.testing.assert_allclose(mine, theirs.detach().numpy(), err_msg=str(sample), **tolerance)
        dy = torch.randn_like(expected[0])
        theirs = torch.autograd.grad(expected[0], leaves(sample), dy)
        for mine, gradient in zip(backward(dy.numpy()), theirs, strict=True):
            np.testing.assert_allclose(mine, gradient.numpy(), err_msg=str(sample), **tolerance)
        count += 1
    assert count >= max(6, 9 * left_out)


@pytest.mark.parametrize("name", [name for name in NAMES if OPS[name].error_inputs_func is not None])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_inputs(name):
    adapter, refused = adapter_of(name), 0
    for bad in OPS[name].error_inputs("cpu"):
        if any(text in str(bad.error_regex) for text in LEFT_OUT):
            continue
        with pytest.raises((ValueError, TypeError)) as caught:
            adapter.call(bad.sample_input)
        assert str(caught.value)
        refused += 1
    assert refused
