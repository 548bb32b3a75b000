"""Dense layers. Batches are products of matrices; one row has loops of its own.

One row is bound by reading the weights, (inputs, outputs) in C order, from the cache: several running sums hide the latency.
"""

from functools import cache

from ...runtime.jit import jit
from ..layers.softmax import softmax_row
from ..simd.tile import tile_load, tile_load_part, tile_outer, tile_outer_part, tile_store, tile_zero
from ..simd.tile_math import tile_add, tile_dot
from ..simd.vector import lanes, lanes_of, vadd, vstore, vzero
from .segments import segment_dot, segment_scale_add


@cache
def dense_softmax_kernel(vectors):
    """Return the kernel for one row: totals = x . w + bias and their softmax; `vectors` of outputs at a time."""

    @jit
    def dense_softmax(x, w, bias, totals, probabilities, scratch):
        inputs, outputs = len(x), len(bias)
        for o in range(0, outputs, vectors * lanes(x)):
            part = outputs - o
            a = b = c = d = tile_zero(x, 1, vectors)
            whole = inputs // 4 * 4
            for i in range(0, whole, 4):
                at = i * outputs + o
                a = tile_outer_part(a, x, i, 0, w, at, part)
                b = tile_outer_part(b, x, i + 1, 0, w, at + outputs, part)
                c = tile_outer_part(c, x, i + 2, 0, w, at + 2 * outputs, part)
                d = tile_outer_part(d, x, i + 3, 0, w, at + 3 * outputs, part)
            for i in range(whole, inputs):
                a = tile_outer_part(a, x, i, 0, w, i * outputs + o, part)
            tile_store(tile_add(tile_add(a, b), tile_add(c, d)), totals, o, 0, part)
        for o in range(outputs):
            totals[o] += bias[o]
        softmax_row(totals, 0, outputs, probabilities)

    return dense_softmax


@cache
def dense_softmax_update_kernel(rows, vectors):
    """Return the kernel that takes one step; `rows` is the vector's lanes, `vectors` cover the outputs taken at a time."""

    @jit
    def dense_softmax_update(dy, totals, x, w, bias, alpha, dz, step, dx):
        """With p = softmax(totals): dz = p * (dy - sum(dy * p)), dx = w . dz, w -= alpha * x dz, bias -= alpha * dz.

        dz and step are scratch for outputs + chunk elements each; what is behind the outputs counts as zeros.
        """
        inputs, outputs, chunk = len(x), len(bias), vectors * lanes(x)
        softmax_row(totals, 0, outputs, dz)
        total, rate = 0.0, dy.dtype.type(alpha)
        for o in range(outputs):
            total += dy[o] * dz[o]
        mean = dy.dtype.type(total)
        for o in range(outputs):
            dz[o] *= dy[o] - mean
            step[o] = -rate * dz[o]
            bias[o] += step[o]
        dz[outputs:] = 0
        step[outputs:] = 0
        whole = inputs // rows * rows
        for i in range(0, whole, rows):
            products = vzero(x)
            for o in range(0, outputs, chunk):
                tile = tile_load_part(w, i * outputs + o, outputs, rows, vectors, outputs - o)
                products = vadd(products, tile_dot(tile, dz, o))
                tile = tile_outer(tile, x, i, 1, step, o)
                tile_store(tile, w, i * outputs + o, outputs, outputs - o)
            vstore(dx, i, products)
        for i in range(whole, inputs):
            dx[i] = 0
            for o in range(outputs):
                dx[i] += w[i * outputs + o] * dz[o]
                w[i * outputs + o] += x[i] * step[o]

    return dense_softmax_update


@cache
def narrow_dense_softmax_kernel(outputs, rows, vectors):
    """Return dense_softmax for so few outputs that `rows` whole matrix rows fill `vectors` whole vectors."""

    @jit
    def narrow_dense_softmax(x, w, bias, totals, probabilities, scratch):
        block = vectors * lanes(x)
        tile = tile_zero(x, vectors, 1)
        whole = len(x) // rows * rows
        for i in range(0, whole, rows):
            tile = segment_scale_add(tile, x, i, outputs, tile_load(w, i * outputs, lanes(x), vectors, 1))
        tile_store(tile, scratch, 0, lanes(x), lanes(x))
        for o in range(outputs):
            total = bias[o]
            for k in range(o, block, outputs):
                total += scratch[k]
            for i in range(whole, len(x)):
                total += x[i] * w[i * outputs + o]
            totals[o] = total
        softmax_row(totals, 0, outputs, probabilities)

    return narrow_dense_softmax


@cache
def narrow_dense_softmax_update_kernel(outputs, rows, vectors):
    """Return dense_softmax_update for so few outputs that `rows` whole matrix rows fill `vectors` whole vectors."""

    @jit
    def narrow_dense_softmax_update(dy, totals, x, w, bias, alpha, dz, step, dx):
        """dz and step are scratch for vectors x lanes elements each: the totals' gradient and the step, repeated row by row."""
        block = vectors * lanes(x)
        softmax_row(totals, 0, outputs, dz)
        total, rate = 0.0, dy.dtype.type(alpha)
        for o in range(outputs):
            total += dy[o] * dz[o]
        mean = dy.dtype.type(total)
        for o in range(outputs):
            dz[o] *= dy[o] - mean
            step[o] = -rate * dz[o]
            bias[o] += step[o]
        for k in range(outputs, block):
            dz[k], step[k] = dz[k - outputs], step[k - outputs]
        gradient, steps = tile_load(dz, 0, lanes(x), vectors, 1), tile_load(step, 0, lanes(x), vectors, 1)
        whole = len(x) // rows * rows
        for i in range(0, whole, rows):
            tile = tile_load(w, i * outputs, lanes(x), vectors, 1)
            segment_dot(tile, gradient, outputs, dx, i)
            tile_store(segment_scale_add(tile, x, i, outputs, steps), w, i * outputs, lanes(x), lanes(x))
        for i in range(whole, len(x)):
            dx[i] = 0
            for o in range(outputs):
                dx[i] += w[i * outputs + o] * dz[o]
                w[i * outputs + o] += x[i] * step[o]

    return narrow_dense_softmax_update


def dense_softmax_vectors(outputs: int, dtype) -> int:
    """Return how many vectors of outputs the one-row kernel takes at a time: all of them, up to four."""
    return min(4, -(-outputs // lanes_of(dtype)))
