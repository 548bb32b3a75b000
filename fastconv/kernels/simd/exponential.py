"""exp, tanh and erf of vectors, in float64 whatever the vectors' type: within 1 unit in the last place of float32, 2 of float64.

Computed in float64, float32 results need no care for overflow, underflow or cancellation: rounding at the end does it all.
tanh and erf are the rational functions of Cephes (Moshier, 1984-2000: https://netlib.org/cephes), exp is its power series.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...runtime.jit import inlined
from .vector import Vector, multiply_add, splat, vadd, vdiv, vmul_add, vsub
from .vector_math import vmul

INT64 = ir.IntType(64)
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6
WHOLE = 1.5 * 2.0**52
"""A float64 number has no binary places beside this one: adding it rounds to a whole number, which is in the lowest bits."""
LARGEST = 750.0
"""exp is infinite for this, and zero for its negative."""
SERIES = tuple(1.0 / factorial for factorial in (
    6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0,
))  # fmt: skip
TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
ERF_P = (
    9.60497373987051638749,
    9.00260197203842689217e1,
    2.23200534594684319226e3,
    7.00332514112805075473e3,
    5.55923013010394962768e4,
)
ERF_Q = (
    1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
    4.92673942608635921086e4,
)  # fmt: skip
ERFC_P = (
    2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
    1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
    5.57535335369399327526e2,
)  # fmt: skip
ERFC_Q = (
    1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
    1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3, 5.57535340817727675546e2,
)  # fmt: skip


@intrinsic
def vwide(typing_context, v):
    """vwide(v): the vector's lanes as float64."""
    wide = Vector(types.float64, v.lanes)

    def generate(context, builder, signature, args):
        return args[0] if v.dtype == types.float64 else builder.fpext(args[0], wide.llvm)

    return wide(v), generate


@intrinsic
def vnarrow_like(typing_context, v, wide):
    """vnarrow_like(v, wide): float64 lanes rounded to v's type."""

    def generate(context, builder, signature, args):
        return args[1] if v.dtype == types.float64 else builder.fptrunc(args[1], v.llvm)

    return v(v, wide), generate


@intrinsic
def vlike(typing_context, v, scalar):
    """vlike(v, scalar): the scalar, cast to v's type, in every lane."""
    return v(v, v.dtype), lambda context, builder, signature, args: splat(builder, v.llvm, args[1])


@intrinsic
def vclamp(typing_context, v, low, high):
    """vclamp(v, low, high): the nearest number between two scalars; NaN stays NaN."""

    def generate(context, builder, signature, args):
        value = args[0]
        for comparison, bound in (("<", args[1]), (">", args[2])):
            limit = splat(builder, v.llvm, bound)
            value = builder.select(builder.fcmp_ordered(comparison, value, limit), limit, value)
        return value

    return v(v, v.dtype, v.dtype), generate


@intrinsic
def vwhere_less(typing_context, x, bound, a, b):
    """vwhere_less(x, bound, a, b): a in the lanes where |x| < bound, b in the others, also where x is NaN."""

    def generate(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", _absolute(builder, args[0]), splat(builder, x.llvm, args[1])), *args[2:])

    return x(x, x.dtype, x, x), generate


@intrinsic
def vabs(typing_context, v):
    """vabs(v): the absolute values."""
    return v(v), lambda context, builder, signature, args: _absolute(builder, args[0])


@intrinsic
def vsign_of(typing_context, sign, v):
    """vsign_of(sign, v): v with the signs of `sign`."""

    def generate(context, builder, signature, args):
        return builder.call(_function(builder, "copysign", v.llvm, 2), [args[1], args[0]])

    return v(v, v), generate


def _absolute(builder, value):
    return builder.call(_function(builder, "fabs", value.type, 1), [value])


def _function(builder, name, vector, count):
    kind = f"llvm.{name}.v{vector.count}f{64 if isinstance(vector.element, ir.DoubleType) else 32}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * count), kind)


@intrinsic
def vpolynomial(typing_context, v, coefficients):
    """vpolynomial(v, coefficients): c[0] * v**n + ... + c[n], for a tuple of float64 (Horner)."""

    def generate(context, builder, signature, args):
        first, *others = (splat(builder, v.llvm, builder.extract_value(args[1], i)) for i in range(len(coefficients)))
        for other in others:
            first = multiply_add(builder, first, args[0], other)
        return first

    return v(v, coefficients), generate


@intrinsic
def vpower_of_two(typing_context, shifted):
    """vpower_of_two(shifted): 2**k of float64 lanes k + WHOLE, for whole k between -1022 and 1023."""

    def generate(context, builder, signature, args):
        bits = ir.VectorType(INT64, shifted.lanes)
        whole = builder.bitcast(args[0], bits)
        exponent = builder.shl(whole, ir.Constant(bits, [52] * shifted.lanes))
        return builder.bitcast(builder.add(exponent, ir.Constant(bits, [1023 << 52] * shifted.lanes)), shifted.llvm)

    return shifted(shifted), generate


@inlined
def vexp(x):
    """e**x = 2**k * e**r with r = x - k * ln 2, of float64 lanes; 2**k in two halves, for it may be beyond all numbers."""
    x = vclamp(x, -LARGEST, LARGEST)
    whole = vlike(x, WHOLE)
    k = vsub(vmul_add(x, vlike(x, LOG2_E), whole), whole)
    r = vmul_add(k, vlike(x, -LN2_LOW), vmul_add(k, vlike(x, -LN2_HIGH), x))
    half = vmul_add(k, vlike(x, 0.5), whole)
    rest = vadd(vsub(k, vsub(half, whole)), whole)
    return vmul(vmul(vpolynomial(r, SERIES), vpower_of_two(half)), vpower_of_two(rest))


@inlined
def vtanh(x):
    """tanh x = x + x z P(z) / Q(z) with z = x**2 where |x| < 0.625, else 1 - 2 / (e**(2 |x|) + 1) with x's sign."""
    one, z = vlike(x, 1.0), vmul(x, x)
    near = vmul_add(vmul(x, z), vdiv(vpolynomial(z, TANH_P), vpolynomial(z, TANH_Q)), x)
    power = vexp(vmul(vabs(x), vlike(x, 2.0)))
    return vsign_of(x, vwhere_less(x, 0.625, near, vsub(one, vdiv(vlike(x, 2.0), vadd(power, one)))))


@inlined
def verf(x):
    """erf x = x P(z) / Q(z) with z = x**2 where |x| < 1, else 1 - e**-z P(|x|) / Q(|x|) with x's sign."""
    large = vclamp(vabs(x), 0.0, 6.0)
    z = vmul(large, large)
    near = vmul(x, vdiv(vpolynomial(z, ERF_P), vpolynomial(z, ERF_Q)))
    tail = vmul(vexp(vsub(vlike(x, 0.0), z)), vdiv(vpolynomial(large, ERFC_P), vpolynomial(large, ERFC_Q)))
    return vwhere_less(x, 1.0, near, vsign_of(x, vsub(vlike(x, 1.0), tail)))
