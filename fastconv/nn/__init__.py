"""Networks of layers that train without Python between the updates."""

from . import models
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
from .model import Sequential, load
from .ranges import InputRange
from .training.augmentation import Shift
from .training.callbacks import Callback, EarlyStopping
from .training.history import History
from .training.keeping import Checkpoint
from .training.optimizers import SGD, Adam, AdamW, Optimizer
from .training.plateau import ReduceLROnPlateau
from .training.schedules import Constant, Cosine, OneCycle, Schedule, Step

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool2D",
    "BatchNorm",
    "Callback",
    "Checkpoint",
    "Constant",
    "Conv2D",
    "Cosine",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "GlobalAvgPool2D",
    "History",
    "InputRange",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "OneCycle",
    "Optimizer",
    "ReLU",
    "ReduceLROnPlateau",
    "Schedule",
    "Sequential",
    "Shift",
    "Step",
    "ZeroPad2D",
    "load",
    "models",
]
