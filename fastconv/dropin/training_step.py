"""The notebook's training step over any list of its layers: CNN_forward, CNN_backprop, CNN_training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array
from ..messages.divergence import LossWatch
from ..shapes import as_int
from . import Conv3x3, ConvolutionLayer, MaxPool2, MaxPoolingLayer, Softmax, SoftmaxLayer
from .checks import Before, check_rate, check_updatable

_FORWARD: dict[type, Any] = {
    ConvolutionLayer: ConvolutionLayer.forward_prop,
    MaxPoolingLayer: MaxPoolingLayer.forward_prop,
    SoftmaxLayer: SoftmaxLayer.forward_prop,
    Conv3x3: Conv3x3.forward,
    MaxPool2: MaxPool2.forward,
    Softmax: Softmax.forward,
}


_WEIGHTS = {ConvolutionLayer: ("kernels",), Conv3x3: ("filters",), SoftmaxLayer: ("weight", "bias"), Softmax: ("weights", "biases")}


def _known(name: str, layers: Sequence[Any]) -> list[Any]:
    """Return the layers as a list; TypeError for one that isn't of fastconv's six classes or has no forward_prop of its own."""
    if not isinstance(layers, Iterable):
        raise TypeError(f"{name}: layers must be a list of layers, but is a {type(layers).__name__}")
    checked = list(layers)
    if not checked:
        raise ValueError(f"{name}: there must be at least one layer, but there is none")
    for layer in checked:
        if isinstance(layer, type) and issubclass(layer, tuple(_FORWARD)):
            raise TypeError(f"{name}: a layer must be made of its class with its arguments, but is the class {layer.__name__}")
        if type(layer) not in _FORWARD and not hasattr(layer, "forward_prop"):
            raise TypeError(f"{name}: a layer must have forward_prop or be one of fastconv's, but is a {type(layer).__name__}")
    return checked


def _checked_label(label: Any) -> int:
    try:
        return as_int("CNN_forward", "label", label, 0)
    except TypeError:
        if np.ndim(label):
            loop = "`for image, label in zip(images, labels): CNN_forward(image, label, layers)`"
            raise ValueError(
                f"CNN_forward: label must be one integer, but has shape {np.shape(label)}; it looks like a batch, of which "
                f"one image a call is taken: {loop}"
            ) from None
        raise


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

    Raises
    ------
    ValueError, TypeError
        If a layer refuses its input, as a convolution does a batch of images, or the label can't be. Then fastconv's layers, also
        those before the one that refused, and numpy.random are as they were.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import CNN_forward, ConvolutionLayer, MaxPoolingLayer, SoftmaxLayer
    >>> layers = [ConvolutionLayer(16, 3), MaxPoolingLayer(2), SoftmaxLayer(13 * 13 * 16, 10)]
    >>> output, loss, accuracy = CNN_forward(np.zeros((28, 28), np.uint8), 7, layers)
    >>> round(float(loss), 4)
    2.3026
    """
    number = _checked_label(label)
    output = as_array("CNN_forward", "the image", image) / 255.0
    checked = _known("CNN_forward", layers)
    before = Before([layer for layer in checked if type(layer) in _FORWARD])
    try:
        for layer in checked:
            forward = _FORWARD.get(type(layer))
            output = layer.forward_prop(output) if forward is None else forward(layer, output)
        if output.ndim != 1 or number >= len(output):
            raise ValueError(f"CNN_forward: label must be one of the last layer's outputs, but is {number} for {output.shape}")
    except BaseException:  # raised again: the layers that took the image before one refused are as they were
        before.restore()
        raise
    return output, -np.log(output[number]), 1 if output.argmax() == number else 0


def CNN_backprop(gradient: ArrayLike, layers: Sequence[Any], alpha: float = 0.05) -> Any:
    """Run the gradient of the last layer's output back through the layers, which update their weights by -alpha times theirs.

    Returns
    -------
    What the first layer's back_prop returns.

    Raises
    ------
    ValueError, TypeError
        If the gradient has a wrong shape, alpha isn't finite, there has been no forward pass, or weights can't be updated. Then
        none of fastconv's layers has been.
    """
    checked = _known("CNN_backprop", layers)
    check_rate("CNN_backprop", alpha)
    _check_chain(checked)
    return _back(gradient, checked, alpha)


def _check_chain(layers: list[Any]) -> None:
    """Refuse what a layer would refuse after those behind it have been updated; layers of other classes check themselves."""
    wanted = None
    for layer in layers[::-1]:
        gives, takes = layer.backward_shapes() if type(layer) in _FORWARD else (None, None)
        if wanted is not None and gives is not None and gives != wanted:
            raise ValueError(
                f"CNN_backprop: each layer's last input must be the output of the layer before it, but a {type(layer).__name__} "
                f"gave {gives} and the next layer took {wanted}"
            )
        wanted = takes


def _back(gradient: Any, layers: list[Any], alpha: float) -> Any:
    back = gradient
    for layer in layers[::-1]:
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

    Parameters
    ----------
    image, label, layers
        As for CNN_forward.
    alpha : float
        The learning rate. The default, 0.05, is the notebook's, for its 1,000 images. Over more of MNIST it makes the training of
        the notebook's network come apart, in the notebook's own loops too, after some 6,000; 0.005 takes it to 95 % in 60,000.

    Returns
    -------
    loss, accuracy
        As CNN_forward gives them, before the update.

    Raises
    ------
    ValueError, TypeError
        As for CNN_forward and CNN_backprop; then nothing has been updated.

    Warns
    -----
    RuntimeWarning
        Once for a network, by its last layer: if the loss is NaN, or the mean loss of 100 images is over 10 times ln(outputs), that
        of guessing. (Where the loops' weights become NaN, these stay finite, and the loss doesn't pass 708, that of the smallest
        probability there is.)
    """
    rate = check_rate("CNN_training", alpha)
    checked = _known("CNN_training", layers)
    for layer in checked:
        for name in _WEIGHTS.get(type(layer), ()):
            check_updatable("CNN_training", f"{type(layer).__name__}.{name}", getattr(layer, name))
    output, loss, accuracy = CNN_forward(image, label, checked)
    gradient = np.zeros(len(output))
    gradient[label] = -1 / output[label]
    _back(gradient, checked, alpha)
    _watch_of(checked[-1], len(output)).add(loss, rate)
    return loss, accuracy


_watches: WeakKeyDictionary[Any, LossWatch] = WeakKeyDictionary()


def _watch_of(last: Any, outputs: int) -> LossWatch:
    """Return who watches the losses of a network with this last layer."""
    try:
        watch = _watches.get(last)
        if watch is None:
            watch = _watches[last] = LossWatch("CNN_training", np.log(outputs))
        return watch
    except TypeError:  # a layer of another class, which has no hash
        return LossWatch("CNN_training", np.log(outputs))
