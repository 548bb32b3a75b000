"""Layers: what a network is made of. A layer knows its options, its shapes and its weights; the engine plans its work."""

from .activation import LeakyReLU, ReLU
from .base import Layer, Plan, Weight
from .convolution import Conv2D, DepthwiseConv2D
from .dense import Dense, Flatten
from .normalization import BatchNorm, ZeroPad2D
from .pooling import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from .regularization import Dropout

LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        AvgPool2D,
        BatchNorm,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        Dropout,
        Flatten,
        GlobalAvgPool2D,
        LeakyReLU,
        MaxPool2D,
        ReLU,
        ZeroPad2D,
    )  # fmt: skip
}
"""All layers by the names that stand in files."""

__all__ = ["LAYERS", "Layer", "Plan", "Weight", *LAYERS]
