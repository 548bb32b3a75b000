"""The definitions of fastconv.signal's functions as plain loops over Python's numbers: slow, obvious, exact for integers."""

import numpy as np


def as_type(values, dtype):
    """Return Python numbers as an array; integers wrap around, a bool is whether anything was added."""
    if dtype.kind not in "iu":
        return values.astype(dtype)
    return (values % 2 ** (8 * dtype.itemsize)).astype(np.uint64).astype(dtype)


def pieces(x, w, mode, middle):
    """Yield for each axis the first element of the full convolution that the mode wants, and how many."""
    for n, k, first in zip(x.shape, w.shape, middle):
        if mode == "full":
            yield 0, n + k - 1
        elif mode == "same":
            yield first, n
        else:
            yield min(n, k) - 1, abs(n - k) + 1


def convolve(x, w, mode="full"):
    """y[i + j] += x[i] * w[j], and of that the mode's piece."""
    dtype = np.result_type(x, w)
    full = np.full([n + k - 1 for n, k in zip(x.shape, w.shape)], 0, object)
    for i in np.ndindex(x.shape):
        for j in np.ndindex(w.shape):
            full[tuple(np.add(i, j))] += x[i].item() * w[j].item()
    middle = [(k - 1) // 2 for k in w.shape]
    return as_type(full[tuple(slice(first, first + size) for first, size in pieces(x, w, mode, middle))], dtype)


def correlate(x, w, mode="full"):
    """y[i - j + k - 1] += x[i] * conj(w[j])."""
    dtype = np.result_type(x, w)
    full = np.full([n + k - 1 for n, k in zip(x.shape, w.shape)], 0, object)
    for i in np.ndindex(x.shape):
        for j in np.ndindex(w.shape):
            full[tuple(np.subtract(i, j) + w.shape - 1)] += x[i].item() * w[j].item().conjugate()
    middle = [(k - 1) // 2 for k in w.shape]
    return as_type(full[tuple(slice(first, first + size) for first, size in pieces(x, w, mode, middle))], dtype)


def pixel(image, i, j, boundary, fillvalue):
    """Return a pixel of an image that goes on outside."""
    h, w = image.shape
    if boundary == "wrap":
        return image[i % h, j % w].item()
    if boundary == "symm":
        i, j = i % (2 * h), j % (2 * w)
        return image[min(i, 2 * h - 1 - i), min(j, 2 * w - 1 - j)].item()
    return image[i, j].item() if 0 <= i < h and 0 <= j < w else fillvalue


def convolve2d(x, w, mode="full", boundary="fill", fillvalue=0):
    """y[i, j] = sum of x[i - a, j - b] * w[a, b]."""
    if mode == "valid" and any(n < k for n, k in zip(x.shape, w.shape)):
        x, w = w, x
    (i0, h), (j0, width) = pieces(x, w, mode, [(k - 1) // 2 for k in w.shape])
    y = np.full((h, width), 0, object)
    for i, j in np.ndindex(y.shape):
        for a, b in np.ndindex(w.shape):
            y[i, j] += pixel(x, i0 + i - a, j0 + j - b, boundary, fillvalue) * w[a, b].item()
    return as_type(y, np.result_type(x, w))


def correlate2d(x, w, mode="full", boundary="fill", fillvalue=0):
    """y[i, j] = sum of x[i + a - (kh - 1), j + b - (kw - 1)] * conj(w[a, b]); a larger w is slid over and the result turned."""
    if mode == "valid" and any(n < k for n, k in zip(x.shape, w.shape)):
        return correlate2d(w, x, mode, boundary, fillvalue)[::-1, ::-1]
    (i0, h), (j0, width) = pieces(x, w, mode, [k // 2 for k in w.shape])
    y = np.full((h, width), 0, object)
    for i, j in np.ndindex(y.shape):
        for a, b in np.ndindex(w.shape):
            seen = pixel(x, i0 + i + a - w.shape[0] + 1, j0 + j + b - w.shape[1] + 1, boundary, fillvalue)
            y[i, j] += seen * w[a, b].item().conjugate()
    return as_type(y, np.result_type(x, w))
