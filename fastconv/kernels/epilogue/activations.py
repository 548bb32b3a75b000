"""Activations as functions of a vector and of up to two numbers, `a` and `b`, which ACTIVATIONS has the usual ones of."""

from typing import Any, NamedTuple

from ...runtime.jit import inlined
from ..simd.exponential import vclamp, verf, vexp, vlike, vnarrow_like, vtanh, vwide
from ..simd.vector import vadd, vdiv, vmul_add, vsub
from ..simd.vector_math import vmul, vwhere_negative


@inlined
def identity(v, a, b):
    """v: only a residual is added."""
    return v


@inlined
def relu(v, a, b):
    """The larger of v and 0."""
    return vwhere_negative(v, vlike(v, 0.0), v)


@inlined
def leaky_relu(v, a, b):
    """v, but a * v where v is negative."""
    return vwhere_negative(v, vmul(v, vlike(v, a)), v)


@inlined
def clip(v, a, b):
    """v, but a if it is less, and b if it is more."""
    return vclamp(v, a, b)


@inlined
def hard_sigmoid(v, a, b):
    """a * v + b, between 0 and 1."""
    return vclamp(vmul_add(v, vlike(v, a), vlike(v, b)), 0.0, 1.0)


@inlined
def hard_swish(v, a, b):
    """v * (v + 3) / 6, of v + 3 between 0 and 6."""
    return vdiv(vmul(v, vclamp(vadd(v, vlike(v, 3.0)), 0.0, 6.0)), vlike(v, 6.0))


@inlined
def sigmoid(v, a, b):
    """1 / (1 + e**-v)."""
    wide = vwide(v)
    one = vlike(wide, 1.0)
    return vnarrow_like(v, vdiv(one, vadd(one, vexp(vsub(vlike(wide, 0.0), wide)))))


@inlined
def silu(v, a, b):
    """v / (1 + e**-v)."""
    wide = vwide(v)
    return vnarrow_like(v, vdiv(wide, vadd(vlike(wide, 1.0), vexp(vsub(vlike(wide, 0.0), wide)))))


@inlined
def gelu(v, a, b):
    """v * (1 + erf(v / sqrt(2))) / 2."""
    wide = vwide(v)
    half = vmul(wide, vlike(wide, 0.5))
    return vnarrow_like(v, vmul_add(half, verf(vmul(wide, vlike(wide, 0.7071067811865476))), half))


@inlined
def tanh(v, a, b):
    """The hyperbolic tangent of v."""
    return vnarrow_like(v, vtanh(vwide(v)))


class Activation(NamedTuple):
    """A function of a vector, the numbers `a` and `b` that it has unasked, and what is said of those that may be given."""

    function: Any
    numbers: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(relu),
    "leaky_relu": Activation(leaky_relu, (0.01,), ("slope",)),
    "relu6": Activation(clip, (0.0, 6.0)),
    "clip": Activation(clip, (), ("least", "most")),
    "sigmoid": Activation(sigmoid),
    "hard_sigmoid": Activation(hard_sigmoid, (1 / 6, 0.5), ("factor", "offset")),
    "hard_swish": Activation(hard_swish),
    "silu": Activation(silu),
    "gelu": Activation(gelu),
    "tanh": Activation(tanh),
}
