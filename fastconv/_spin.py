"""Waiting for a number in shared memory without the interpreter's lock, for a bounded while; see _helpers.py."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ._jit import jit

X86 = ("x86_64", "i686", "i386")


@intrinsic
def _load(typing_context, numbers, index):
    """_load(numbers, index): the number as it is in memory now, and all that was written before it."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "acquire", 8)

    return types.int64(numbers, types.intp), generate


@intrinsic
def _pause(typing_context):
    """_pause(): let the other thread of this core work for a moment, where the CPU has an instruction for it."""

    def generate(context, builder, signature, args):
        if context.codegen().magic_tuple()[0].startswith(X86):
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _cycles(typing_context):
    """_cycles(): the CPU's count of cycles where a program may read it, else 0."""

    def generate(context, builder, signature, args):
        if not context.codegen().magic_tuple()[0].startswith(X86):
            return ir.Constant(ir.IntType(64), 0)
        counter = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, counter, "llvm.readcyclecounter"), [])

    return types.int64(), generate


@jit
def wait_for(numbers, index, least, cycles, later):
    """Return whether numbers[index] came to `least` or more within so many cycles; if so, wait `later` cycles more."""
    start, end, rounds, there = _cycles(), cycles, 0, False
    while max(_cycles() - start, 8 * rounds) < end:  # rounds: should the count stand still
        if not there and _load(numbers, index) >= least:
            start, end, rounds, there = _cycles(), later, 0, True
        _pause()
        rounds += 1
    return there
