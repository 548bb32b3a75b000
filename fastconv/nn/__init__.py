"""Networks of layers that train without Python between the updates."""

from . import models
from .augmentation import Shift
from .layers import AvgPool2D, Conv2D, Dense, DepthwiseConv2D, Dropout, Flatten, GlobalAvgPool2D, Layer, LeakyReLU, MaxPool2D, ReLU
from .model import Sequential
from .model_file import load
from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedules import Constant, Cosine, OneCycle, Schedule, Step

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool2D",
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
    "load",
    "models",
]
