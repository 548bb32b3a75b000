"""Convolution, pooling, dense layers and losses on NumPy arrays, with their gradients: the only door to the kernels.

Each function checks its arguments (ValueError or TypeError before any work), allocates its result, chooses a kernel and
calls it. No input is modified; results are C-contiguous and new.
"""

from .activation import (
    cross_entropy,
    cross_entropy_grad,
    log_softmax,
    log_softmax_grad,
    relu,
    relu_grad,
    softmax,
    softmax_grad,
)
from .conv import (
    conv1d,
    conv1d_input_grad,
    conv1d_weight_grad,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv3d,
    conv3d_input_grad,
    conv3d_weight_grad,
)
from .linear import linear, linear_input_grad, linear_weight_grad
from .pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad, min_pool2d, min_pool2d_grad

__all__ = [
    "avg_pool2d",
    "avg_pool2d_grad",
    "conv1d",
    "conv1d_input_grad",
    "conv1d_weight_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv3d",
    "conv3d_input_grad",
    "conv3d_weight_grad",
    "cross_entropy",
    "cross_entropy_grad",
    "linear",
    "linear_input_grad",
    "linear_weight_grad",
    "log_softmax",
    "log_softmax_grad",
    "max_pool2d",
    "max_pool2d_grad",
    "min_pool2d",
    "min_pool2d_grad",
    "relu",
    "relu_grad",
    "softmax",
    "softmax_grad",
]
