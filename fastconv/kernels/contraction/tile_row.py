"""A row of taps at once, unrolled over a tile of neighbouring pixels: each pixel is loaded once, and none outside the line."""

from itertools import groupby
from operator import itemgetter

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..simd.tile_top import opaque
from ..simd.vector import element_pointer, load, multiply_add, splat

INT64 = ir.IntType(64)


@intrinsic(prefer_literal=True)
def tile_outer_row(
    typing_context, tile, x, position, x_step, w, w_position, w_step, taps, stride, distance, edge, low, high, height
):
    """tile[i, :] += sum over taps t of pixel[i * stride + t * distance] * w[w_position + t * w_step :].

    Pixel j is x[position + j * x_step]. Pixels outside low <= j < high count as zero, and are neither read nor multiplied. Of the
    tile's rows only the first `height` are needed: hardly anything is done for the others. taps, stride, distance and edge are
    constants: low is at most edge.
    """
    numbers = [number.literal_value for number in (taps, stride, distance)]
    most_low = edge.literal_value

    def generate(context, builder, signature, args):
        value, x_array, start, x_distance, w_array, w_start, w_distance, _, _, _, _, low, high, height = args
        pointer = opaque(builder, element_pointer(context, builder, signature.args[1], x_array, start))
        w_pointer = element_pointer(context, builder, signature.args[4], w_array, w_start)
        slots = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows * tile.vectors)]
        weights = []
        for t in range(numbers[0]):
            row = builder.gep(w_pointer, [builder.mul(ir.Constant(INT64, t), w_distance)])
            places = [builder.gep(row, [ir.Constant(INT64, v * tile.llvm.count)]) for v in range(tile.vectors)]
            weights.append([load(builder, tile.llvm, place) for place in places])

        def add(pixel, row, tap):
            for slot, weight in zip(slots[row * tile.vectors :], weights[tap], strict=False):
                builder.store(multiply_add(builder, pixel, weight, builder.load(slot)), slot)

        def pixels(pointer):
            """Yield each pixel's number and place, and the (row, tap) that it meets."""
            at = 0
            for j, found in groupby(_meetings(tile.rows, *numbers), itemgetter(0)):
                pointer, at = builder.gep(pointer, [builder.mul(x_distance, ir.Constant(INT64, j - at))]), j
                yield j, pointer, [meeting[1:] for meeting in found]

        def below(number, limit):
            return builder.icmp_signed("<", ir.Constant(INT64, number), limit)

        def inside(j, end):
            """Return whether low <= j < end."""
            if j >= most_low:
                return below(j, end)
            return builder.and_(below(j, end), builder.icmp_signed("<=", first, ir.Constant(INT64, j)))

        def add_needed(pixel, meetings):
            """Add what a pixel gives to rows, until there is one that isn't needed."""
            (row, tap), *others = meetings
            with builder.if_then(below(row, top)):
                add(pixel, row, tap)
                if others:
                    add_needed(pixel, others)

        *_, last = _meetings(tile.rows, *numbers)
        whole = builder.and_(below(last[0], high), builder.icmp_signed("<=", low, ir.Constant(INT64, 0)))
        with builder.if_else(whole) as (then, otherwise):
            with then:
                for _, place, meetings in pixels(pointer):
                    pixel = splat(builder, tile.llvm, builder.load(place))
                    for row, tap in meetings:
                        add(pixel, row, tap)
            with otherwise:
                all_needed = builder.mul(height, ir.Constant(INT64, numbers[1]))  # by all rows of these pixels
                all_needed = builder.select(below(tile.rows - 1, height), high, all_needed)
                all_needed = builder.select(builder.icmp_signed("<", all_needed, high), all_needed, high)
                first, end, top, all_needed = (opaque(builder, number) for number in (low, high, height, all_needed))
                for j, place, meetings in pixels(pointer):
                    with builder.if_else(inside(j, all_needed), likely=True) as (common, rare):
                        with common:
                            pixel = splat(builder, tile.llvm, builder.load(place))
                            for row, tap in meetings:
                                add(pixel, row, tap)
                        with rare, builder.if_then(inside(j, end)):
                            add_needed(splat(builder, tile.llvm, builder.load(place)), meetings)
        for k, slot in enumerate(slots):
            value = builder.insert_value(value, builder.load(slot), k)
        return value

    n = types.intp
    return tile(tile, x, n, n, w, n, n, taps, stride, distance, edge, n, n, n), generate


def _meetings(rows, taps, stride, distance):
    """Return the (pixel, row, tap) that meet, by pixels."""
    return sorted((i * stride + t * distance, i, t) for i in range(rows) for t in range(taps))
