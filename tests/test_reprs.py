"""What is shown of an object at the end of a notebook's cell."""

import numpy as np
import pytest

from fastconv import Conv3x3, ConvolutionLayer, MaxPool2, MaxPoolingLayer, Softmax, SoftmaxLayer, nn


def test_a_model_shows_its_layers_shapes_and_parameters(capsys):
    model = nn.Sequential([nn.Conv2D(16, 3), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)], (28, 28), "float64", seed=3)
    first, *table = repr(model).splitlines()
    assert first == "Sequential: (28, 28, 1) -> (10,), 27,210 parameters of float64, seed 3"
    model.summary()
    assert table == capsys.readouterr().out.splitlines()
    assert table[2].split() == ["0", "Conv2D", "(26,", "26,", "16)", "160", "194,688"]
    assert "in all" in repr(nn.Sequential([], (3,)))


@pytest.mark.parametrize(
    "layer, image, before, after",
    [
        (ConvolutionLayer(16, 3), (28, 28), "ConvolutionLayer(16, 3)", ": (28, 28) -> (26, 26, 16)"),
        (
            ConvolutionLayer(4, 2, init="scaled", dtype="float32", channels=3),
            (9, 8, 3),
            "ConvolutionLayer(4, 2, init='scaled', dtype='float32', channels=3)",
            ": (9, 8, 3) -> (8, 7, 4)",
        ),
        (Conv3x3(8), (5, 5), "Conv3x3(8)", ": (5, 5) -> (3, 3, 8)"),
        (MaxPoolingLayer(2), (7, 6, 8), "MaxPoolingLayer(2)", ": (7, 6, 8) -> (3, 3, 8)"),
        (MaxPool2(), (7, 6, 8), "MaxPool2()", ": (7, 6, 8) -> (3, 3, 8)"),
        (SoftmaxLayer(12, 3, init="scaled"), (2, 2, 3), "SoftmaxLayer(12, 3, init='scaled')", ": (2, 2, 3) -> (3,)"),
        (Softmax(12, 3, dtype="float32"), (12,), "Softmax(12, 3, dtype='float32')", ": (12,) -> (3,)"),
    ],
)
def test_the_notebooks_layers_show_how_they_are_made_and_then_their_shapes(layer, image, before, after):
    assert repr(layer) == before
    forward = layer.forward_prop if hasattr(layer, "forward_prop") else layer.forward
    forward(np.zeros(image))
    assert repr(layer) == before + after


def test_a_layer_shows_the_channels_of_its_first_image():
    layer = ConvolutionLayer(4, 2)
    layer.forward_prop(np.zeros((9, 8, 3)))
    assert repr(layer) == "ConvolutionLayer(4, 2, channels=3): (9, 8, 3) -> (8, 7, 4)"
