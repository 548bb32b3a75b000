"""Small networks that together have every layer, to compare their gradients with others'.

All dense layers have 16 inputs, and batches are of 4, so that few tiles are compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv import nn

BATCH = 4


class Network(NamedTuple):
    """A network: what makes its layers, the shape of an image, the loss."""

    name: str
    layers: Any
    shape: tuple[int, ...]
    loss: str = "cross_entropy"

    def model(self, dtype: str) -> nn.Sequential:
        """Return the model, its weights (biases, too) at random."""
        model = nn.Sequential(self.layers(), self.shape, dtype, seed=3)
        random = np.random.default_rng(7)
        model.parameters[:] += random.normal(0, 0.2, model.parameters.size)
        model.buffers[:] += random.uniform(0.1, 0.5, model.buffers.size)
        return model

    def data(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Return images and targets."""
        random = np.random.default_rng(11)
        x = random.standard_normal((BATCH, *self.shape)).astype(dtype)
        if self.loss == "cross_entropy":
            return x, random.integers(0, 3, BATCH)
        return x, random.standard_normal((BATCH, 3)).astype(dtype)


NETWORKS = [
    Network(
        "pools",
        lambda: [nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(2), nn.AvgPool2D(2), nn.Flatten(), nn.Dense(3)],
        (11, 10, 2),
    ),
    Network(
        "batch norm",
        lambda: [
            nn.BatchNorm(),
            nn.ZeroPad2D(((0, 1), (2, 0))),
            nn.Conv2D(4, 3, use_bias=False),
            nn.BatchNorm(0.3, 1e-3),
            nn.ReLU(),
            nn.MaxPool2D(3, 2, padding=1, ties="split"),
            nn.ZeroPad2D(1),
            nn.AvgPool2D(4, padding=1, ceil_mode=True),
            nn.Flatten(),
            nn.Dense(3),
            nn.BatchNorm(),
        ],
        (6, 6, 2),
    ),
    Network(
        "depthwise",
        lambda: [
            nn.Conv2D(16, 1),
            nn.DepthwiseConv2D(3, stride=2, padding="same", activation="leaky_relu"),
            nn.GlobalAvgPool2D(),
            nn.Dense(3),
        ],
        (7, 6, 3),
    ),
    Network(
        "groups",
        lambda: [
            nn.Conv2D(6, (2, 3), padding=((1, 0), (2, 1))),
            nn.Conv2D(4, 3, groups=2, stride=(2, 1), dilation=(1, 2)),
            nn.LeakyReLU(0.3),
            nn.AvgPool2D((3, 4), (2, 4), padding=1, count_include_pad=True),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Dense(3),
        ],
        (7, 8, 1),
        loss="mean_squared_error",
    ),
    Network(
        "rows",
        lambda: [nn.Dense(16, activation="leaky_relu"), nn.Dropout(0.3), nn.Dense(3, use_bias=False)],
        (16,),
        loss="mean_squared_error",
    ),
]
