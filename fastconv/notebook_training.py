"""The notebook's training step over any list of its layers: CNN_forward, CNN_backprop, CNN_training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_array
from .layers import Conv3x3, ConvolutionLayer, MaxPool2, MaxPoolingLayer, Softmax, SoftmaxLayer
from .shapes import as_int

_FORWARD: dict[type, Any] = {
    ConvolutionLayer: ConvolutionLayer.forward_prop,
    MaxPoolingLayer: MaxPoolingLayer.forward_prop,
    SoftmaxLayer: SoftmaxLayer.forward_prop,
    Conv3x3: Conv3x3.forward,
    MaxPool2: MaxPool2.forward,
    Softmax: Softmax.forward,
}


def _known(name: str, layers: Sequence[Any]) -> list[Any]:
    """Return the layers as a list; TypeError for one that isn't of fastconv's six classes or has no forward_prop of its own."""
    checked = list(layers)
    if not checked:
        raise ValueError(f"{name}: there must be at least one layer, but there is none")
    for layer in checked:
        if type(layer) not in _FORWARD and not hasattr(layer, "forward_prop"):
            raise TypeError(f"{name}: a layer must have forward_prop or be one of fastconv's, but is a {type(layer).__name__}")
    return checked


def CNN_forward(image: ArrayLike, label: int, layers: Sequence[Any]) -> tuple[np.ndarray, float, int]:
    """Run an image with pixels from 0 to 255 through the layers.

    Parameters
    ----------
    image : (h, w) or (h, w, c)
        Pixels from 0 to 255; divided by 255.
    label : int
        From 0 to the last layer's outputs - 1.
    layers : sequence of layers
        fastconv's, or others with forward_prop.

    Returns
    -------
    output : (outputs,) ndarray
        The probabilities.
    loss : float
        -log(output[label]).
    accuracy : int
        1 if the largest output is the label's, else 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import CNN_forward, ConvolutionLayer, MaxPoolingLayer, SoftmaxLayer
    >>> layers = [ConvolutionLayer(16, 3), MaxPoolingLayer(2), SoftmaxLayer(13 * 13 * 16, 10)]
    >>> output, loss, accuracy = CNN_forward(np.zeros((28, 28), np.uint8), 7, layers)
    >>> round(float(loss), 4)
    2.3026
    """
    number = as_int("CNN_forward", "label", label, 0)
    output = as_array("CNN_forward", "the image", image) / 255.0
    for layer in _known("CNN_forward", layers):
        forward = _FORWARD.get(type(layer))
        output = layer.forward_prop(output) if forward is None else forward(layer, output)
    if output.ndim != 1 or number >= len(output):
        raise ValueError(f"CNN_forward: label must be one of the last layer's outputs, but is {number} for {output.shape}")
    return output, -np.log(output[number]), 1 if np.argmax(output) == number else 0


def CNN_backprop(gradient: ArrayLike, layers: Sequence[Any], alpha: float = 0.05) -> Any:
    """Run the gradient of the last layer's output back through the layers, which update their weights by -alpha times theirs.

    Returns
    -------
    What the first layer's back_prop returns.
    """
    back = gradient
    for layer in _known("CNN_backprop", layers)[::-1]:
        kind = type(layer)
        if kind in (ConvolutionLayer, SoftmaxLayer):
            back = layer.back_prop(back, alpha)
        elif kind is MaxPoolingLayer:
            back = layer.back_prop(back)
        elif kind in (Conv3x3, Softmax):
            back = layer.backprop(back, alpha)
        elif kind is MaxPool2:
            back = layer.backprop(back)
        else:
            back = layer.back_prop(back, alpha)
    return back


def CNN_training(image: ArrayLike, label: int, layers: Sequence[Any], alpha: float = 0.05) -> tuple[float, int]:
    """Take one training step on one image: CNN_forward, the gradient of -log(output[label]), CNN_backprop.

    Returns
    -------
    loss, accuracy
        As CNN_forward gives them, before the update.
    """
    output, loss, accuracy = CNN_forward(image, label, layers)
    gradient = np.zeros(len(output))
    gradient[label] = -1 / output[label]
    CNN_backprop(gradient, layers, alpha)
    return loss, accuracy
