"""Loop twins: what fastconv computes, written as plain Python loops, to compare with. Slow on purpose; nothing from fastconv.

Functions have the names of fastconv.functional's; arrays are channels-last. The layers are the notebooks' own, patch by patch,
with their early returns mended. Sums run in float64 (or in Python's integers, where the arrays hold integers).
"""

import math
from itertools import product

import numpy as np


def windows(size, kernel, stride, dilation, pads):
    """Yield (output index, kernel index, input index) for each kernel pixel that falls on an input pixel."""
    counts = [(n + a + b - (k - 1) * d - 1) // s + 1 for n, k, s, d, (a, b) in zip(size, kernel, stride, dilation, pads)]
    for out in product(*map(range, counts)):
        for k in product(*map(range, kernel)):
            source = tuple(o * s + i * d - before for o, s, i, d, (before, _) in zip(out, stride, k, dilation, pads))
            if all(0 <= p < n for p, n in zip(source, size)):
                yield out, k, source


def conv_output_size(size, kernel, stride, dilation, pads):
    """Return the spatial output size."""
    return tuple((n + a + b - (k - 1) * d - 1) // s + 1 for n, k, s, d, (a, b) in zip(size, kernel, stride, dilation, pads))


def conv(x, w, bias, stride, dilation, pads, groups):
    """The output of a convolution of any number of spatial axes."""
    size, kernel = x.shape[1:-1], w.shape[:-2]
    filters = w.shape[-1]
    y = np.zeros((x.shape[0], *conv_output_size(size, kernel, stride, dilation, pads), filters), x.dtype)
    for out, k, source in windows(size, kernel, stride, dilation, pads):
        for g in range(groups):
            c, f = slice_of(g, w.shape[-2]), slice_of(g, filters // groups)
            for n in range(x.shape[0]):
                y[(n, *out, f)] += (x[(n, *source, c)][:, None] * w[(*k, slice(None), f)]).sum(axis=0)
    return y if bias is None else y + bias


def activate(name, v, *numbers):
    """An activation of each number, computed in float64."""
    formulas = {
        None: lambda v: v,
        "relu": lambda v: v if v >= 0 or math.isnan(v) else 0.0,
        "leaky_relu": lambda v, slope=0.01: slope * v if v < 0 else v,
        "relu6": lambda v: _clip(v, 0, 6),
        "clip": lambda v, least, most: _clip(v, least, most),
        "sigmoid": lambda v: 1 / (1 + _exp(-v)),
        "hard_sigmoid": lambda v, factor=1 / 6, offset=0.5: _clip(v * factor + offset, 0, 1),
        "hard_swish": lambda v: v * _clip(v / 6 + 0.5, 0, 1),
        "silu": lambda v: v / (1 + _exp(-v)),
        "gelu": lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2,
        "tanh": math.tanh,
    }
    return np.array([formulas[name](float(number), *numbers) for number in v.ravel()]).reshape(v.shape).astype(v.dtype)


def _clip(v, least, most):
    return v if math.isnan(v) else min(max(v, least), most)


def _exp(v):
    return math.exp(v) if v < 709 or math.isnan(v) else math.inf


def conv_input_grad(dy, w, input_shape, stride, dilation, pads, groups):
    """The gradient with respect to conv's x."""
    dx = np.zeros(input_shape, dy.dtype)
    for out, k, source in windows(input_shape[1:-1], w.shape[:-2], stride, dilation, pads):
        for g in range(groups):
            c, f = slice_of(g, w.shape[-2]), slice_of(g, w.shape[-1] // groups)
            for n in range(dy.shape[0]):
                dx[(n, *source, c)] += (w[(*k, slice(None), f)] * dy[(n, *out, f)]).sum(axis=1)
    return dx


def conv_weight_grad(x, dy, weight_shape, stride, dilation, pads, groups):
    """The gradient with respect to conv's w."""
    dw = np.zeros(weight_shape, x.dtype)
    for out, k, source in windows(x.shape[1:-1], weight_shape[:-2], stride, dilation, pads):
        for g in range(groups):
            c, f = slice_of(g, weight_shape[-2]), slice_of(g, weight_shape[-1] // groups)
            for n in range(x.shape[0]):
                dw[(*k, slice(None), f)] += np.outer(x[(n, *source, c)], dy[(n, *out, f)])
    return dw


def slice_of(group, size):
    """Return the slice of one group's channels."""
    return slice(group * size, (group + 1) * size)


def pool_axis(size, kernel, stride, pads=(0, 0), dilation=1, ceil_mode=False):
    """Return, for each output along one axis, its window's pixels within the image, and how many within the padded image."""
    extent = (kernel - 1) * dilation + 1
    steps = (size + sum(pads) - extent) / stride
    count = int(np.ceil(steps) if ceil_mode else np.floor(steps)) + 1
    if ceil_mode and (count - 1) * stride >= size + pads[0]:
        count -= 1
    found = []
    for output in range(count):
        pixels = [output * stride + k * dilation - pads[0] for k in range(kernel)]
        found.append(([p for p in pixels if 0 <= p < size], sum(p < size + pads[1] for p in pixels)))
    return found


def adaptive_axis(size, outputs):
    """Return what pool_axis does for adaptive pooling."""
    windows = [range(int(np.floor(i * size / outputs)), int(np.ceil((i + 1) * size / outputs))) for i in range(outputs)]
    return [(list(window), len(window)) for window in windows]


def pool_windows(axes):
    """Yield (output index, the window's input indices in row-major order, its pixels in the padded image); axes as pool_axis's."""
    for out in product(*(range(len(axis)) for axis in axes)):
        windows = [axis[o] for axis, o in zip(axes, out)]
        yield out, list(product(*(pixels for pixels, _ in windows))), int(np.prod([count for _, count in windows]))


def best_of(values, pick):
    """Return which of the values are the best by `pick` (max or min); NaN is."""
    nans = [v != v for v in values]
    return [i for i, v in enumerate(values) if (nans[i] if any(nans) else v == pick(values))]


def pick_pool(x, axes, pick):
    """Max or min pooling, and the flat spatial index of each window's first best pixel; `pick` is max or min. NaN wins."""
    size = x.shape[1:-1]
    y = np.zeros((x.shape[0], *map(len, axes), x.shape[-1]), x.dtype)
    indices = np.zeros(y.shape, np.int64)
    for out, sources, _ in pool_windows(axes):
        for n, c in product(range(x.shape[0]), range(x.shape[-1])):
            source = sources[best_of([x[(n, *source, c)] for source in sources], pick)[0]]
            y[(n, *out, c)] = x[(n, *source, c)]
            for place, pixels in zip(source, size):
                indices[(n, *out, c)] = indices[(n, *out, c)] * pixels + place
    return y, indices


def pick_pool_grad(dy, x, axes, pick, ties):
    """The gradient of max or min pooling by the rule for ties: "first", "all" or "split"."""
    dx = np.zeros(x.shape, x.dtype)
    for out, sources, _ in pool_windows(axes):
        for n, c in product(range(x.shape[0]), range(x.shape[-1])):
            best = best_of([x[(n, *source, c)] for source in sources], pick)
            for i in best[:1] if ties == "first" else best:
                dx[(n, *sources[i], c)] += dy[(n, *out, c)] / (len(best) if ties == "split" else 1)
    return dx


def avg_pool(x, axes, count_include_pad, divisor=None):
    """Average pooling."""
    y = np.zeros((x.shape[0], *map(len, axes), x.shape[-1]))
    for out, sources, padded in pool_windows(axes):
        count = divisor or (padded if count_include_pad else len(sources))
        for n in range(x.shape[0]):
            y[(n, *out)] = sum(x[(n, *source)].astype(np.float64) for source in sources) / count
    return y


def avg_pool_grad(dy, input_shape, axes, count_include_pad, divisor=None):
    """The gradient of average pooling."""
    dx = np.zeros(input_shape)
    for out, sources, padded in pool_windows(axes):
        count = divisor or (padded if count_include_pad else len(sources))
        for source in sources:
            dx[(slice(None), *source)] += dy[(slice(None), *out)] / count
    return dx


def max_unpool(y, indices, output_shape):
    """Each value to its flat spatial index; the last one stays."""
    x = np.zeros(output_shape, y.dtype)
    for n, *out, c in np.ndindex(y.shape):
        x[(n, *np.unravel_index(indices[(n, *out, c)], output_shape[1:-1]), c)] = y[(n, *out, c)]
    return x


def conv_transpose(x, w, bias, stride, dilation, pads, output_padding, groups):
    """Each pixel of x adds its multiple of the kernel to the result; x is (n, *size, f), w (*kernel, c / groups, f)."""
    size, kernel = x.shape[1:-1], w.shape[:-2]
    whole = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(size, stride, kernel, dilation)]
    y = np.zeros((x.shape[0], *(n + extra for n, extra in zip(whole, output_padding)), w.shape[-2] * groups), x.dtype)
    for place, k in product(np.ndindex(size), np.ndindex(kernel)):
        target = tuple(i * s + j * d for i, s, j, d in zip(place, stride, k, dilation))
        for g in range(groups):
            c, f = slice_of(g, w.shape[-2]), slice_of(g, w.shape[-1] // groups)
            y[(slice(None), *target, c)] += x[(slice(None), *place, f)] @ w[(*k, slice(None), f)].T
    kept = tuple(slice(b, n + extra - a) for n, extra, (b, a) in zip(whole, output_padding, pads))
    y = y[(slice(None), *kept)]
    return y if bias is None else y + bias


# The notebooks' functions: correlation with zeros of k // 2 around, results of the input's shape, Python-exact.


@np.errstate(over="ignore")  # unsigned integers wrap
def conv_same(x, w):
    """The correlation of x with w, both of any number of axes, zero-padded by k // 2 before, cut to x's shape."""
    y = np.zeros(x.shape, np.result_type(x, w))
    for out in np.ndindex(x.shape):
        for k in np.ndindex(w.shape):
            source = tuple(o + i - size // 2 for o, i, size in zip(out, k, w.shape))
            if all(0 <= p < n for p, n in zip(source, x.shape)):
                y[out] += x[source] * w[k]
    return y


@np.errstate(over="ignore")  # unsigned integers wrap
def conv_same_input_grad(x, w, dy):
    """The gradient of conv_same with respect to x."""
    dx = np.zeros(x.shape, np.result_type(x, w, dy))
    for out in np.ndindex(x.shape):
        for k in np.ndindex(w.shape):
            source = tuple(o + i - size // 2 for o, i, size in zip(out, k, w.shape))
            if all(0 <= p < n for p, n in zip(source, x.shape)):
                dx[source] += dy[out] * w[k]
    return dx


@np.errstate(over="ignore")  # unsigned integers wrap
def conv_same_param_grad(x, w, dy):
    """The gradient of conv_same with respect to w."""
    dw = np.zeros(w.shape, np.result_type(x, w, dy))
    for out in np.ndindex(x.shape):
        for k in np.ndindex(w.shape):
            source = tuple(o + i - size // 2 for o, i, size in zip(out, k, w.shape))
            if all(0 <= p < n for p, n in zip(source, x.shape)):
                dw[k] += dy[out] * x[source]
    return dw


# The notebooks' layers.


class ConvolutionLayer:
    """Kernels over one image, patch by patch."""

    kernels_name, image_name = "kernels", "image"

    def __init__(self, kernel_num, kernel_size, init="xavier"):
        self.kernel_num, self.kernel_size = kernel_num, kernel_size
        shape = (kernel_num, kernel_size, kernel_size)
        if init == "xavier":
            self.kernels = np.random.normal(loc=0, scale=np.sqrt(2 / (kernel_size**2 + kernel_num)), size=shape)
        else:
            self.kernels = np.random.randn(*shape) / kernel_size**2

    def patches_generator(self, image):
        self.image = image
        k = self.kernel_size
        for h in range(image.shape[0] - k + 1):
            for w in range(image.shape[1] - k + 1):
                yield image[h : h + k, w : w + k], h, w

    def forward_prop(self, image):
        k = self.kernel_size
        output = np.zeros((image.shape[0] - k + 1, image.shape[1] - k + 1, self.kernel_num))
        for patch, h, w in self.patches_generator(image):
            output[h, w] = np.sum(patch * self.kernels, axis=(1, 2))
        return output

    def back_prop(self, dE_dY, alpha):
        dE_dk = np.zeros(self.kernels.shape)
        for patch, h, w in self.patches_generator(self.image):
            for f in range(self.kernel_num):
                dE_dk[f] += patch * dE_dY[h, w, f]
        self.kernels -= alpha * dE_dk
        return dE_dk


class MaxPoolingLayer:
    """The largest value of each window, and the gradient to every place that holds it."""

    def __init__(self, kernel_size):
        self.kernel_size = kernel_size

    def patches_generator(self, image):
        self.image = image
        k = self.kernel_size
        for h in range(image.shape[0] // k):
            for w in range(image.shape[1] // k):
                yield image[h * k : h * k + k, w * k : w * k + k], h, w

    def forward_prop(self, image):
        k = self.kernel_size
        output = np.zeros((image.shape[0] // k, image.shape[1] // k, image.shape[2]))
        for patch, h, w in self.patches_generator(image):
            output[h, w] = np.amax(patch, axis=(0, 1))
        return output

    def back_prop(self, dE_dY):
        k = self.kernel_size
        gradient = np.zeros(self.image.shape)
        for patch, h, w in self.patches_generator(self.image):
            highest = np.amax(patch, axis=(0, 1))
            for i in range(patch.shape[0]):
                for j in range(patch.shape[1]):
                    for c in range(patch.shape[2]):
                        if patch[i, j, c] == highest[c]:
                            gradient[h * k + i, w * k + j, c] = dE_dY[h, w, c]
        return gradient


class SoftmaxLayer:
    """A dense layer with softmax; its gradient expects one non-zero entry."""

    def __init__(self, input_units, output_units, init="xavier"):
        if init == "xavier":
            deviation = np.sqrt(2 / (input_units + output_units))
            self.weight = np.random.normal(loc=0, scale=deviation, size=(input_units, output_units))
        else:
            self.weight = np.random.randn(input_units, output_units) / input_units
        self.bias = np.zeros(output_units)

    def forward_prop(self, image):
        self.original_shape = image.shape
        self.flattened_input = image.flatten()
        self.output = np.dot(self.flattened_input, self.weight) + self.bias
        exponentials = np.exp(self.output)
        return exponentials / np.sum(exponentials, axis=0)

    def back_prop(self, dE_dY, alpha):
        for i, gradient in enumerate(dE_dY):
            if gradient == 0:
                continue
            exponentials = np.exp(self.output)
            total = np.sum(exponentials)
            dY_dZ = -exponentials[i] * exponentials / total**2
            dY_dZ[i] = exponentials[i] * (total - exponentials[i]) / total**2
            dE_dZ = gradient * dY_dZ
            dE_dX = self.weight @ dE_dZ
            self.weight -= alpha * (self.flattened_input[np.newaxis].T @ dE_dZ[np.newaxis])
            self.bias -= alpha * dE_dZ
        return dE_dX.reshape(self.original_shape)


class Conv3x3(ConvolutionLayer):
    """The other notebook's names for a ConvolutionLayer of 3 x 3, drawn as randn / 9."""

    def __init__(self, num_filters):
        super().__init__(num_filters, 3, "scaled")
        self.num_filters = num_filters

    @property
    def filters(self):
        return self.kernels

    @property
    def last_input(self):
        return self.image

    def forward(self, image):
        return self.forward_prop(image)

    def backprop(self, d_L_d_out, learn_rate):
        self.back_prop(d_L_d_out, learn_rate)


class MaxPool2(MaxPoolingLayer):
    """The other notebook's names for a MaxPoolingLayer of 2 x 2."""

    def __init__(self):
        super().__init__(2)

    @property
    def last_input(self):
        return self.image

    def forward(self, image):
        return self.forward_prop(image)

    def backprop(self, d_L_d_out):
        return self.back_prop(d_L_d_out)


class Softmax(SoftmaxLayer):
    """The other notebook's names for a SoftmaxLayer, drawn as randn / input_len."""

    def __init__(self, input_len, nodes):
        super().__init__(input_len, nodes, "scaled")

    weights = property(lambda self: self.weight)
    biases = property(lambda self: self.bias)
    last_input = property(lambda self: self.flattened_input)
    last_input_shape = property(lambda self: self.original_shape)
    last_totals = property(lambda self: self.output)

    def forward(self, image):
        return self.forward_prop(image)

    def backprop(self, d_L_d_out, learn_rate):
        return self.back_prop(d_L_d_out, learn_rate)


def training_step(image, label, layers, alpha):
    """One image through the first family's layers and back: (loss, 1 if right)."""
    output = image / 255.0
    for layer in layers:
        output = layer.forward_prop(output)
    loss = -np.log(output[label])
    accuracy = 1 if np.argmax(output) == label else 0
    gradient = np.zeros(10)
    gradient[label] = -1 / output[label]
    for layer in layers[::-1]:
        if hasattr(layer, "kernels") or hasattr(layer, "weight"):
            gradient = layer.back_prop(gradient, alpha)
        else:
            gradient = layer.back_prop(gradient)
    return loss, accuracy


def training_step_3x3(image, label, conv_layer, pool_layer, softmax_layer, learn_rate):
    """One image through the second family's layers and back, with pixels from -0.5 to 0.5: (loss, 1 if right)."""
    output = softmax_layer.forward(pool_layer.forward(conv_layer.forward(image / 255 - 0.5)))
    loss = -np.log(output[label])
    accuracy = 1 if np.argmax(output) == label else 0
    gradient = np.zeros(10)
    gradient[label] = -1 / output[label]
    gradient = softmax_layer.backprop(gradient, learn_rate)
    gradient = pool_layer.backprop(gradient)
    conv_layer.backprop(gradient, learn_rate)
    return loss, accuracy
