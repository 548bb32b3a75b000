"""A call that is refused changes nothing: no attribute of a layer, of a layer before it in a stack, nor numpy.random."""

import copy

import numpy as np
import pytest

import fastconv as fc

IMAGES = np.random.default_rng(0).random((30, 28, 28))


def same(a, b):
    """Return whether two values are equal, arrays and what contains them by their elements."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a is b or (type(a) is type(b) and not hasattr(a, "__dict__") and a == b)


def state_of(layers):
    """Return copies of all that the layers keep (a plan, which holds no state, is itself) and numpy.random's state."""

    def kept(value):
        return value.copy() if isinstance(value, np.ndarray) else tuple(map(kept, value)) if type(value) is tuple else value

    return [{name: kept(value) for name, value in vars(layer).items()} for layer in layers], np.random.get_state()


def assert_refused(call, layers, kind, text):
    before, random = state_of(layers)
    with pytest.raises(kind, match=text):
        call()
    after, random_after = state_of(layers)
    for layer, old, new in zip(layers, before, after):
        changed = [name for name in {*old, *new} if name not in old or name not in new or not same(old[name], new[name])]
        assert not changed, f"{type(layer).__name__}: {changed}"
    assert same(random, random_after)


@pytest.mark.parametrize("attribute", ["image", "kernels", "dE_dk", "_step"])
def test_the_check_of_states_sees(attribute):
    layer = fc.ConvolutionLayer(1, 3)
    layer.forward_prop(IMAGES[0])
    layer.back_prop(np.ones((26, 26, 1)), 0.1)

    def change():
        value = getattr(layer, attribute)
        if attribute == "kernels":
            value[0, 0, 0] += 1
        else:
            setattr(layer, attribute, copy.deepcopy(value)[:-1])
        raise ValueError("refused")

    with pytest.raises(AssertionError, match=f"ConvolutionLayer: .*{attribute}"):
        assert_refused(change, [layer], ValueError, "refused")


# One batch for one image


def conv(**options):
    return fc.ConvolutionLayer(16, 3, **options)


def seen(layer, image):
    """Return the layer after a forward pass."""
    (layer.forward_prop if hasattr(layer, "forward_prop") else layer.forward)(image)
    return layer


@pytest.mark.parametrize(
    "batch",
    [IMAGES[:10], IMAGES[:1], IMAGES[:28], IMAGES, IMAGES[:10, :, :20], IMAGES[:10, :, :, None], IMAGES[:9, :4, :4]],
    ids=lambda batch: str(batch.shape),
)
@pytest.mark.parametrize(
    "make",
    [conv, lambda: fc.Conv3x3(8), lambda: conv(channels=1), lambda: conv(channels=3), lambda: seen(conv(), IMAGES[0])],
    ids=["new", "Conv3x3", "1 channel", "3 channels", "trained"],
)
def test_a_batch_is_refused_and_spoils_nothing(make, batch):
    layer = make()
    forward = layer.forward if isinstance(layer, fc.Conv3x3) else layer.forward_prop
    text = f"looks like a batch of {len(batch)} images, which are given one a call: `for image in images: layer.{forward.__name__}"
    assert_refused(lambda: forward(batch), [layer], ValueError, text)
    channels = {(3, 3, 1): 1, (3, 3, 3): 3}.get(np.shape(getattr(layer, "kernels", None))[1:])
    assert forward(IMAGES[0] if channels is None else np.zeros((28, 28, channels))).shape[:2] == (26, 26)


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (28, 28, 3), (20, 60, 4), (13, 13, 16), (5, 5, 64), (9, 11, 8), (14, 10, 8), (26, 30, 32)]
)
def test_one_image_with_channels_is_taken(shape):
    layer = conv()
    assert layer.forward_prop(np.zeros(shape)).shape == (shape[0] - 2, shape[1] - 2, 16)
    assert layer.kernels.shape == (16, 3, 3, shape[2])


def test_what_looks_like_a_batch_is_taken_where_channels_say_so():
    assert conv(channels=28).forward_prop(IMAGES[:10]).shape == (8, 26, 16)
    layer = conv()
    layer.kernels = np.zeros((16, 3, 3, 28))
    assert layer.forward_prop(IMAGES[:10]).shape == (8, 26, 16)


def test_only_the_first_image_has_kernels_drawn_for_it():
    colour = np.zeros((28, 28, 3))
    layer = seen(conv(), IMAGES[0])
    text = r"kernels for an image of shape \(28, 28, 3\) .* make the layer with channels=3$"
    assert_refused(lambda: layer.forward_prop(colour), [layer], ValueError, text)
    layer = seen(conv(), colour)
    text = r"kernels for an image of shape \(28, 28\) .*; they were drawn for the layer's first image, of shape \(28, 28, 3\)$"
    assert_refused(lambda: layer.forward_prop(IMAGES[0]), [layer], ValueError, text)


def test_other_layers_and_functions_say_what_a_batch_is():
    pool, dense = fc.MaxPoolingLayer(2), fc.SoftmaxLayer(784, 10)
    assert_refused(lambda: pool.forward_prop(IMAGES[..., None]), [pool], ValueError, "3 axes .*looks like a batch of 30 images")
    assert_refused(lambda: dense.forward_prop(IMAGES), [dense], ValueError, "784 elements.*looks like a batch of 30 inputs")
    for generator in (pool.patches_generator, conv().patches_generator, fc.Conv3x3(1).iterate_regions):
        assert_refused(lambda g=generator: list(g(IMAGES[..., None])), [generator.__self__], ValueError, "looks like a batch")
    for name, rest in (("conv_2d", ()), ("input_2d_grads", (IMAGES,)), ("param_2d_grads", (IMAGES,))):
        with pytest.raises(ValueError, match=f"^{name}: input must have 2 axes, but has 3: .*; a batch is for {name}_batch$"):
            getattr(fc, name)(IMAGES, np.ones((3, 3)), *rest)
    with pytest.raises(ValueError, match="^conv_1d: input must have 1 axes, but has 2: .*; a batch is for conv_1d_batch$"):
        fc.conv_1d(IMAGES[0], [1, 2])


# Everything else that is refused


BAD_STEPS = {
    "input": lambda layer, forward, back, g: forward(np.zeros((2, 2, 2, 2))),
    "kind": lambda layer, forward, back, g: forward(np.full((28, 28, 1), "a")),
    "gradient": lambda layer, forward, back, g: back(g[:-1]),
    "gradient kind": lambda layer, forward, back, g: back(g.astype(object)),
    "NaN rate": lambda layer, forward, back, g: back(g, np.nan),
    "infinite rate": lambda layer, forward, back, g: back(g, np.float32(np.inf)),
    "rates": lambda layer, forward, back, g: back(g, [0.1, 0.2]),
}
LAYERS = {
    "ConvolutionLayer": (lambda: conv(), (28, 28), (26, 26, 16)),
    "with channels": (lambda: conv(), (28, 28, 3), (26, 26, 16)),
    "Conv3x3": (lambda: fc.Conv3x3(8), (28, 28), (26, 26, 8)),
    "MaxPoolingLayer": (lambda: fc.MaxPoolingLayer(2), (26, 26, 16), (13, 13, 16)),
    "MaxPool2": (lambda: fc.MaxPool2(), (26, 26, 8), (13, 13, 8)),
    "SoftmaxLayer": (lambda: fc.SoftmaxLayer(48, 10), (4, 4, 3), (10,)),
    "Softmax": (lambda: fc.Softmax(48, 10), (4, 4, 3), (10,)),
}


@pytest.mark.parametrize("when", ["before", "after forward", "after backward"])
@pytest.mark.parametrize("step", BAD_STEPS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_refused_step_changes_nothing(name, step, when):
    make, image_shape, output_shape = LAYERS[name]
    layer, image, g = make(), np.random.default_rng(1).random(image_shape), np.ones(output_shape)
    forward = layer.forward_prop if hasattr(layer, "forward_prop") else layer.forward
    back_prop, pooling = layer.back_prop if hasattr(layer, "back_prop") else layer.backprop, "Pool" in name

    def back(gradient, rate=0.1):
        return back_prop(gradient) if pooling else back_prop(gradient, rate)

    if pooling and "rate" in step:
        return  # it takes none
    if when != "before":
        forward(image)
    if when == "after backward":
        back(g)
    assert_refused(lambda: BAD_STEPS[step](layer, forward, back, g), [layer], (ValueError, TypeError), f"^{type(layer).__name__}: ")


def test_a_backward_pass_draws_no_kernels():
    layer = conv()
    next(layer.patches_generator(np.zeros((28, 28, 3))))
    assert_refused(lambda: layer.back_prop(np.zeros((26, 26, 16)), 0.1), [layer], ValueError, "must come after a forward pass")


# The functions that go through many layers


def stack(outputs=10):
    return [conv(), fc.MaxPoolingLayer(2), fc.ConvolutionLayer(8, 3), fc.SoftmaxLayer(11 * 11 * 8, outputs)]


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((IMAGES[:10], 3), ValueError, "ConvolutionLayer: .*looks like a batch of 10 images"),
        ((IMAGES[:10], [3] * 10), ValueError, r"label must be one integer, but has shape \(10,\); it looks like a batch"),
        ((IMAGES[0], 10), ValueError, r"label must be one of the last layer's outputs, but is 10 for \(10,\)"),
        ((IMAGES[0], -1), ValueError, "label must be at least 0"),
        ((IMAGES[0, :20], 3), ValueError, "SoftmaxLayer: the input must have 968 elements"),
        ((np.zeros((4, 4)), 3), ValueError, "ConvolutionLayer: the image must not be smaller"),
    ],
)
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("function", ["CNN_forward", "CNN_training"])
def test_a_stack_is_left_as_it_was(function, trained, arguments, kind, text):
    layers = stack()
    if trained:
        fc.CNN_training(IMAGES[0], 1, layers)
    assert_refused(lambda: getattr(fc, function)(*arguments, layers), layers, kind, text)
    assert np.isfinite(fc.CNN_training(IMAGES[0], 1, layers)[0])


@pytest.mark.parametrize("rate", [np.nan, "fast", [0.1, 0.2], None])
def test_a_stack_with_a_bad_rate(rate):
    layers = stack()
    assert_refused(lambda: fc.CNN_training(IMAGES[0], 1, layers, rate), layers, (ValueError, TypeError), "^CNN_training: .*rate")
    fc.CNN_forward(IMAGES[0], 1, layers)
    g = np.ones(10)
    assert_refused(lambda: fc.CNN_backprop(g, layers, rate), layers, (ValueError, TypeError), "^CNN_backprop: .*rate")


def test_no_layer_is_updated_if_one_before_it_will_refuse():
    layers, g = stack(), np.ones(10)
    seen(layers[3], np.zeros((11, 11, 8)))
    assert_refused(lambda: fc.CNN_backprop(g, layers), layers, ValueError, "must come after a forward pass")
    fc.CNN_forward(IMAGES[0], 1, layers)
    seen(layers[0], IMAGES[0, :20])
    text = r"a ConvolutionLayer gave \(18, 26, 16\) and the next layer took \(26, 26, 16\)"
    assert_refused(lambda: fc.CNN_backprop(g, layers), layers, ValueError, text)
    layers = stack()
    layers[0].kernels = np.ones((16, 3, 3), int)
    text = "ConvolutionLayer.kernels must be a writable float array"
    assert_refused(lambda: fc.CNN_training(IMAGES[0], 1, layers), layers, TypeError, text)


def test_layers_of_other_classes_are_left_to_themselves():
    class Twice:
        def forward_prop(self, image):
            return 2 * image

        def back_prop(self, gradient, alpha):
            return 2 * gradient

    layers = [conv(), Twice(), fc.MaxPoolingLayer(2), fc.SoftmaxLayer(13 * 13 * 16, 10)]
    losses = [fc.CNN_training(IMAGES[0] * 255, 1, layers, 0.001)[0] for _ in range(5)]
    assert losses[-1] < losses[0]
    assert_refused(lambda: fc.CNN_training(IMAGES[0, :20], 1, layers), [layers[0], *layers[2:]], ValueError, "2704 elements")


@pytest.mark.parametrize("function", ["CNN_forward", "CNN_training", "CNN_backprop"])
def test_what_is_no_list_of_layers(function):
    for layers, text in (
        (None, "layers must be a list of layers, but is a NoneType"),
        (fc.MaxPool2(), "layers must be a list of layers, but is a MaxPool2"),
        ([conv(), fc.MaxPool2], "a layer must be made of its class with its arguments, but is the class MaxPool2"),
    ):
        arguments = (np.ones(10),) if function == "CNN_backprop" else (IMAGES[0], 1)
        with pytest.raises(TypeError, match=f"^{function}: {text}$"):
            getattr(fc, function)(*arguments, layers)
