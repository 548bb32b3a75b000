"""Product of two matrices, blocked along the sum: a panel of w stays in the first-level cache while all rows of x use it.

The panel is copied into order as it is needed, once for every block of rows; between panels the sums wait in tiles of their own.
(Goto and van de Geijn: Anatomy of high-performance matrix multiplication, 2008.)
"""

from functools import cache, partial

import numpy as np

from ...runtime.jit import inlined, jit
from ...runtime.machine import PANEL
from ...runtime.memory import buffer
from ...runtime.task import Task
from ..arrays.long_sums import block_of, is_long, scratchpads, tile_put_aside, tile_take_back
from ..contraction.pack import PACKING_FLOPS
from ..plan import Packed
from ..simd.tile import choose_tile, tile_load, tile_load_part, tile_outer, tile_outer_run, tile_store, tile_zero
from ..simd.tile_math import copy_transposed
from ..simd.vector import lanes, lanes_of, vload_part, vstore

BLOCK_ROWS = 256
"""About so many rows of x use a panel."""
DEPTH = 4
"""How many terms of the sums one round of the innermost loop takes."""


@cache
def panel_kernel(vectors, transposed):
    """Return the function that copies w[first:last, column:] to panel[at:], `vectors` vectors a row; w is (k, n), or transposed."""

    @jit
    def pack_panel(w, k, n, first, last, column, panel, at):
        width, filled = vectors * lanes(w), min(vectors * lanes(w), n - column)
        if not transposed:
            for i in range(first, last):
                for j in range(0, width, lanes(w)):
                    vstore(panel, at + (i - first) * width + j, vload_part(w, i * n + column + j, filled - j))
            return
        square = (last - first) // lanes(w) * lanes(w) if filled == width else 0
        for i in range(0, square, lanes(w)):
            for j in range(0, width, lanes(w)):
                copy_transposed(w, (column + j) * k + first + i, k, panel, at + i * width + j, width)
        for i in range(square, last - first):
            for j in range(filled):
                panel[at + i * width + j] = w[(column + j) * k + first + i]
            panel[at + i * width + filled : at + (i + 1) * width] = 0

    return pack_panel


@cache
def packed_kernel(vectors, transposed):
    """Return the kernel that puts all panels one behind the other; units are their columns."""
    pack_panel = panel_kernel(vectors, transposed)

    @jit
    def pack_product(w, packed, k, n, start, stop):
        width = vectors * lanes(w)
        for column in range(start, stop):
            pack_panel(w, k, n, 0, k, column * width, packed, column * k * width)

    return pack_product


@cache
def product_kernel(rows, vectors, transposed, long):
    """Return the kernel for tiles of `rows` rows, of which there must be so many, by `vectors` vectors.

    `long` sums are those of arrays/long_sums.py, a block being a panel.
    """
    pack_panel = panel_kernel(vectors, transposed)

    @inlined
    def add_terms(tile, x, position, x_step, w, at, terms):
        """tile[row, :] += the sum over k of x[row, k] * w[k, :]: the formula."""
        width, deep = vectors * lanes(x), terms // DEPTH * DEPTH
        for k in range(0, deep, DEPTH):
            tile = tile_outer_run(tile, x, position + k, x_step, 1, w, at + k * width, width, DEPTH)
        for k in range(deep, terms):
            tile = tile_outer(tile, x, position + k, x_step, w, at + k * width)
        return tile

    @jit
    def product(x, w, packed, bias, y, panel, sums, wide, sizes, start, stop):
        """y (m, n) = x (m, k) . w (k, n) + bias, which may have no elements; units are blocks of rows by panels, these fastest.

        packed is all panels, or has no elements, and then each is made when it is needed.
        """
        m, k, n, block, depth = sizes
        width = vectors * lanes(x)
        columns = (n + width - 1) // width
        for unit in range(start, stop):
            top, column = unit // columns * block, unit % columns * width
            count, filled = min(block, m - top), n - column
            for first in range(0, k, depth):
                last = min(first + depth, k)
                source, at = packed, (column * k) + first * width
                if not len(packed):
                    pack_panel(w, k, n, first, last, column, panel, 0)
                    source, at = panel, 0
                for r in range(0, block, rows):
                    if r >= count:
                        break
                    row, kept = min(top + r, m - rows), r * width  # the last tile moves back and overlaps, in its own place
                    if first > 0 and not long:
                        tile = tile_load(sums, kept, width, rows, vectors)
                    elif first == 0 and len(bias):
                        tile = tile_load_part(bias, column, 0, rows, vectors, filled)
                    else:
                        tile = tile_zero(x, rows, vectors)
                    tile = add_terms(tile, x, row * k + first, k, source, at, last - first)
                    if last == k:
                        if long:
                            tile = tile_take_back(tile, sums, wide, kept, first // depth)
                        tile_store(tile, y, row * n + column, n, filled)
                    elif long:
                        tile_put_aside(tile, sums, wide, kept, first // depth)
                    else:
                        tile_store(tile, sums, kept, width, width)

    return product


class ProductPlan:
    """y (m, n) = x (m, k) . w (k, n) + bias, or with w (n, k) transposed: an OutputPlan."""

    def __init__(self, m: int, k: int, n: int, dtype: np.dtype, transposed: bool = False):
        rows, vectors = choose_tile(m, n, dtype, (1, 2, 4))
        width = vectors * lanes_of(dtype)
        blocks = -(-m // BLOCK_ROWS)
        block = -(-m // (blocks * rows)) * rows
        depth = min(k, max(DEPTH, PANEL // (width * dtype.itemsize) // DEPTH * DEPTH))
        long = is_long(k, dtype)
        depth = block_of(depth) if long else depth
        panels = -(-k // depth)
        self.name, self.flops = f"product_{dtype.name}_{rows}x{vectors}x{lanes_of(dtype)}", 2 * m * k * n
        self.units = -(-m // block) * -(-n // width)
        self._kernel, self._sizes = product_kernel(rows, vectors, transposed, long), (m, k, n, block, depth)
        self._pack, self._columns, self._width = packed_kernel(vectors, transposed), -(-n // width), width
        self._scratchpads = (
            partial(buffer, depth * width, dtype),
            *scratchpads(block * width, panels if long else min(panels, 2), dtype),
        )

    def pack(self, run, w):
        """Return the weights in the order in which the kernel reads them."""
        _, k, n, *_ = self._sizes
        packed = buffer(self._columns * k * self._width, w.dtype)
        run(Task(self._pack, (w, packed, k, n), self._columns, PACKING_FLOPS * len(packed)))
        return Packed(w, packed)

    def __call__(self, run, x, w, bias, y):
        w, packed = w if isinstance(w, Packed) else (w, x[:0])
        arguments = x, w, packed, x[:0] if bias is None else bias, y, *self._scratchpads, self._sizes
        run(Task(self._kernel, arguments, self.units, self.flops))
