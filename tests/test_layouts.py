"""Arrays in another layout: the error says which, and the code that it gives makes them right."""

import re

import numpy as np
import pytest

from fastconv import Conv3x3, ConvolutionLayer, MaxPool2, MaxPoolingLayer, nn
from fastconv import functional as fn

GREY, COLOURED = np.random.default_rng(0).random((5, 12, 12)), np.random.default_rng(1).random((5, 12, 14, 3))


def network(shape):
    return nn.Sequential([nn.Flatten(), nn.Dense(3)], shape)


def repaired(error, x):
    """Return what the code at the end of an error makes of x."""
    code = re.search(r"(x\.\w+\([^)]*\)(\)|, -1\))?(\[None\])?|x\[[^]]*\])$", str(error.value)).group()
    method = re.fullmatch(r"x\.(\w+)\((.*)\)(\[None\])?", code)
    if code in ("x[None]", "x[:, None]"):
        return x[None] if code == "x[None]" else x[:, None]
    numbers = [len(x) if number == "len(x)" else int(number) for number in method[2].split(", ")]
    result = getattr(x, method[1])(*numbers)
    return result[None] if method[3] else result


@pytest.mark.parametrize(
    "shape, x, wrong, text",
    [
        ((12, 14, 3), COLOURED, COLOURED.transpose(0, 3, 1, 2), "it looks like channels first, (n, c, h, w): move the axis with"),
        ((12, 12), GREY, GREY[:, None], "it looks like channels first, (n, c, h, w)"),
        ((12, 14, 3), COLOURED, COLOURED.transpose(1, 2, 3, 0), "it looks like (h, w, ..., n)"),
        ((12, 12), GREY[:4], GREY[:4].transpose(1, 2, 0), "it looks like (h, w, ..., n)"),
        ((12, 14, 3), COLOURED, COLOURED.reshape(5, -1), "it looks like rows of pixels"),
        ((12, 12), GREY, GREY.reshape(5, -1), "it looks like rows of pixels"),
        ((144,), GREY.reshape(5, -1), GREY, "it looks like images: make rows of them"),
        ((1,), GREY[0, 0][:, None], GREY[0, 0], "rows of one number are"),
        ((12, 14, 3), COLOURED[:1], COLOURED[0].transpose(2, 0, 1), "it looks like one image with channels first, (c, h, w)"),
    ],
    ids=str,
)  # fmt: skip
def test_images_in_another_layout(shape, x, wrong, text):
    made = network(shape)
    for name, call in (("predict", made.predict), ("evaluate", lambda x: made.evaluate(x, np.zeros(len(x))))):
        with pytest.raises(ValueError, match=rf"^{name}: x must be \(n, .*\), but has shape .*; {re.escape(text)}") as error:
            call(wrong)
        np.testing.assert_array_equal(made.predict(repaired(error, wrong)), made.predict(x))


def test_one_image_to_learn_from_says_how():
    for shape, x in (
        ((12, 14, 3), COLOURED[0]),
        ((12, 12), GREY[0]),
        ((12, 12), GREY[0][..., None]),
        ((14,), COLOURED[0, 0, :, 0]),
    ):
        for call in (network(shape).fit, network(shape).evaluate, network(shape).gradient):
            with pytest.raises(ValueError, match=r"it looks like one image, which is a batch as x\[None\]$"):
                call(x, [0])


def test_square_images_of_as_many_channels_are_taken_as_they_are():
    assert network((3, 3, 3)).predict(np.zeros((2, 3, 3, 3))).shape == (2, 3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 224, 224)])
def test_a_model_of_images_with_channels_first(shape):
    with pytest.warns(
        UserWarning, match=rf"looks like channels first, but images are \(h, w, c\): \({shape[1]}, {shape[2]}, {shape[0]}\)$"
    ):
        nn.Sequential([nn.GlobalAvgPool2D()], shape)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"covers . pixels of 1; it looks like channels first"):
        nn.Sequential([nn.Conv2D(8, 3 if shape[0] == 1 else (3, 2)), nn.MaxPool2D(2)], shape)


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 100, 9), (3, 3, 3), (4, 8, 8), (2, 28, 28), (28, 28), (784,)])
def test_other_shapes_are_no_reason_to_warn(shape):
    nn.Sequential([nn.Flatten()], shape)


# Functions


def first(x):
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_functions_of_channels_last_get_channels_first(dims):
    x, name = np.ones((2, *(9, 10, 11)[:dims], 3)), {1: "w", 2: "h, w", 3: "d, h, w"}[dims]
    w = np.ones((*[2] * dims, 3, 4))
    conv, pool, transposed = ((fn.conv1d, fn.conv2d, fn.conv3d), (fn.max_pool1d, fn.max_pool2d, fn.max_pool3d),
                              (fn.conv_transpose1d, fn.conv_transpose2d, fn.conv_transpose3d))  # fmt: skip
    back = np.ones((*[2] * dims, 4, 3))
    for function, argument in ((conv, w), (transposed, back), (pool, 4)):
        with pytest.raises(
            ValueError, match=rf"; it looks like channels first, \(n, c, {name}\): move the axis with x\.trans"
        ) as error:
            function[dims - 1](first(x), argument)
        np.testing.assert_array_equal(repaired(error, first(x)), x)


@pytest.mark.parametrize("dims", [2, 3])
def test_functions_of_channels_first_get_channels_last(dims):
    x, layout = np.ones((2, *(9, 10, 11)[:dims], 3)), {2: "NHWC", 3: "NDHWC"}[dims]
    options = {"layout": {2: "NCHW", 3: "NCDHW"}[dims]}
    for function, argument in ((getattr(fn, f"conv{dims}d"), np.ones((4, 3, *[2] * dims))), (getattr(fn, f"avg_pool{dims}d"), 4)):
        with pytest.raises(ValueError, match=rf"; it looks like channels last, \(n, .*, c\), which is the layout '{layout}'$"):
            function(x, argument, **options)


def test_errors_about_other_things_say_nothing_of_layouts():
    for call in (
        lambda: fn.conv2d(np.ones((1, 4, 5, 3)), np.ones((5, 5, 3, 2))),
        lambda: fn.conv2d(np.ones((1, 9, 9, 7)), np.ones((3, 3, 3, 2))),
        lambda: fn.max_pool2d(np.ones((1, 5, 5, 1)), 6),
        lambda: fn.max_pool1d(np.ones((1, 4, 3)), 6),
        lambda: nn.Sequential([nn.Conv2D(8, 9)], (5, 6, 3)),
    ):
        with pytest.raises(ValueError, match=r"of \d+$|is not 7$"):
            call()


# The notebooks' layers


@pytest.mark.parametrize("layer", [ConvolutionLayer(4, 3), Conv3x3(4), MaxPoolingLayer(2), MaxPool2()])
def test_the_notebooks_layers_get_channels_first(layer):
    call = layer.forward if isinstance(layer, (Conv3x3, MaxPool2)) else layer.forward_prop
    with pytest.raises(ValueError, match=r"channels first: move the axis with image\.transpose\(1, 2, 0\)\)$"):
        call(GREY[:1])
    assert call(GREY[:1].transpose(1, 2, 0)).shape[0] > 3
