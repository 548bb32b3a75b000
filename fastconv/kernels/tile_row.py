"""A row of taps at once, unrolled over a tile of neighbouring pixels: each pixel is loaded once, and none outside the line."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .simd import element_pointer, load, multiply_add, splat

INT64 = ir.IntType(64)


@intrinsic(prefer_literal=True)
def tile_outer_row(typing_context, tile, x, position, x_step, w, w_position, w_step, taps, stride, distance, first, size):
    """tile[i, :] += sum over taps t of pixel[first + i * stride + t * distance] * w[w_position + t * w_step :].

    Pixel j is x[position + j * x_step]. Pixels outside 0 <= j < size count as zero: which these are the numbers after w_step, all
    constants, tell beforehand, so that they are neither read nor multiplied.
    """
    numbers = [number.literal_value for number in (taps, stride, distance, first, size)]

    def generate(context, builder, signature, args):
        value, x_array, start, x_distance, w_array, w_start, w_distance, *_ = args
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        w_pointer = element_pointer(context, builder, signature.args[4], w_array, w_start)
        pixels, weights = {}, {}
        for j, i, t in _meetings(tile.rows, *numbers):
            if j not in pixels:
                pixels[j] = splat(builder, tile.llvm, builder.load(_place(builder, x_pointer, j, x_distance)))
            for v in range(tile.vectors):
                if (t, v) not in weights:
                    vector = builder.gep(_place(builder, w_pointer, t, w_distance), [ir.Constant(INT64, v * tile.llvm.count)])
                    weights[t, v] = load(builder, tile.llvm, vector)
                k = i * tile.vectors + v
                total = multiply_add(builder, pixels[j], weights[t, v], builder.extract_value(value, k))
                value = builder.insert_value(value, total, k)
        return value

    constants = (taps, stride, distance, first, size)
    return tile(tile, x, types.intp, types.intp, w, types.intp, types.intp, *constants), generate


def _meetings(rows, taps, stride, distance, first, size):
    """Return the (pixel, row, tap) that meet within the line, by pixels."""
    found = ((first + i * stride + t * distance, i, t) for i in range(rows) for t in range(taps))
    return sorted(meeting for meeting in found if 0 <= meeting[0] < size)


def _place(builder, pointer, index, step):
    return builder.gep(pointer, [builder.mul(ir.Constant(INT64, index), step)])
