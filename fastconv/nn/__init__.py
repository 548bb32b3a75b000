"""Networks of layers that train without Python between the updates."""

from . import models
from .augmentation import Shift
from .callbacks import Callback, EarlyStopping
from .history import History
from .keeping import Checkpoint
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
from .model_file import load
from .optimizers import SGD, Adam, AdamW, Optimizer
from .plateau import ReduceLROnPlateau
from .ranges import InputRange
from .schedules import Constant, Cosine, OneCycle, Schedule, Step

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
