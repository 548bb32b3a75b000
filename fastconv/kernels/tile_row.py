"""A row of taps at once, unrolled over a tile of neighbouring pixels: each pixel is loaded once, and none outside the line."""

from itertools import groupby
from operator import itemgetter

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .simd import element_pointer, load, multiply_add, splat
from .tile_top import opaque

INT64 = ir.IntType(64)


@intrinsic(prefer_literal=True)
def tile_outer_row(typing_context, tile, x, position, x_step, w, w_position, w_step, taps, stride, distance, edge, low, high):
    """tile[i, :] += sum over taps t of pixel[i * stride + t * distance] * w[w_position + t * w_step :].

    Pixel j is x[position + j * x_step]. Pixels outside low <= j < high count as zero, and are neither read nor multiplied; so the
    tile may have more rows than there are pixels for. taps, stride, distance and edge are constants: low is at most edge.
    """
    numbers = [number.literal_value for number in (taps, stride, distance)]
    most_low = edge.literal_value

    def generate(context, builder, signature, args):
        value, x_array, start, x_distance, w_array, w_start, w_distance, _, _, _, _, first, end = args
        pointer = opaque(builder, element_pointer(context, builder, signature.args[1], x_array, start))
        w_pointer = element_pointer(context, builder, signature.args[4], w_array, w_start)
        slots = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows * tile.vectors)]
        weights = []
        for t in range(numbers[0]):
            row = builder.gep(w_pointer, [builder.mul(ir.Constant(INT64, t), w_distance)])
            places = [builder.gep(row, [ir.Constant(INT64, v * tile.llvm.count)]) for v in range(tile.vectors)]
            weights.append([load(builder, tile.llvm, place) for place in places])
        first, end, at = opaque(builder, first) if most_low else first, opaque(builder, end), 0
        for j, meetings in groupby(_meetings(tile.rows, *numbers), itemgetter(0)):
            pointer, at = builder.gep(pointer, [builder.mul(x_distance, ir.Constant(INT64, j - at))]), j
            there = builder.icmp_signed(">", end, ir.Constant(INT64, j))
            if j < most_low:
                there = builder.and_(there, builder.icmp_signed("<=", first, ir.Constant(INT64, j)))
            with builder.if_then(there, likely=True):
                pixel = splat(builder, tile.llvm, builder.load(pointer))
                for _, i, t in meetings:
                    for slot, weight in zip(slots[i * tile.vectors :], weights[t], strict=False):
                        builder.store(multiply_add(builder, pixel, weight, builder.load(slot)), slot)
        for k, slot in enumerate(slots):
            value = builder.insert_value(value, builder.load(slot), k)
        return value

    n = types.intp
    return tile(tile, x, n, n, w, n, n, taps, stride, distance, edge, n, n), generate


def _meetings(rows, taps, stride, distance):
    """Return the (pixel, row, tap) that meet, by pixels."""
    return sorted((i * stride + t * distance, i, t) for i in range(rows) for t in range(taps))
