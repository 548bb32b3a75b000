"""Convolution, pooling, dense layers and losses on NumPy arrays, with their gradients.

Each function checks its arguments (ValueError or TypeError before any work), allocates its result, chooses a kernel and
calls it. No input is modified; results are C-contiguous and new.
"""

from .activation import log_softmax, log_softmax_grad, relu, relu_grad, softmax, softmax_grad
from .adaptive_pool import adaptive_avg_pool, adaptive_avg_pool_grad, adaptive_max_pool, adaptive_max_pool_grad
from .avg_pool import avg_pool1d, avg_pool1d_grad, avg_pool2d, avg_pool2d_grad, avg_pool3d, avg_pool3d_grad
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
from .conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_input_grad,
    conv_transpose1d_weight_grad,
    conv_transpose2d,
    conv_transpose2d_input_grad,
    conv_transpose2d_weight_grad,
    conv_transpose3d,
    conv_transpose3d_input_grad,
    conv_transpose3d_weight_grad,
)
from .explain import Explanation, explain
from .global_pool import global_avg_pool, global_avg_pool_grad, global_max_pool, global_max_pool_grad
from .linear import linear, linear_grad, linear_input_grad, linear_weight_grad
from .loss import cross_entropy, cross_entropy_grad
from .lp_pool import lp_pool, lp_pool_grad
from .pool import (
    max_pool1d,
    max_pool1d_grad,
    max_pool2d,
    max_pool2d_grad,
    max_pool3d,
    max_pool3d_grad,
    min_pool1d,
    min_pool1d_grad,
    min_pool2d,
    min_pool2d_grad,
    min_pool3d,
    min_pool3d_grad,
)
from .unpool import max_unpool1d, max_unpool1d_grad, max_unpool2d, max_unpool2d_grad, max_unpool3d, max_unpool3d_grad

__all__ = [
    "Explanation",
    "adaptive_avg_pool",
    "adaptive_avg_pool_grad",
    "adaptive_max_pool",
    "adaptive_max_pool_grad",
    "avg_pool1d",
    "avg_pool1d_grad",
    "avg_pool2d",
    "avg_pool2d_grad",
    "avg_pool3d",
    "avg_pool3d_grad",
    "conv1d",
    "conv1d_input_grad",
    "conv1d_weight_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv3d",
    "conv3d_input_grad",
    "conv3d_weight_grad",
    "conv_transpose1d",
    "conv_transpose1d_input_grad",
    "conv_transpose1d_weight_grad",
    "conv_transpose2d",
    "conv_transpose2d_input_grad",
    "conv_transpose2d_weight_grad",
    "conv_transpose3d",
    "conv_transpose3d_input_grad",
    "conv_transpose3d_weight_grad",
    "cross_entropy",
    "cross_entropy_grad",
    "explain",
    "global_avg_pool",
    "global_avg_pool_grad",
    "global_max_pool",
    "global_max_pool_grad",
    "linear",
    "linear_grad",
    "linear_input_grad",
    "linear_weight_grad",
    "log_softmax",
    "log_softmax_grad",
    "lp_pool",
    "lp_pool_grad",
    "max_pool1d",
    "max_pool1d_grad",
    "max_pool2d",
    "max_pool2d_grad",
    "max_pool3d",
    "max_pool3d_grad",
    "max_unpool1d",
    "max_unpool1d_grad",
    "max_unpool2d",
    "max_unpool2d_grad",
    "max_unpool3d",
    "max_unpool3d_grad",
    "min_pool1d",
    "min_pool1d_grad",
    "min_pool2d",
    "min_pool2d_grad",
    "min_pool3d",
    "min_pool3d_grad",
    "relu",
    "relu_grad",
    "softmax",
    "softmax_grad",
]
