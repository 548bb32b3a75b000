"""Numbers in memory that several threads read and change at once, and waiting for them without the interpreter's lock."""

import sys

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from .jit import jit

X86, ARM = ("x86_64", "i686", "i386"), ("aarch64", "arm64")
WORD = ir.IntType(64)
IMPATIENCE = 100_000
"""Cycles after which one who waits for others' work lets the system run another thread: there may be more threads than CPUs."""


def _place(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


@intrinsic
def load(typing_context, numbers, index):
    """load(numbers, index): the number as it is in memory now, and all that was written before it."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(_place(context, builder, signature.args[0], *args), "seq_cst", 8)

    return types.int64(numbers, types.intp), generate


@intrinsic
def add(typing_context, numbers, index, more):
    """add(numbers, index, more): add to the number in one step, after all that was written before; return what it was."""

    def generate(context, builder, signature, args):
        place = _place(context, builder, signature.args[0], *args[:2])
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(numbers, types.intp, types.int64), generate


@intrinsic
def add_at(typing_context, address, more):
    """add_at(address, more): add to the int64 at this address, as `add` does; return what it was."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", builder.inttoptr(args[0], WORD.as_pointer()), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def peek(typing_context, address):
    """peek(address): the int64 at this address."""

    def generate(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[0], WORD.as_pointer()))

    return types.int64(types.int64), generate


@intrinsic
def poke(typing_context, address, value):
    """poke(address, value): write an int64 to this address."""

    def generate(context, builder, signature, args):
        builder.store(args[1], builder.inttoptr(args[0], WORD.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def pause(typing_context):
    """pause(): let the other thread of this core work for a moment, where the CPU has an instruction for it."""

    def generate(context, builder, signature, args):
        if context.codegen().magic_tuple()[0].startswith(X86):
            function = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def give_way(typing_context):
    """give_way(): let the system run another thread on this CPU, where it has POSIX's call for it."""

    def generate(context, builder, signature, args):
        if sys.platform != "win32":
            function = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def cycles(typing_context):
    """cycles(): the CPU's count of cycles where a program may read it, else 0."""

    def generate(context, builder, signature, args):
        if not context.codegen().magic_tuple()[0].startswith(X86):
            return ir.Constant(WORD, 0)
        function = ir.FunctionType(WORD, [])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.readcyclecounter"), [])

    return types.int64(), generate


FLUSH_X86, FLUSH_ARM = 0x8040, 1 << 24
FLUSH = FLUSH_ARM if cpu_target.target_context.codegen().magic_tuple()[0].startswith(ARM) else FLUSH_X86
"""The bits of the CPU's mode (MXCSR, FPCR) by which it takes denormal numbers as zeros, and gives zeros for them."""


def _call(builder, name, result, *args):
    function = ir.FunctionType(result, [value.type for value in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), args)


@intrinsic
def floating_mode(typing_context):
    """floating_mode(): this thread's mode of floating-point arithmetic, on x86 and aarch64, else 0."""

    def generate(context, builder, signature, args):
        triple = context.codegen().magic_tuple()[0]
        if triple.startswith(ARM):
            return _call(builder, "llvm.aarch64.get.fpcr", WORD)
        if not triple.startswith(X86):
            return ir.Constant(WORD, 0)
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), builder.bitcast(slot, ir.IntType(8).as_pointer()))
        return builder.zext(builder.load(slot), WORD)

    return types.int64(), generate


@intrinsic
def set_floating_mode(typing_context, mode):
    """set_floating_mode(mode): set what floating_mode gives, on x86 and aarch64."""

    def generate(context, builder, signature, args):
        triple = context.codegen().magic_tuple()[0]
        if triple.startswith(ARM):
            _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), args[0])
        elif triple.startswith(X86):
            slot = cgutils.alloca_once_value(builder, builder.trunc(args[0], ir.IntType(32)))
            _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), builder.bitcast(slot, ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64), generate


@jit
def wait_for(numbers, index, least):
    """Wait until numbers[index] is `least` or more."""
    start, rounds = cycles(), 0
    while load(numbers, index) < least:
        pause()
        rounds += 1
        if max(cycles() - start, 8 * rounds) > IMPATIENCE:  # rounds: should the count stand still
            give_way()


@jit
def wait_a_while(numbers, index, other, patience):
    """Wait until numbers[index] isn't `other`; return whether that came to be within so many cycles."""
    start, rounds = cycles(), 0
    while load(numbers, index) == other:
        waited = max(cycles() - start, 8 * rounds)
        if waited > patience:
            return False
        pause()
        if waited > IMPATIENCE:
            give_way()
        rounds += 1
    return True
