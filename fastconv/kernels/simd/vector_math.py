"""More operations on vectors (see vector.py), for what goes over an array once: activations, updates, random numbers, bytes."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vector import INT32, Vector, element_pointer, splat

BYTE = ir.IntType(8)


@intrinsic
def vmul(typing_context, a, b):
    """vmul(a, b): a * b."""
    return a(a, a), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def vsqrt(typing_context, a):
    """vsqrt(a): the square roots."""

    def generate(context, builder, signature, args):
        kind = f"v{a.lanes}f{a.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.llvm, [a.llvm]), f"llvm.sqrt.{kind}")
        return builder.call(function, args)

    return a(a), generate


@intrinsic
def vwhere_positive(typing_context, x, a, b):
    """vwhere_positive(x, a, b): a in the lanes where x > 0 or x is NaN, b in the others."""

    def generate(context, builder, signature, args):
        zero = ir.Constant(args[0].type, [0.0] * x.lanes)
        return builder.select(builder.fcmp_unordered(">", args[0], zero), args[1], args[2])

    return x(x, x, x), generate


@intrinsic
def vwhere_negative(typing_context, x, a, b):
    """vwhere_negative(x, a, b): a in the lanes where x < 0, b in the others, also where x is NaN."""

    def generate(context, builder, signature, args):
        zero = ir.Constant(args[0].type, [0.0] * x.lanes)
        return builder.select(builder.fcmp_ordered("<", args[0], zero), args[1], args[2])

    return x(x, x, x), generate


@intrinsic
def vwhere_equal(typing_context, a, b, value):
    """vwhere_equal(a, b, value): value in the lanes where a == b, or where either is NaN, zero elsewhere."""

    def generate(context, builder, signature, args):
        zero = ir.Constant(args[2].type, [0.0] * args[2].type.count)
        return builder.select(builder.fcmp_unordered("==", args[0], args[1]), args[2], zero)

    return a(a, a, a), generate


@intrinsic
def vwhere_unequal(typing_context, a, b, value):
    """vwhere_unequal(a, b, value): value in the lanes where a < b or a > b, zero elsewhere, also where either is NaN."""

    def generate(context, builder, signature, args):
        zero = ir.Constant(args[2].type, [0.0] * args[2].type.count)
        return builder.select(builder.fcmp_unordered("==", args[0], args[1]), zero, args[2])

    return a(a, a, a), generate


@intrinsic
def vload_bytes(typing_context, array, bytes_, position):
    """vload_bytes(array, bytes, position): bytes[position], ... (uint8) as a vector of the array's dtype."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        numbers = builder.load(builder.bitcast(pointer, ir.VectorType(BYTE, vector.lanes).as_pointer()))
        numbers.align = 1
        return builder.uitofp(numbers, vector.llvm)

    return vector(array, bytes_, types.intp), generate


def _multiply(builder, bits, factor):
    return builder.mul(bits, ir.Constant(bits.type, [factor - 2**32 if factor >= 2**31 else factor] * bits.type.count))


def _fold(builder, bits, shift):
    return builder.xor(bits, builder.lshr(bits, ir.Constant(bits.type, [shift] * bits.type.count)))


@intrinsic
def vkeep(typing_context, a, key, first, threshold):
    """vkeep(a, key, first, threshold): a in the lanes i where random.bits_of(key, first + i) >= threshold, zero in the others."""

    def generate(context, builder, signature, args):
        numbers = ir.VectorType(INT32, a.lanes)

        def spread(value):
            narrow = builder.trunc(value, INT32) if value.type.width > 32 else value
            return splat(builder, numbers, narrow)

        units = builder.add(spread(args[2]), ir.Constant(numbers, list(range(a.lanes))))
        bits = builder.xor(_multiply(builder, units, 0x9E3779B1), spread(args[1]))
        for shift, factor in ((17, 0xED5AD4BB), (11, 0xAC4C1B51)):
            bits = _multiply(builder, _fold(builder, bits, shift), factor)
        kept = builder.icmp_unsigned(">=", _fold(builder, bits, 15), spread(args[3]))
        return builder.select(kept, args[0], ir.Constant(a.llvm, [0.0] * a.lanes))

    return a(a, key, types.int64, types.int64), generate
