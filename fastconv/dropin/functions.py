"""The notebooks' convolution functions in one and two dimensions, with their gradients: the same names, mended.

All are correlations with k // 2 zeros before and enough behind, so that results have the input's shape, for odd and even,
square and other kernels. The result's type is `numpy.result_type` of the arguments: integers stay integers, exactly.
Everything is what the notebooks' text defines; where their code does something else (rows never padded, even kernels one
off, float kernels cut to the input's integers), this doesn't follow it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import as_array
from ..shapes import check_made, per_axis
from .exact import same_correlation, same_input_grad, same_param_grad


def _zero_pad(name: str, arr: Any, n: Any, rank: int) -> np.ndarray:
    array = as_array(name, "arr", arr, complex_too=True)
    if array.ndim != rank:
        raise ValueError(f"{name}: arr must have {rank} axes, but has {array.ndim}: shape {array.shape}")
    pads = per_axis(name, "n", n, rank, 0)
    check_made(name, tuple(size + 2 * pad for size, pad in zip(array.shape, pads, strict=True)), array.shape)
    return np.pad(array, [(pad, pad) for pad in pads])


def zero_pad_1d(arr: ArrayLike, n: int) -> np.ndarray:
    """Return arr (length,) with n zeros on both sides, (length + 2 n,), of arr's type.

    Examples
    --------
    >>> from fastconv import zero_pad_1d
    >>> zero_pad_1d([1, 2, 3], 1)
    array([0, 1, 2, 3, 0])
    """
    return _zero_pad("zero_pad_1d", arr, n, 1)


def zero_pad_2d(arr: ArrayLike, n: int | tuple[int, int]) -> np.ndarray:
    """Return arr (h, w) with n (or n[0] rows and n[1] columns of) zeros on all sides, of arr's type.

    Examples
    --------
    >>> from fastconv import zero_pad_2d
    >>> zero_pad_2d([[1]], (1, 2))
    array([[0, 0, 0, 0, 0],
           [0, 0, 1, 0, 0],
           [0, 0, 0, 0, 0]])
    """
    return _zero_pad("zero_pad_2d", arr, n, 2)


def conv_1d(arr: ArrayLike, param: ArrayLike) -> np.ndarray:
    """Return out[i] = sum of arr[i + j - k // 2] * param[j], (length,), for arr (length,) and param (k,).

    Examples
    --------
    >>> from fastconv import conv_1d
    >>> conv_1d([1, 2, 3, 4, 5], [1, 1, 1])
    array([ 3,  6,  9, 12,  9])
    """
    return same_correlation("conv_1d", 1, False, arr, param)


def conv_1d_batch(input_1d_batch: ArrayLike, param_1d: ArrayLike) -> np.ndarray:
    """Return conv_1d of each row of a batch (n, length).

    Examples
    --------
    >>> from fastconv import conv_1d_batch
    >>> conv_1d_batch([[1, 2, 3, 4, 5], [0, 1, 2, 3, 4]], [1, 1, 1])
    array([[ 3,  6,  9, 12,  9],
           [ 1,  3,  6,  9,  7]])
    """
    return same_correlation("conv_1d_batch", 1, True, input_1d_batch, param_1d)


def conv_2d(input_2d: ArrayLike, param_2d: ArrayLike) -> np.ndarray:
    """Return out[i, j] = sum of input[i + a - kh // 2, j + b - kw // 2] * param[a, b], (h, w), for param (kh, kw).

    Examples
    --------
    >>> from fastconv import conv_2d
    >>> conv_2d([[1, 2, 3, 4, 5], [5, 6, 7, 8, 9]], [[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    array([[39, 66, 81, 96, 69],
           [25, 42, 51, 60, 43]])
    """
    return same_correlation("conv_2d", 2, False, input_2d, param_2d)


def conv_2d_batch(input_2d_batch: ArrayLike, param_2d: ArrayLike) -> np.ndarray:
    """Return conv_2d of each image of a batch (n, h, w)."""
    return same_correlation("conv_2d_batch", 2, True, input_2d_batch, param_2d)


def input_1d_grads(input_1d: ArrayLike, param_1d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_1d's input, (length,), given out_grad (length,) of its result.

    Examples
    --------
    >>> from fastconv import input_1d_grads
    >>> input_1d_grads([1, 2, 3, 4, 5], [1, 1, 1], [1, 1, 1, 1, 1])
    array([2, 3, 3, 3, 2])
    """
    return same_input_grad("input_1d_grads", 1, False, input_1d, param_1d, out_grad)


def param_1d_grads(input_1d: ArrayLike, param_1d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_1d's parameters, (k,), given out_grad (length,) of its result.

    Examples
    --------
    >>> from fastconv import param_1d_grads
    >>> param_1d_grads([1, 2, 3, 4, 5], [1, 1, 1], [1, 1, 1, 1, 1])
    array([10, 15, 14])
    """
    return same_param_grad("param_1d_grads", 1, False, input_1d, param_1d, out_grad)


def input_1d_grads_batch(input_1d_batch: ArrayLike, param_1d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_1d_batch's input, (n, length)."""
    return same_input_grad("input_1d_grads_batch", 1, True, input_1d_batch, param_1d, out_grad)


def param_1d_grads_batch(input_1d_batch: ArrayLike, param_1d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_1d_batch's parameters, (k,), summed over the batch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import param_1d_grads_batch
    >>> param_1d_grads_batch([[1, 2, 3, 4, 5], [0, 1, 2, 3, 4]], [1, 1, 1], np.ones((2, 5), int))
    array([16, 25, 24])
    """
    return same_param_grad("param_1d_grads_batch", 1, True, input_1d_batch, param_1d, out_grad)


def input_2d_grads(input_2d: ArrayLike, param_2d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_2d's input, (h, w), given out_grad (h, w) of its result.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import input_2d_grads
    >>> input_2d_grads(np.zeros((2, 5), int), [[1, 1, 1], [2, 2, 2], [3, 3, 3]], np.ones((2, 5), int))
    array([[ 6,  9,  9,  9,  6],
           [10, 15, 15, 15, 10]])
    """
    return same_input_grad("input_2d_grads", 2, False, input_2d, param_2d, out_grad)


def param_2d_grads(input_2d: ArrayLike, param_2d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_2d's parameters, (kh, kw), given out_grad (h, w) of its result."""
    return same_param_grad("param_2d_grads", 2, False, input_2d, param_2d, out_grad)


def input_2d_grads_batch(input_2d_batch: ArrayLike, param_2d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_2d_batch's input, (n, h, w)."""
    return same_input_grad("input_2d_grads_batch", 2, True, input_2d_batch, param_2d, out_grad)


def param_2d_grads_batch(input_2d_batch: ArrayLike, param_2d: ArrayLike, out_grad: ArrayLike) -> np.ndarray:
    """Return the gradient with respect to conv_2d_batch's parameters, (kh, kw), summed over the batch."""
    return same_param_grad("param_2d_grads_batch", 2, True, input_2d_batch, param_2d, out_grad)
