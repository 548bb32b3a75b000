"""Which models the engine runs in one pass over each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine.fused import MOST_CLASSES, ConvPoolDense
from .layers import Conv2D, Dense, DepthwiseConv2D, Flatten, MaxPool2D

if TYPE_CHECKING:
    from .network import Network

MOST_FILTERS = 64
MOST_TAPS = 25


def conv_pool_dense(model: Network, vector: np.ndarray) -> ConvPoolDense | None:
    """Return the model as the notebook's kind, its weights being views of a vector like `parameters`; None if it is another.

    That is, for square images of one channel: a convolution, with or without bias and ReLU, 2 x 2 max pooling, a dense layer of few
    classes.
    """
    if model.dtype != np.float32 or [type(layer) for layer in model.layers] != [Conv2D, MaxPool2D, Flatten, Dense]:
        return None
    conv, pool, _, dense = model.layers
    assert isinstance(conv, Conv2D) and isinstance(pool, MaxPool2D) and isinstance(dense, Dense)
    assert not isinstance(conv, DepthwiseConv2D)
    height, width, channels = model.shapes[0]
    k, k_across, _, filters = model.weight_shapes(0)["kernel"]
    convolved, pooled = model.shapes[1], (model.shapes[1][0] // 2, model.shapes[1][1] // 2, filters)
    if (height, channels, k) != (width, 1, k_across) or convolved != (height - k + 1, width - k + 1, filters):
        return None  # other images, or a stride, padding or dilation
    if (
        model.shapes[2] != pooled
        or pooled[0] < 1
        or not dense.use_bias
        or dense.activation
        or conv.activation not in (None, "relu")
    ):
        return None
    if pool.ties == "split" or not _plain_pool(pool):
        return None
    if dense.units > MOST_CLASSES or filters > MOST_FILTERS or k * k > MOST_TAPS:
        return None
    views = model.views(vector)
    first, last = views[0], views[3]
    weights = (first["kernel"], first.get("bias", vector[:0]), last["kernel"], last["bias"])
    flat = tuple(array.reshape(-1) for array in weights)
    return ConvPoolDense(width, k, filters, dense.units, conv.activation == "relu", pool.ties == "first", flat)  # type: ignore[arg-type]  # four of them


def _plain_pool(pool: MaxPool2D) -> bool:
    """Return whether the windows are 2 x 2 and next to one another; that they fill the image, the shapes say."""
    two = (2, (2, 2), [2, 2])
    return pool.kernel_size in two and (pool.stride is None or pool.stride in two) and pool.padding in ("valid", 0)
