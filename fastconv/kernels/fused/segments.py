"""Narrow matrices, whole vectors at a time: a tile that covers some whole rows of a matrix with few columns.

Rows of 10 float64 and vectors of 8 lanes meet every 4 rows and 5 vectors. A tile of these 5 vectors (one a tile row) loads 4 matrix
rows without a mask and, in aligned memory, without a split; here are the operations that need to know where a row ends.
"""

from __future__ import annotations

from math import gcd

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..simd.tile import Tile
from ..simd.vector import INT32, LLVM_FLOAT, element_pointer, lanes_of, load, multiply_add

MOST_VECTORS = 8


def segment_sizes(columns: int, dtype) -> tuple[int, int] | None:
    """Return (matrix rows, vectors) of the least tile that covers whole rows, None where it has over MOST_VECTORS."""
    lanes = lanes_of(dtype)
    vectors = columns // gcd(lanes, columns)
    return (lanes // gcd(lanes, columns), vectors) if vectors <= MOST_VECTORS else None


def _indices(numbers) -> ir.Constant:
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(INT32, len(numbers)), numbers)


@intrinsic(prefer_literal=True)
def segment_scale_add(typing_context, tile, x, position, columns, w):
    """segment_scale_add(tile, x, position, columns, w): tile + w, each matrix row r of w multiplied by x[position + r]."""
    width, lanes = columns.literal_value, tile.llvm.count
    rows = tile.rows * lanes // width

    def generate(context, builder, signature, args):
        value, array, start, _, factor = args
        pointer = element_pointer(context, builder, signature.args[1], array, start)
        scales = load(builder, ir.VectorType(LLVM_FLOAT[tile.dtype], rows), pointer)
        for v in range(tile.rows):
            spread = builder.shuffle_vector(scales, scales, _indices((v * lanes + i) // width for i in range(lanes)))
            total = multiply_add(builder, spread, builder.extract_value(factor, v), builder.extract_value(value, v))
            value = builder.insert_value(value, total, v)
        return value

    return tile(tile, x, types.intp, columns, w), generate


@intrinsic(prefer_literal=True)
def segment_dot(typing_context, tile, v, columns, y, position):
    """segment_dot(tile, v, columns, y, position): y[position + r] = the sum over matrix row r of tile * v, a tile of its shape.

    Each row's part of every vector is added up in one vector, and these are then added pairwise, as in tile_dot.
    """
    width, lanes = columns.literal_value, tile.llvm.count
    rows = tile.rows * lanes // width

    def generate(context, builder, signature, args):
        products = [builder.fmul(builder.extract_value(args[0], k), builder.extract_value(args[1], k)) for k in range(tile.rows)]
        zero = ir.Constant(tile.llvm, [0.0] * lanes)
        sums = []
        for r in range(rows):
            total = zero
            for k in range(r * width // lanes, ((r + 1) * width - 1) // lanes + 1):
                here = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [(k * lanes + i) // width == r for i in range(lanes)])
                total = builder.fadd(total, builder.select(here, products[k], zero))
            sums.append(total)
        while len(sums) > 1 or sums[0].type.count > rows:
            pairs = list(zip(sums[::2], sums[1::2], strict=True)) if len(sums) > 1 else [(sums[0], sums[0])]
            count = lanes if len(sums) > 1 else sums[0].type.count // 2
            sums = [
                builder.fadd(
                    builder.shuffle_vector(a, b, _indices(2 * i for i in range(count))),
                    builder.shuffle_vector(a, b, _indices(2 * i + 1 for i in range(count))),
                )
                for a, b in pairs
            ]
        pointer = element_pointer(context, builder, signature.args[3], args[3], args[4])
        target = builder.bitcast(pointer, sums[0].type.as_pointer())
        builder.store(sums[0], target).align = tile.dtype.bitwidth // 8
        return context.get_dummy_value()

    if isinstance(v, Tile) and v == tile:
        return types.void(tile, v, columns, y, types.intp), generate
    return None
