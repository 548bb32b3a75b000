"""The code of a tile that slides: a line's pixels, each loaded once, and the tile's accumulators in slots of their own."""

from llvmlite import ir
from numba.core import cgutils

from ..simd.vector import INT32, lane_mask, load, masked_load, multiply_add, splat

INT64 = ir.IntType(64)


def _zeros(builder, vector):
    """Return a pointer to a vector of zeros."""
    return cgutils.global_constant(builder, "fastconv_zeros", ir.Constant(vector, [0.0] * vector.count))


class Line:
    """The vectors of a line's `pixels` pixels from `pointer` on, `step` elements apart, each loaded when it is first asked for.

    With bounds (low, high), LLVM integers, those of the pixels `edge`, a range, that are outside low <= pixel < high are zero and
    not touched; no others may be outside. With a count, an LLVM integer, only so many lanes are there, and the others are zero.
    """

    def __init__(self, builder, vector, pointer, step, pixels, bounds=None, edge=(), count=None):
        self._builder, self._vector, self._pointer, self._step, self._pixels = builder, vector, pointer, step, pixels
        self._bounds, self._edge, self._count = bounds, edge, count
        self._loaded: dict = {}
        self._places: dict = {}
        if edge:
            self._zeros = _zeros(builder, vector)

    def __getitem__(self, pixel):
        if pixel not in self._loaded:
            pointer, count = self._place(pixel)
            if count is None:
                self._loaded[pixel] = load(self._builder, self._vector, pointer)
            else:
                mask = lane_mask(self._builder, self._vector, count)
                self._loaded[pixel] = masked_load(self._builder, self._vector, pointer, mask)
        return self._loaded[pixel]

    def load(self):
        """Load all pixels now."""
        for pixel in range(self._pixels):
            self[pixel]

    def _place(self, pixel):
        """Return the pixel's pointer, to zeros where it is outside, and how many of its lanes are there."""
        if pixel not in self._places:
            b, index = self._builder, ir.Constant(INT64, pixel)
            pointer, count = b.gep(self._pointer, [b.mul(index, self._step)]), self._count
            if pixel in self._edge:
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


class Slots:
    """A tile's vectors as variables, which change in blocks of code that may be passed over."""

    def __init__(self, builder, tile, value):
        self._builder = builder
        self._places = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows)]
        self._type = value.type

    def add(self, k, a, b):
        """Add a * b to vector k."""
        self._builder.store(multiply_add(self._builder, a, b, self._builder.load(self._places[k])), self._places[k])

    def value(self):
        value = ir.Constant(self._type, ir.Undefined)
        for k, place in enumerate(self._places):
            value = self._builder.insert_value(value, self._builder.load(place), k)
        return value
