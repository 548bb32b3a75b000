"""Every vector and tile operation against NumPy, over all offsets and tail lengths, on memory that is guarded at both ends."""

from __future__ import annotations

import numpy as np
from numba import njit

from fastconv.kernels.arrays import long_sums as block_sums
from fastconv.kernels.simd import tile, tile_math, vector_math
from fastconv.kernels.simd import vector as simd
from fastconv.kernels.simd.vector import lanes_of

ROWS, VECTORS = 3, 2


@njit
def copy_whole(x, i, y, j):
    simd.vstore(y, j, simd.vload(x, i))


@njit
def copy_part(x, i, y, j, count):
    simd.vstore_part(y, j, simd.vload_part(x, i, count), simd.lanes(x))


@njit
def copy_widened(x, i, y, count):
    simd.vstore(y, 0, simd.vload_as(y, x, i, count))


@njit
def store_part(x, y, j, count):
    simd.vstore_part(y, j, simd.vload(x, 0), count)


@njit
def arithmetic(a, b, c, out):
    u, v, w = simd.vload(a, 0), simd.vload(b, 0), simd.vload(c, 0)
    n = simd.lanes(a)
    results = (
        simd.vadd(u, v),
        simd.vdiv(u, v),
        simd.vpick(0, u, v),
        simd.vpick(1, u, v),
        simd.vpick(2, u, v),
        simd.vmatch(u, v, w),
        simd.vunmatch(u, v, w),
        vector_math.vwhere_equal(u, v, w),
        simd.vsplat(a, b[0]),
        simd.vzero(a),
        simd.vsub(u, v),
        simd.vmul_add(u, v, w),
        vector_math.vwhere_unequal(u, v, w),
    )
    for k in range(len(results)):
        simd.vstore(out, k * n, results[k])
    return simd.vsum(u)


@njit
def tile_copy(x, i, step, y, j, y_step, count):
    tile.tile_store(tile.tile_load(x, i, step, ROWS, VECTORS), y, j, y_step, count)


@njit
def tile_copy_part(x, i, step, y, j, count):
    n = simd.lanes(x) * VECTORS
    tile.tile_store(tile.tile_load_part(x, i, step, ROWS, VECTORS, count), y, j, n, n)


@njit
def tile_outers(x, step, w, count, y):
    n = simd.lanes(x) * VECTORS
    total = tile.tile_outer(tile.tile_zero(x, ROWS, VECTORS), x, 1, step, w, 0)
    part = tile.tile_outer_part(tile.tile_zero(x, ROWS, VECTORS), x, 1, step, w, 0, count)
    tile.tile_store(total, y, 0, n, n)
    tile.tile_store(part, y, ROWS * n, n, n)
    tile.tile_store(tile_math.tile_add(total, part), y, 2 * ROWS * n, n, n)
    tile.tile_store(tile_math.tile_max(total, part), y, 3 * ROWS * n, n, n)
    tile.tile_store(tile_math.tile_scaled_add(total, x[0], part), y, 4 * ROWS * n, n, n)


@njit
def one_vector_tiles(x, w, y, sums, count):
    n = simd.lanes(x)
    v = simd.vload(w, 0)
    tile.tile_store(tile_math.tile_scale_add(tile.tile_zero(x, ROWS, 1), w, 0, 2, v), y, 0, n, n)
    tile.tile_store(tile.tile_outer_patch(tile.tile_zero(x, 4, 1), x, 0, 2, 3, v), y, ROWS * n, n, n)
    rows = tile.tile_load(w, 0, 2, ROWS, 1)
    simd.vstore(y, (ROWS + 4) * n, tile_math.tile_weighted_sum(rows, x, 1))
    tile_math.tile_row_sum(rows, sums, 0, count)


@njit
def widened(x, y, factor):
    n = simd.lanes(x)
    total = block_sums.vwide_splat(x, 1)
    for i in range(0, len(x), n):
        total = block_sums.vwide_add(total, simd.vload(x, i))
    simd.vstore(y, 0, block_sums.vnarrow(x, simd.vdiv(total, block_sums.vwide_splat(x, factor))))


@njit
def tile_blocks(x, sums, wide, y, at):
    """y = the sum of all tiles in x, block by block, each of which is one tile."""
    size = ROWS * VECTORS * simd.lanes(x)
    blocks = len(x) // size - 1
    for i in range(blocks):
        tile_ = tile.tile_load(x, i * size, VECTORS * simd.lanes(x), ROWS, VECTORS)
        block_sums.tile_put_aside(tile_, sums, wide, at, i)
    tile_ = tile.tile_load(x, blocks * size, VECTORS * simd.lanes(x), ROWS, VECTORS)
    tile_ = block_sums.tile_take_back(tile_, sums, wide, at, blocks)
    tile.tile_store(tile_, y, 0, VECTORS * simd.lanes(x), VECTORS * simd.lanes(x))


def make_dot(rows):
    @njit
    def dot(w, step, v, y):
        simd.vstore(y, 0, tile_math.tile_dot(tile.tile_load(w, 0, step, rows, VECTORS), v, 0))

    return dot


def check_simd(dtype: str, guarded) -> int:
    """Run all checks for one dtype; `guarded(array, back)` makes guarded copies. Return how many ran."""
    n = lanes_of(np.dtype(dtype))
    rng = np.random.default_rng(0)
    count = 0

    def numbers(size):
        return rng.integers(-9, 10, size).astype(dtype)

    for back in (False, True):
        for offset in range(n + 1):  # n elements at every alignment, flush with the guarded page
            x, y = guarded(numbers(n + offset), back), guarded(np.zeros(n + offset, dtype), back)
            at = offset if back else 0
            copy_whole(x, at, y, at)
            np.testing.assert_array_equal(y[at : at + n], x[at : at + n])
            for tail in range(n + 1):
                part = guarded(numbers(tail + offset), back)
                out = guarded(np.full(n, 7, dtype), back)
                copy_part(part, offset, out, 0, tail)
                np.testing.assert_array_equal(out, np.append(part[offset:], np.zeros(n - tail)))
                wide = guarded(np.full(lanes_of(np.dtype(np.float64)), 7.0), back)
                copy_widened(part, offset, wide, tail)
                np.testing.assert_array_equal(wide, np.append(part[offset:], np.zeros(n))[: wide.size])
                target = guarded(np.full(offset + tail, 7, dtype), back)
                source = guarded(numbers(n), back)
                store_part(source, target, offset, tail)
                np.testing.assert_array_equal(target, np.append(np.full(offset, 7), source[:tail]))
                count += 4
        count += _check_arithmetic(dtype, n, guarded, back, numbers) + _check_tiles(dtype, n, guarded, back, numbers)
        count += _check_blocks(dtype, n, guarded, back, numbers)
    return count


def _check_arithmetic(dtype, n, guarded, back, numbers) -> int:
    a, b, c = (guarded(numbers(n), back) for _ in range(3))
    a[a == 0], b[b == 0] = 3, 2
    b[0], a[0] = a[0], 4
    b[-1] = a[-1]
    out = guarded(np.zeros(13 * n, dtype), back)
    assert arithmetic(a, b, c, out) == a.sum()
    expected = [
        a + b, a / b, np.maximum(a, b), np.minimum(a, b), a + b,
        np.where(a == b, c, 0), np.where(a == b, 0, c), np.where(a == b, c, 0), np.full(n, b[0]), np.zeros(n),
        a - b, a * b + c, np.where(a == b, 0, c),
    ]  # fmt: skip
    np.testing.assert_array_equal(out.reshape(13, n), np.array(expected, dtype))
    a[0], b[1], a[2 % n], b[2 % n] = np.nan, np.nan, np.nan, np.nan
    arithmetic(a, b, c, out)
    result = out.reshape(13, n)
    np.testing.assert_array_equal(result[2], np.maximum(a, b))
    np.testing.assert_array_equal(result[3], np.minimum(a, b))
    same = (a == b) | np.isnan(a)
    np.testing.assert_array_equal(result[5], np.where(same, c, 0))
    np.testing.assert_array_equal(result[6], np.where(same, 0, c))
    same |= np.isnan(b)
    np.testing.assert_array_equal(result[7], np.where(same, c, 0))
    np.testing.assert_array_equal(result[12], np.where(same, 0, c))
    return 19


def _check_tiles(dtype, n, guarded, back, numbers) -> int:
    wide = n * VECTORS
    for count in range(wide + 1):
        step = count + 1  # rows one element apart
        size = (ROWS - 1) * step + wide
        x = guarded(numbers(size), back)
        y = guarded(np.full((ROWS - 1) * step + count, 7, dtype), back)
        tile_copy(x, 0, step, y, 0, step, count)
        for i in range(ROWS):
            np.testing.assert_array_equal(y[i * step : i * step + count], x[i * step : i * step + count])
        assert all(y[i * step + count] == 7 for i in range(ROWS - 1))
        part = guarded(numbers((ROWS - 1) * step + count), back)
        whole = guarded(np.zeros(ROWS * wide, dtype), back)
        tile_copy_part(part, 0, step, whole, 0, count)
        for i, row in enumerate(whole.reshape(ROWS, wide)):
            np.testing.assert_array_equal(row, np.append(part[i * step : i * step + count], np.zeros(wide - count)))
        x, w, y = guarded(numbers(2 * ROWS), back), guarded(numbers(wide), back), guarded(np.zeros(5 * ROWS * wide, dtype), back)
        tile_outers(x, 2, w, count, y)
        outer = np.outer(x[1::2], w)
        short = np.where(np.arange(wide) < count, outer, 0)
        expected = [outer, short, outer + short, np.maximum(outer, short), outer + x[0] * short]
        np.testing.assert_array_equal(y.reshape(5, ROWS, wide), expected)
    x, w = guarded(numbers(5), back), guarded(numbers(2 * (ROWS - 1) + n), back)
    y, sums = guarded(np.zeros((ROWS + 5) * n, dtype), back), guarded(np.ones(ROWS, dtype), back)
    one_vector_tiles(x, w, y, sums, n + 1)
    rows = np.array([w[2 * i : 2 * i + n] for i in range(ROWS)])
    np.testing.assert_array_equal(y[: ROWS * n].reshape(ROWS, n), rows * w[:n])
    np.testing.assert_array_equal(y[ROWS * n : (ROWS + 4) * n].reshape(4, n), np.outer(x[[0, 1, 3, 4]], w[:n]))
    np.testing.assert_array_equal(y[(ROWS + 4) * n :], x[1 : 1 + ROWS] @ rows)
    np.testing.assert_array_equal(sums, 1 + rows.sum(axis=1))
    w[1::2], sums[:] = np.nan, 1  # in all rows, but not in their first lanes
    one_vector_tiles(x, w, y, sums, 1)
    np.testing.assert_array_equal(sums, 1 + w[: 2 * ROWS : 2])
    w, v, y = guarded(numbers(n * wide), back), guarded(numbers(wide), back), guarded(np.zeros(n, dtype), back)
    make_dot(n)(w, wide, v, y)
    np.testing.assert_array_equal(y, w.reshape(n, wide) @ v)
    return 3 * (wide + 1) + 5


def _check_blocks(dtype, n, guarded, back, numbers) -> int:
    size, most = ROWS * VECTORS * n, block_sums.BLOCKS
    for blocks in (1, 2, most, most + 1, most + 2, 2 * most, 2 * most + 1, 5 * most + 3):
        x, y, at = guarded(numbers(blocks * size), back), guarded(np.zeros(size, dtype), back), 2
        sums, wide = guarded(np.full(at + size, np.nan, dtype), back), guarded(np.full(at + size, np.nan), back)
        tile_blocks(x, sums, wide, y, at)
        np.testing.assert_array_equal(y, x.reshape(blocks, size).sum(axis=0))
    x, y = guarded(numbers(3 * n), back), guarded(np.zeros(n, dtype), back)
    widened(x, y, 4)
    np.testing.assert_array_equal(y, (1 + x.reshape(3, n).sum(axis=0)) / 4)
    return 9
