"""Networks of layers that train without Python between the updates."""

from .augmentation import Shift
from .layers import (
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    ZeroPad2D,
)
from .model import Sequential
from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedules import Constant, Cosine, OneCycle, Schedule, Step

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool2D",
    "BatchNorm",
    "Constant",
    "Conv2D",
    "Cosine",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "OneCycle",
    "Optimizer",
    "ReLU",
    "Schedule",
    "Sequential",
    "Shift",
    "Step",
    "ZeroPad2D",
]
