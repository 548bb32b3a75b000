"""The register tile over an image: rows x vectors of neighbouring elements, summed over a kernel's pixels."""

from __future__ import annotations

from contextlib import contextmanager

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..simd.tile_top import opaque
from ..simd.vector import element_pointer, load, multiply_add, splat


@contextmanager
def _each(builder, count):
    """Yield 0, 1, ... count - 1, in a loop that LLVM doesn't unroll: else it takes more registers than there are."""
    before, body, behind = builder.block, builder.append_basic_block("column"), builder.append_basic_block("columns.end")
    zero, one = ir.Constant(count.type, 0), ir.Constant(count.type, 1)
    builder.cbranch(builder.icmp_signed(">", count, zero), body, behind)
    builder.position_at_end(body)
    index, left = builder.phi(count.type), builder.phi(count.type)
    yield index
    rest = opaque(builder, builder.sub(left, one))
    for phi, first, following in ((index, zero, builder.add(index, one)), (left, count, rest)):
        phi.add_incoming(first, before)
        phi.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed(">", rest, zero), body, behind)
    builder.position_at_end(behind)


@intrinsic(prefer_literal=True)
def tile_correlate(typing_context, tile, x, position, row_step, column_step, w, w_position, w_row, w_column, rows, columns, period):
    """tile_correlate(tile, x, p, row_step, column_step, w, wp, w_row, w_column, rows, columns, period): add a kernel's sums over x.

    tile[i, j] += sum over a and b of x[p + (i + a) * row_step + b * column_step + j] * w[wp + a * w_row + b * w_column + j % n].
    A constant period of 0 stands for n = 1, one weight for all elements; otherwise it is n in vectors, and divides the tile's.

    Each row of x is loaded once for all the tile's rows that it counts for: one at the top, one more with every row of x, all in
    the middle, fewer again at the end. So the kernel must have at least as many rows as the tile.
    """
    held = period.literal_value

    def generate(context, builder, signature, args):
        value, x_array, start, down, across, w_array, w_start, next_row, next_column, kernel_rows, kernel_columns, _ = args
        sums = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows * tile.vectors)]
        pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        weights = element_pointer(context, builder, signature.args[5], w_array, w_start)

        def part(source, j):
            return load(builder, tile.llvm, builder.gep(source, [ir.Constant(start.type, j * tile.llvm.count)]))

        def add_row(index, first, last):
            """Add one row of x, of an index from the tile's first, to the tile's rows first to last."""
            x_pointer, rows_of_w = builder.gep(pointer, [builder.mul(index, down)]), {}
            for i in range(first, last):
                rows_of_w[i] = builder.gep(weights, [builder.mul(builder.sub(index, constant(i)), next_row)])
            with _each(builder, kernel_columns) as index:
                source, moved = builder.gep(x_pointer, [builder.mul(index, across)]), builder.mul(index, next_column)
                for k in range(held or 1):
                    elements = {j: part(source, j) for j in range(k, tile.vectors, held or 1)}
                    for i in range(first, last):
                        here = builder.gep(rows_of_w[i], [moved])
                        weight = part(here, k) if held else splat(builder, tile.llvm, builder.load(here))
                        for j, element in elements.items():
                            total = sums[i * tile.vectors + j]
                            builder.store(multiply_add(builder, weight, element, builder.load(total)), total)

        def constant(number):
            return ir.Constant(start.type, number)

        for i in range(tile.rows - 1):
            add_row(constant(i), 0, i + 1)
        with cgutils.for_range(builder, builder.sub(kernel_rows, constant(tile.rows - 1))) as loop:
            add_row(builder.add(loop.index, constant(tile.rows - 1)), 0, tile.rows)
        for i in range(tile.rows - 1):
            add_row(builder.add(kernel_rows, constant(i)), i + 1, tile.rows)
        for k, total in enumerate(sums):
            value = builder.insert_value(value, builder.load(total), k)
        return value

    n = types.intp
    return tile(tile, x, n, n, n, w, n, n, n, n, n, period), generate
