"""The steps of Winograd's convolution, as loops over vectors of channels: transform patches and weights, multiply, transform back.

n = m + 2; a plane is one of the n * n pixels of a transformed patch, for all tiles and channels at hand. (Planes side by side for
each tile or channel, for the sake of the page tables, lost 0 to 14 %.) `scratch` is scratch of n * n vectors, in which a
two-dimensional transform passes from columns to rows. All arrays are flat.

A side of a convolution is an array of (height, width, channels of a pixel, rows above the first tile's, columns left of it, rows
of tiles, columns of tiles): of the images, or of the outputs or their gradients.
"""

from functools import cache

from ...runtime.jit import jit
from ...runtime.machine import WHOLE_APART
from ..simd.tile import tile_load, tile_outer, tile_outer_run, tile_store, tile_zero
from ..simd.tile_math import tile_add
from ..simd.tile_top import next_height, tile_outer_top, tile_store_top
from ..simd.vector import lanes, vsum, vzero
from .matrices import GRADIENT, INPUT, OUTPUT, WEIGHT_GRADIENT, WEIGHTS
from .transform import prefetch_rows, tile_load_rows, tile_load_turned, tile_store_rows, tile_transform, tile_watch

DEPTH = 4
"""How many channels, or tiles, one round of the innermost loop takes."""
MOST_TERMS = 48
"""So many products at most are added up in one number, and this to the sum of those before: the transform back multiplies rounding
errors."""


@cache
def patches_kernel(m, gradient):
    """Return the loop that transforms patches of n x n pixels, m apart, or with `gradient` of m x m pixels, to n x n."""
    n = m + 2
    size, kind = (m, GRADIENT) if gradient else (n, INPUT)

    @jit
    def winograd_patches(x, side, channel, channels, first, last, v, at, step, plane, width, scratch):
        """Write the tiles first..last from v[at] on: tiles `step` apart, `width` channels each, zeros behind the last of them."""
        height, columns, pixel = side.height, side.width, side.channels
        tiles = side.grid_height * side.grid_width
        for t in range(first, last):
            top, left = t % tiles // side.grid_width * m - side.above, t % side.grid_width * m - side.before
            corner = ((t // tiles * height + top) * columns + left) * pixel + channel
            inside = top >= 0 and left >= 0 and top + size <= height and left + size <= columns
            for c in range(0, width, lanes(x)):
                ahead = at + (t - first) * step + c + lanes(x)
                for i in range(n):
                    prefetch_rows(v, ahead + i * n * plane, plane, n, 1)
                whole = inside and c + lanes(x) <= channels
                for j in range(size):
                    position = corner + j * pixel + c
                    if whole:
                        tile = tile_load(x, position, columns * pixel, size, 1)
                    else:
                        valid = channels - c if 0 <= left + j < columns else 0
                        tile = tile_load_rows(x, position, columns * pixel, size, -top, height - top, valid)
                    tile_store(tile_transform(tile, m, kind), scratch, j * lanes(x), size * lanes(x), lanes(x))
                for i in range(n):
                    tile = tile_load(scratch, i * size * lanes(x), lanes(x), size, 1)
                    target = at + (t - first) * step + i * n * plane + c
                    tile_store(tile_transform(tile, m, kind), v, target, plane, lanes(x))

    return winograd_patches


@cache
def weights_kernel(m, vectors, rotated):
    """Return the loop that transforms the weights of `vectors` vectors of outputs.

    The weights are (3, 3, channels, groups * outputs), or `rotated` (3, 3, outputs, groups * channels), each kernel rotated by
    180 degrees.
    """
    n = m + 2

    @jit
    def winograd_weights(w, group, groups, channels, outputs, o, first, last, u, at, plane, scratch, turn):
        """Write u[plane][channel][output] from u[at] on for the channels first..last and the outputs from o on."""
        block = lanes(w) * lanes(w)
        row, tap = (groups * channels, outputs * groups * channels) if rotated else (groups * outputs, channels * groups * outputs)
        for base in range(first, last, lanes(w)):
            for vector in range(0, vectors * lanes(w), lanes(w)):
                valid = outputs - o - vector
                if rotated:
                    corner = (o + vector) * row + group * channels + base
                    for k in range(9):
                        part = tile_load_turned(w, corner + (8 - k) * tap, row, valid, channels - base)
                        tile_store(part, turn, k * block, lanes(w), lanes(w))
                else:
                    corner = base * row + group * outputs + o + vector
                for c in range(base, min(base + lanes(w), last)):
                    position = corner + (c - base) * row
                    prefetch_rows(w, position + (lanes(w) if rotated else lanes(w) * row), tap, 9, 0)
                    for b in range(3):
                        if rotated:
                            tile = tile_load(turn, b * block + (c - base) * lanes(w), 3 * block, 3, 1)
                        else:
                            tile = tile_load_rows(w, position + b * tap, 3 * tap, 3, 0, 3, valid)
                        tile_store(tile_transform(tile, m, WEIGHTS), scratch, b * lanes(w), 3 * lanes(w), lanes(w))
                    target = at + (c - first) * vectors * lanes(w) + vector
                    for i in range(n):
                        prefetch_rows(u, target + vectors * lanes(w) + i * n * plane, plane, n, 1)
                    for i in range(n):
                        tile = tile_load(scratch, 3 * i * lanes(w), lanes(w), 3, 1)
                        tile_store(tile_transform(tile, m, WEIGHTS), u, target + i * n * plane, plane, lanes(w))

    return winograd_weights


@cache
def products_kernel(m, rows, vectors, over_tiles):
    """Return the loop that sums products of v and u, in each plane, by register tiles of rows x vectors.

    The rows are tiles and the sum is over channels; or, `over_tiles`, the rows are channels, as many as fill tiles, and u is
    transformed gradients.
    """
    n = m + 2

    @jit
    def winograd_products(v, v_at, v_step, v_plane, u, u_at, u_step, u_plane, run, sums, at, plane, count, fresh):
        """Set sums[plane][row][vectors] from sums[at] on, or unless `fresh` add the products' sum to it, for `count` rows.

        v's tiles are v_step apart. u is read at u_at + k * u_step, for k up to run. There must be scratch for whole tiles of sums.
        """
        channels = vectors * lanes(v)
        deep = run // DEPTH * DEPTH
        for p in range(n * n):
            row = 0
            while row < count:
                height = rows if over_tiles else next_height(count - row, rows)
                target, weights = at + p * plane + row * channels, u_at + p * u_plane
                tile = tile_zero(v, rows, vectors)
                if over_tiles:
                    position = v_at + p * v_plane + row
                    for _ in range(0, deep, DEPTH):
                        tile = tile_outer_run(tile, v, position, 1, v_step, u, weights, u_step, DEPTH)
                        position += DEPTH * v_step
                        weights += DEPTH * u_step
                    for _ in range(deep, run):
                        tile = tile_outer(tile, v, position, 1, u, weights)
                        position += v_step
                        weights += u_step
                elif WHOLE_APART and height == rows:
                    position = v_at + p * v_plane + row * v_step
                    for k in range(0, deep, DEPTH):
                        tile = tile_outer_run(tile, v, position + k, v_step, 1, u, weights, channels, DEPTH)
                        weights += DEPTH * channels
                    for k in range(deep, run):
                        tile = tile_outer(tile, v, position + k, v_step, u, weights)
                        weights += channels
                else:
                    position = v_at + p * v_plane + row * v_step
                    for k in range(run):
                        tile = tile_outer_top(tile, v, position + k, v_step, u, weights, height)
                        weights += channels
                if not fresh:
                    tile = tile_add(tile, tile_load(sums, target, channels, rows, vectors))
                tile_store_top(tile, sums, target, channels, channels, height)
                row += height

    return winograd_products


@cache
def outputs_kernel(m, vectors):
    """Return the loop that transforms sums back to m x m outputs, adds the bias and stores what lies within the image."""
    n = m + 2

    @jit
    def winograd_outputs(sums, plane, side, bias, first_bias, channel, outputs, first, last, y, scratch):
        """Store the tiles first..last of up to `outputs` channels from `channel` on; return 0, or NaN if any is not finite."""
        watch = vzero(y)
        height, columns, pixel = side.height, side.width, side.channels
        tiles = side.grid_height * side.grid_width
        for t in range(first, last):
            top, left = t % tiles // side.grid_width * m, t % side.grid_width * m
            corner = ((t // tiles * height + top) * columns + left) * pixel + channel
            for o in range(0, min(outputs, vectors * lanes(y)), lanes(y)):
                start = (t - first) * vectors * lanes(y) + o
                for j in range(n):
                    tile = tile_transform(tile_load(sums, start + j * plane, n * plane, n, 1), m, OUTPUT)
                    tile_store(tile, scratch, j * lanes(y), n * lanes(y), lanes(y))
                biases = tile_load(bias, first_bias + o, 0, m, 1)
                for i in range(min(m, height - top)):
                    tile = tile_transform(tile_load(scratch, i * n * lanes(y), lanes(y), n, 1), m, OUTPUT)
                    position = corner + i * columns * pixel + o
                    tile = tile_add(tile, biases)
                    watch = tile_watch(watch, tile)
                    tile_store_rows(tile, y, position, pixel, columns - left, outputs - o)
        return vsum(watch)

    return winograd_outputs


@cache
def weight_grads_kernel(m, vectors, wide):
    """Return the loop that transforms sums back to 3 x 3 weight gradients, in float64 and added up if they are `wide`."""
    n = m + 2

    @jit
    def winograd_weight_grads(sums, at, plane, channels, outputs, dw, position, pixel, row, scratch, fresh):
        """Store (3, 3, channels, outputs) at dw[position], taps `row` apart, channels `pixel`; return as winograd_outputs.

        Wide gradients are added to those that are there, unless `fresh`.
        """
        watch = vzero(sums)
        for c in range(channels):
            for o in range(0, min(outputs, vectors * lanes(sums)), lanes(sums)):
                start = at + c * vectors * lanes(sums) + o
                for j in range(n):
                    tile = tile_transform(tile_load(sums, start + j * plane, n * plane, n, 1), m, WEIGHT_GRADIENT)
                    tile_store(tile, scratch, j * lanes(sums), n * lanes(sums), lanes(sums))
                for a in range(3):
                    tile = tile_transform(tile_load(scratch, a * n * lanes(sums), lanes(sums), n, 1), m, WEIGHT_GRADIENT)
                    watch = tile_watch(watch, tile)
                    target = position + 3 * a * row + c * pixel + o
                    if wide:
                        tile_store(tile, scratch, a * n * lanes(sums), lanes(sums), lanes(sums))
                        for k in range(3):
                            for i in range(min(lanes(sums), outputs - o)):
                                before = 0.0 if fresh else dw[target + k * row + i]
                                dw[target + k * row + i] = before + scratch[(a * n + k) * lanes(sums) + i]
                    else:
                        tile_store(tile, dw, target, row, outputs - o)
        return vsum(watch)

    return winograd_weight_grads
