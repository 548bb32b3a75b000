"""The register tile over an image of one channel: rows x vectors of neighbouring pixels, summed over a kernel's pixels."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..simd.vector import element_pointer, load, multiply_add, splat


@intrinsic
def tile_correlate(typing_context, tile, x, position, row_step, column_step, w, w_position, w_step, kernel_rows, kernel_columns):
    """tile_correlate(tile, x, p, row_step, column_step, w, wp, w_step, kernel_rows, kernel_columns): add a kernel's sums over x.

    tile[i, j] += the sum over a and b of x[p + (i + a) * row_step + b * column_step + j] * w[wp + b * w_step + a].

    Each row of x is loaded once for all the tile's rows that it counts for: one at the top, one more with every row of x, all in
    the middle, fewer again at the end. So the kernel must have at least as many rows as the tile.
    """

    def generate(context, builder, signature, args):
        value, x_array, start, down, across, w_array, w_start, next_column, rows, columns = args
        sums = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows * tile.vectors)]
        pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        weights = element_pointer(context, builder, signature.args[5], w_array, w_start)

        def add_row(index, first, last):
            """Add one row of x, of an index from the tile's first, to the tile's rows first to last."""
            x_pointer, w_pointer = builder.gep(pointer, [builder.mul(index, down)]), builder.gep(weights, [index])
            with cgutils.for_range(builder, columns) as loop:
                source = builder.gep(x_pointer, [builder.mul(loop.index, across)])
                factor = builder.gep(
                    w_pointer, [builder.mul(loop.index, next_column)]
                )  # tile row 0's; the next row's is one before
                pixels = [load(builder, tile.llvm, _moved(builder, source, j * tile.llvm.count)) for j in range(tile.vectors)]
                for i in range(first, last):
                    weight = splat(builder, tile.llvm, builder.load(_moved(builder, factor, -i)))
                    for total, part in zip(sums[i * tile.vectors :], pixels, strict=False):
                        builder.store(multiply_add(builder, weight, part, builder.load(total)), total)

        def constant(number):
            return ir.Constant(rows.type, number)

        for i in range(tile.rows - 1):
            add_row(constant(i), 0, i + 1)
        with cgutils.for_range(builder, builder.sub(rows, constant(tile.rows - 1))) as loop:
            add_row(builder.add(loop.index, constant(tile.rows - 1)), 0, tile.rows)
        for i in range(tile.rows - 1):
            add_row(builder.add(rows, constant(i)), i + 1, tile.rows)
        for k, total in enumerate(sums):
            value = builder.insert_value(value, builder.load(total), k)
        return value

    n = types.intp
    return tile(tile, x, n, n, n, w, n, n, n, n), generate


def _moved(builder, pointer, elements):
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), elements)])
