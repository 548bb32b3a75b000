"""Layers that bring their input into shape: batch normalisation, and margins."""

from __future__ import annotations

from math import prod
from typing import Any

from ...engine import normalization
from ...engine.operations import Operation
from ...shapes import Ints, Pads, as_padding
from ..options import as_number, as_plain
from .base import Layer, Plan, Weight, image_shape


class BatchNorm(Layer):
    """Batch normalisation (Ioffe and Szegedy, 2015): each channel with the mean 0 and the variance 1, then times gamma plus beta.

    In training, mean and variance are the batch's, over all its images and pixels; otherwise the running ones, which each update
    moves towards the batch's. So a batch in training must have more than one value for each channel: of rows, more than one row.
    Where the last batch of an epoch would have one, `fit` refuses, or leaves it out with drop_last=True.

    Parameters
    ----------
    momentum : float
        From 0 to 1: the running ones become (1 - momentum) times themselves plus momentum times the batch's.
    epsilon : float
        Is added to the variance.

    Notes
    -----
    ``torch.nn.BatchNorm2d``, after Dense ``BatchNorm1d``; Keras' momentum is one minus this. The weights are gamma and beta
    (channels,), trained, and running_mean and running_var (channels,), in the model's `buffers`. The running variance is an
    unbiased one, of n - 1. A frozen layer (trainable = False) normalises by the running ones in training too, and leaves them.
    Means and variances are computed in float64, relative to a pixel, so that nothing is lost where the numbers are far from zero.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.BatchNorm()
    BatchNorm(momentum=0.1, epsilon=1e-05)
    """

    def __init__(self, momentum: float = 0.1, epsilon: float = 1e-5):
        self.momentum = as_number("BatchNorm", "momentum", momentum, 0)
        if self.momentum > 1:
            raise ValueError(f"BatchNorm: momentum must be from 0 to 1, but is {momentum!r}")
        self.epsilon = as_number("BatchNorm", "epsilon", epsilon, 0)

    def weights(self, shape: Ints) -> list[Weight]:
        """Return gamma, beta and the running statistics."""
        size = (shape[-1],)
        trained = [Weight("gamma", size, "ones", 1, 1), Weight("beta", size, "zeros", 1, 1)]
        return [*trained, Weight("running_mean", size, "zeros", 1, 1, False), Weight("running_var", size, "ones", 1, 1, False)]

    def check_batch(self, shape: Ints) -> None:
        """Refuse a batch with one value for each channel, whose variance would be zero; a frozen layer doesn't need any."""
        if self.trainable and prod(shape[:-1]) == 1:
            raise ValueError(f"{self.name} is trained by the variance over a batch, but a batch {shape} has one value a channel")

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the normalisation; a frozen layer's by the running statistics, in training too."""
        return [
            normalization.BatchNorm(plan.weights, plan.gradients, self.momentum, self.epsilon, plan.training and self.trainable)
        ]


class ZeroPad2D(Layer):
    """Zeros around images.

    Parameters
    ----------
    padding : int, pair of int, or pair of pairs
        On all sides; above and below, and before and behind; or ((above, below), (before, behind)).

    Notes
    -----
    Convolution and pooling have padding of their own, which needs no copy.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.ZeroPad2D(((0, 1), (2, 2))).output_shape((28, 28, 3))
    (29, 32, 3)
    """

    def __init__(self, padding: Any = 1):
        if isinstance(padding, str):
            raise TypeError(f"ZeroPad2D: padding must be an integer or pairs, but is {padding!r}")
        self.padding = as_plain(padding)
        self._pads: Pads = as_padding("ZeroPad2D", padding, 2)  # type: ignore[assignment]  # no string

    def output_shape(self, shape: Ints) -> Ints:
        """Return (above + h + below, before + w + behind, c)."""
        height, width, channels = image_shape(self.name, shape)
        return (height + sum(self._pads[0]), width + sum(self._pads[1]), channels)

    def operations(self, plan: Plan) -> list[Operation]:
        """Return the copy."""
        return [normalization.ZeroPadding(plan.shape[0], (*plan.shape[1:], *self._pads[0], *self._pads[1]))]
