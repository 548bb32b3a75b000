"""A small kernel that slides along a line of pixels: each pixel is loaded once, for all the products that it is in."""

from functools import cache

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .simd import INT32, element_pointer, lane_mask, load, masked_load, multiply_add, splat, store

INT64 = ir.IntType(64)


class _Line:
    """The vectors of a line's `pixels` pixels from `pointer` on, `step` elements apart, each loaded when it is first asked for.

    With bounds (low, high), LLVM integers, pixels outside low <= pixel < high are zero and not touched; only the first and the
    last `edge` pixels may be. With a count, an LLVM integer, only so many lanes are there, and the others are zero.
    """

    def __init__(self, builder, vector, pointer, step, pixels, bounds=None, edge=0, count=None):
        self._builder, self._vector, self._pointer, self._step, self._pixels = builder, vector, pointer, step, pixels
        self._bounds, self._edge, self._count = bounds, edge, count
        self._loaded: dict = {}
        self._places: dict = {}
        if edge:
            self._zeros = cgutils.global_constant(builder, "fastconv_zeros", ir.Constant(vector, [0.0] * vector.count))

    def __getitem__(self, pixel):
        if pixel not in self._loaded:
            pointer, count = self._place(pixel)
            if count is None:
                self._loaded[pixel] = load(self._builder, self._vector, pointer)
            else:
                mask = lane_mask(self._builder, self._vector, count)
                self._loaded[pixel] = masked_load(self._builder, self._vector, pointer, mask)
        return self._loaded[pixel]

    def _place(self, pixel):
        """Return the pixel's pointer, to zeros where it is outside, and how many of its lanes are there."""
        if pixel not in self._places:
            b, index = self._builder, ir.Constant(INT64, pixel)
            pointer, count = b.gep(self._pointer, [b.mul(index, self._step)]), self._count
            if self._bounds is not None and not self._edge <= pixel < self._pixels - self._edge:
                low, high = self._bounds
                here = b.icmp_unsigned("<", b.sub(index, low), b.sub(high, low))
                if count is None:
                    pointer = b.select(here, pointer, b.bitcast(self._zeros, pointer.type))
                else:
                    count = b.select(here, count, ir.Constant(INT64, 0))
            self._places[pixel] = pointer, count
        return self._places[pixel]

    def spread(self, pixel, lane, segment, by_loads=False):
        """Return the pixel's vector cut into segments of so many lanes, each filled with its lane number `lane`.

        By loads: where there are two segments, from two numbers instead of the vector. It is the quicker where many vectors are
        needed at once, so that LLVM would keep halves of shuffles in memory. (Groups of 8, float32: 116 for 84 GFLOP/s.)
        """
        if segment == 1:
            return self[pixel]
        b, vector = self._builder, self._vector
        if by_loads and 2 * segment == vector.count and self._count is None:
            pointer = self._place(pixel)[0]
            low, high = (splat(b, vector, b.load(b.gep(pointer, [ir.Constant(INT64, i)]))) for i in (lane, segment + lane))
            return b.select(
                ir.Constant(ir.VectorType(ir.IntType(1), vector.count), [i < segment for i in range(vector.count)]), low, high
            )
        picks = ir.Constant(ir.VectorType(INT32, vector.count), [i // segment * segment + lane for i in range(vector.count)])
        return b.shuffle_vector(self[pixel], self[pixel], picks)


def _meetings(rows, taps, stride, distance):
    """Return the (pixel, row, tap) that meet, by pixels: row i and tap t meet at pixel i * stride + t * distance."""
    return sorted((i * stride + t * distance, i, t) for i in range(rows) for t in range(taps))


def _is_whole(count) -> bool:
    return isinstance(count, types.Literal) and count.literal_value == 0


@intrinsic(prefer_literal=True)
def tile_slide(
    typing_context, tile, x, position, step, w, w_position, w_step, w_run, taps, stride, distance, segment, edge, low, high, count
):
    """tile[i, :] += sum over t, c of spread(pixel[i * stride + t * distance], c) * w[w_position + t * w_step + c * w_run :].

    For taps t and lanes c < segment. Pixel j is the vector x[position + j * step :], cut into segments of lanes; spread fills each
    with its own lane c. The pixels outside low <= j < high count as zero; only the first and the last `edge` pixels may be outside.
    Only the first `count` lanes are there; a constant count of 0 stands for whole vectors. For one-vector tiles.
    """
    whole = _is_whole(count)
    kernel = (taps.literal_value, stride.literal_value, distance.literal_value)

    def generate(context, builder, signature, args):
        value, x_array, start, x_step, w_array, w_start, w_distance, w_across, *_, low, high, count = args
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        w_pointer = element_pointer(context, builder, signature.args[4], w_array, w_start)
        lanes, meetings = None if whole else count, _meetings(tile.rows, *kernel)
        pixels = _Line(builder, tile.llvm, x_pointer, x_step, meetings[-1][0] + 1, (low, high), edge.literal_value, lanes)
        for c in range(segment.literal_value):
            weights = _Line(builder, tile.llvm, w_pointer, w_distance, kernel[0], count=lanes)
            spread = cache(lambda j, c=c: pixels.spread(j, c, segment.literal_value, by_loads=True))
            for j, i, t in meetings:
                product = multiply_add(builder, spread(j), weights[t], builder.extract_value(value, i))
                value = builder.insert_value(value, product, i)
            w_pointer = builder.gep(w_pointer, [w_across])
        return value

    if tile.vectors != 1:
        return None
    numbers = (types.intp, types.intp, types.intp, taps, stride, distance, segment, edge)
    last = (types.intp, types.intp, count if whole else types.intp)
    return tile(tile, x, types.intp, types.intp, w, *numbers, *last), generate


@intrinsic(prefer_literal=True)
def tile_slide_grad(
    typing_context, tile, x, position, step, dy, dy_position, dy_step, rows, taps, stride, distance, segment, edge, low, high, count
):
    """tile[(t * segment + c) * parts + i % parts, :] += spread(pixel[i * stride + t * distance], c) * dy[row i].

    For rows i, taps t and c < segment: the gradient of tile_slide's w, with its pixels. Row i is dy[dy_position + i * dy_step :].
    The products are spread over as many partial sums as the tile has rows for, since a sum waits for the one before.
    """
    whole = _is_whole(count)
    kernel, width = (taps.literal_value, stride.literal_value, distance.literal_value), segment.literal_value
    parts = tile.rows // (kernel[0] * width)

    def generate(context, builder, signature, args):
        value, x_array, start, x_step, dy_array, dy_start, dy_distance, *_, low, high, count = args
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        dy_pointer = element_pointer(context, builder, signature.args[4], dy_array, dy_start)
        lanes, meetings = None if whole else count, _meetings(rows.literal_value, *kernel)
        pixels = _Line(builder, tile.llvm, x_pointer, x_step, meetings[-1][0] + 1, (low, high), edge.literal_value, lanes)
        gradients = _Line(builder, tile.llvm, dy_pointer, dy_distance, rows.literal_value, count=lanes)
        spread = cache(lambda j, c: pixels.spread(j, c, width))
        for j, i, t in meetings:
            for c in range(width):
                k = (t * width + c) * parts + i % parts
                product = multiply_add(builder, spread(j, c), gradients[i], builder.extract_value(value, k))
                value = builder.insert_value(value, product, k)
        return value

    if tile.vectors != 1:
        return None
    numbers = (rows, taps, stride, distance, segment, edge, types.intp, types.intp, count if whole else types.intp)
    return tile(tile, x, types.intp, types.intp, dy, types.intp, types.intp, *numbers), generate


@intrinsic(prefer_literal=True)
def tile_fold_add(typing_context, tile, y, position, step, count):
    """tile_fold_add(tile, y, position, step, count): y[position + k * step :] += the sum of `count` tile rows from k * count on."""
    size = count.literal_value

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        for first in range(0, tile.rows, size):
            total = load(builder, tile.llvm, pointer)
            for i in range(first, first + size):
                total = builder.fadd(total, builder.extract_value(args[0], i))
            store(builder, total, pointer)
            pointer = builder.gep(pointer, [args[3]])
        return context.get_dummy_value()

    return (types.void(tile, y, types.intp, types.intp, count), generate) if tile.vectors == 1 else None
