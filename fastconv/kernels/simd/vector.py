"""Vectors of the CPU's own width inside numba code: load, store, arithmetic, compare, reduce.

A vector is a numba type whose data model is an LLVM vector, so LLVM keeps it in a register. Arrays are one-dimensional and
contiguous, positions are counted in elements and are *not* checked.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from ...runtime.machine import VECTOR_BYTES

INT32 = ir.IntType(32)
LLVM_FLOAT = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
ITEM_BYTES = {types.float32: 4, types.float64: 8}


def lanes_of(dtype) -> int:
    """Return how many elements of a NumPy or numba float type one vector holds."""
    bitwidth = getattr(dtype, "bitwidth", None)
    return VECTOR_BYTES * 8 // bitwidth if bitwidth else VECTOR_BYTES // dtype.itemsize


class Vector(types.Type):
    """The numba type of one vector register of float32 or float64; with more lanes, of several registers."""

    def __init__(self, dtype, lanes=None):
        self.dtype, self.lanes = dtype, lanes or lanes_of(dtype)
        super().__init__(name=f"Vector({dtype}x{self.lanes})")

    @property
    def llvm(self) -> ir.VectorType:
        return ir.VectorType(LLVM_FLOAT[self.dtype], self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, vector.llvm)


# Code generation shared with tile.py. `builder` is an llvmlite IRBuilder; pointers are to elements.


def element_pointer(context, builder, array_type, array, position):
    """Return a pointer to the element at `position` of a one-dimensional array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [position])


def splat(builder, vector, scalar):
    """Return an LLVM vector with `scalar` in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, vector.count), [0] * vector.count))


def lane_mask(builder, vector, count):
    """Return a mask whose lane i is on where i < count (any integer; negative counts as zero)."""
    indices = ir.VectorType(count.type, vector.count)
    iota = ir.Constant(indices, list(range(vector.count)))
    return builder.icmp_signed("<", iota, splat(builder, indices, count))


def _suffix(vector) -> str:
    return f"v{vector.count}f{64 if isinstance(vector.element, ir.DoubleType) else 32}"


def _alignment(vector) -> int:
    return 8 if isinstance(vector.element, ir.DoubleType) else 4


def load(builder, vector, pointer):
    """Load a whole vector from an element pointer."""
    value = builder.load(builder.bitcast(pointer, vector.as_pointer()))
    value.align = _alignment(vector)
    return value


def store(builder, value, pointer):
    """Store a whole vector at an element pointer."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = _alignment(value.type)


def masked_load(builder, vector, pointer, mask):
    """Load the lanes whose mask is on; the others are zero, and their memory is not touched."""
    pointer = builder.bitcast(pointer, vector.as_pointer())
    zero = ir.Constant(vector, [0.0] * vector.count)
    signature = ir.FunctionType(vector, [pointer.type, INT32, mask.type, vector])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.load.{_suffix(vector)}.p0")
    return builder.call(function, [pointer, ir.Constant(INT32, _alignment(vector)), mask, zero])


def masked_store(builder, value, pointer, mask):
    """Store the lanes whose mask is on; the other lanes' memory is not touched."""
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    signature = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, INT32, mask.type])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.store.{_suffix(value.type)}.p0")
    builder.call(function, [value, pointer, ir.Constant(INT32, _alignment(value.type)), mask])


def multiply_add(builder, a, b, c):
    """Return a * b + c, fused where the target has an instruction for it (never a library call)."""
    signature = ir.FunctionType(a.type, [a.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.{_suffix(a.type)}")
    return builder.call(function, [a, b, c])


def nan_extreme(builder, a, b, comparison):
    """Return the larger (comparison ">") or smaller ("<") of each pair of lanes, NaN where either is NaN."""
    extreme = builder.select(builder.fcmp_ordered(comparison, a, b), a, b)
    return builder.select(builder.fcmp_unordered("uno", a, a), a, extreme)


def lane_sum(builder, value):
    """Return the sum of a vector's lanes, added in halves (a fixed order)."""
    while value.type.count > 1:
        half = value.type.count // 2
        picks = [ir.Constant(ir.VectorType(INT32, half), list(range(start, start + half))) for start in (0, half)]
        value = builder.fadd(*(builder.shuffle_vector(value, value, pick) for pick in picks))
    return builder.extract_element(value, ir.Constant(INT32, 0))


# The operations that kernels call.


@intrinsic
def lanes(typing_context, array):
    """lanes(array): how many elements of the array's dtype one vector holds, a constant."""
    count = lanes_of(array.dtype)
    return types.intp(array), lambda context, builder, signature, args: ir.Constant(ir.IntType(64), count)


@intrinsic
def vzero(typing_context, array):
    """vzero(array): a vector of zeros of the array's dtype."""
    vector = Vector(array.dtype)
    zero = ir.Constant(vector.llvm, [0.0] * vector.lanes)
    return vector(array), lambda context, builder, signature, args: zero


@intrinsic
def vload(typing_context, array, position):
    """vload(array, position): the lanes array[position], array[position + 1], ..."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, args):
        return load(builder, vector.llvm, element_pointer(context, builder, signature.args[0], *args))

    return vector(array, types.intp), generate


@intrinsic
def vload_part(typing_context, array, position, count):
    """vload_part(array, position, count): like vload, but only the first `count` lanes; the rest are zero."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        return masked_load(builder, vector.llvm, pointer, lane_mask(builder, vector.llvm, args[2]))

    return vector(array, types.intp, types.intp), generate


@intrinsic
def vload_as(typing_context, like, array, position, count):
    """vload_as(like, array, position, count): the first lanes(like) elements, or `count`, cast to like's dtype, else zeros."""
    vector = Vector(like.dtype)

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], *args[1:3])
        narrow = ir.VectorType(LLVM_FLOAT[array.dtype], vector.lanes)
        value = masked_load(builder, narrow, pointer, lane_mask(builder, narrow, args[3]))
        return value if array.dtype == like.dtype else builder.fpext(value, vector.llvm)

    return vector(like, array, types.intp, types.intp), generate


@intrinsic
def vsplat(typing_context, array, scalar):
    """vsplat(array, scalar): the scalar, cast to the array's dtype, in every lane."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, args):
        return splat(builder, vector.llvm, args[1])

    return vector(array, array.dtype), generate


@intrinsic
def vstore(typing_context, array, position, vector):
    """vstore(array, position, vector): write all lanes from array[position] on."""

    def generate(context, builder, signature, args):
        store(builder, args[2], element_pointer(context, builder, signature.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def vstore_part(typing_context, array, position, vector, count):
    """vstore_part(array, position, vector, count): write only the first `count` lanes."""

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        masked_store(builder, args[2], pointer, lane_mask(builder, args[2].type, args[3]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp), generate


@intrinsic
def vadd(typing_context, a, b):
    """vadd(a, b): a + b."""
    return a(a, a), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def vsub(typing_context, a, b):
    """vsub(a, b): a - b."""
    return a(a, a), lambda context, builder, signature, args: builder.fsub(*args)


@intrinsic
def vmul_add(typing_context, a, b, c):
    """vmul_add(a, b, c): a * b + c."""
    return a(a, a, a), lambda context, builder, signature, args: multiply_add(builder, *args)


@intrinsic
def vdiv(typing_context, a, b):
    """vdiv(a, b): a / b."""
    return a(a, a), lambda context, builder, signature, args: builder.fdiv(*args)


@intrinsic(prefer_literal=True)
def vpick(typing_context, rule, a, b):
    """vpick(rule, a, b): by the constant rule 0 the larger, 1 the smaller of each pair of lanes (NaN if either is), 2 the sum."""
    kind = rule.literal_value

    def generate(context, builder, signature, args):
        if kind == 2:
            return builder.fadd(args[1], args[2])
        return nan_extreme(builder, args[1], args[2], ">" if kind == 0 else "<")

    return a(rule, a, a), generate


def _match(builder, a, b):
    """Return the mask of the lanes where a equals b, or is NaN."""
    return builder.or_(builder.fcmp_ordered("==", a, b), builder.fcmp_unordered("uno", a, a))


@intrinsic
def vmatch(typing_context, a, b, value):
    """vmatch(a, b, value): value in the lanes where a equals b or is NaN (and then the extreme b is NaN too), zero elsewhere."""

    def generate(context, builder, signature, args):
        return builder.select(_match(builder, *args[:2]), args[2], ir.Constant(args[2].type, [0.0] * args[2].type.count))

    return a(a, a, a), generate


@intrinsic
def vunmatch(typing_context, a, b, value):
    """vunmatch(a, b, value): zero in the lanes where a equals b or is NaN, value elsewhere."""

    def generate(context, builder, signature, args):
        return builder.select(_match(builder, *args[:2]), ir.Constant(args[2].type, [0.0] * args[2].type.count), args[2])

    return a(a, a, a), generate


@intrinsic
def vsum(typing_context, a):
    """vsum(a): the sum of the lanes, added in halves (a fixed order)."""
    return a.dtype(a), lambda context, builder, signature, args: lane_sum(builder, args[0])
