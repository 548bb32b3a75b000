"""A kernel with its arguments, as a piece of work for any thread: run from Python, or by its address without Python.

Kernels take flat arrays and integers, the last two of which say which units of work to do. By numba's calling convention such a
function takes only words (addresses and integers of 64 bits): first where to leave its result and its error, then for each array
seven words, and one for each integer. So any kernel can be called alike, given its address and its words. The caller clears the
stack, so it may pass more words than the kernel takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from struct import Struct
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .._jit import jit

MOST_WORDS = 128
"""A kernel's arguments take at most so many words."""
ARRAY_WORDS = 7
PIECES_A_THREAD = 4
"""Work is cut into so many pieces a thread, for threads that aren't equally fast."""

WORD = ir.IntType(64)


class Call:
    """A kernel and its arguments but for the last two, start and stop; called with these.

    An argument that is callable is made anew for each thread, by calling it: a kernel's own room.
    """

    __slots__ = ("arguments", "kernel")

    def __init__(self, kernel: Any, *arguments: Any):
        self.kernel, self.arguments = kernel, arguments

    def calls(self, units: int) -> tuple[tuple[Call, int], ...]:
        """Return the calls that this consists of, and how many units each has, if it has so many."""
        return ((self, units),)

    def pieces(self, units: int, threads: int) -> int:
        """Return into how many pieces so many units are cut for so many threads, which may not be equally fast."""
        return min(units, PIECES_A_THREAD * threads) if threads > 1 else 1

    def __call__(self, start: int, stop: int) -> None:
        self.kernel(*[a() if callable(a) else a for a in self.arguments], start, stop)

    def for_threads(self, threads: int) -> tuple[int, np.ndarray, int, list[Any]]:
        """Return the kernel's address, each thread's words, where in them start and stop belong, and what must stay alive."""
        kept = [[a() if callable(a) else a for a in self.arguments]]
        own = [i for i, a in enumerate(self.arguments) if callable(a)]
        words, places = _words(kept[0])
        if len(words) + 2 > MOST_WORDS:
            raise ValueError(f"{self.kernel.__name__}: arguments must take at most {MOST_WORDS} words, but take {len(words) + 2}")
        address, table = _address(self.kernel, kept[0]), np.zeros((threads, MOST_WORDS), np.int64)
        _pack(len(words)).pack_into(table.data, 0, *words)
        table[1:] = table[0]
        for thread in range(1, threads):
            rooms = [self.arguments[i]() for i in own]
            for i, room in zip(own, rooms, strict=True):
                table[thread, places[i] : places[i] + ARRAY_WORDS] = _array_words(room)
            kept.append(rooms)
        return address, table, len(words), kept


class LongCall(Call):
    """A call that gets one range of units a thread: all units read the same, which more ranges would read more often."""

    def pieces(self, units: int, threads: int) -> int:
        """Return into how many pieces so many units are cut for so many threads."""
        return min(units, threads)


class Chain:
    """Several calls, each of which does a block of work before the next one does, while what they share is in the cache.

    Of the chain's units each call, which may have fewer or more of its own, does its share of them.
    """

    def __init__(self, calls: Sequence[tuple[Call, int]], units: int, block: int):
        self._calls, self._units, self._block = tuple(calls), units, block

    def __call__(self, start: int, stop: int) -> None:
        for first in range(start, stop, self._block):
            last = min(first + self._block, stop)
            for call, units in self._calls:
                call(units * first // self._units, units * last // self._units)

    def calls(self, units: int) -> tuple[tuple[Call, int], ...]:
        """Return the calls and their units."""
        return self._calls

    def pieces(self, units: int, threads: int) -> int:
        """Return into how many pieces so many units are cut: none is larger than a block."""
        least = PIECES_A_THREAD * threads if threads > 1 else 1
        return min(units, max(least, -(-units // self._block)))


Work = Call | Chain


def _array_words(array: np.ndarray) -> tuple[int, ...]:
    """Return an array as numba passes it: two owners (none), elements, bytes of one, address, length, bytes between two."""
    size, item = array.size, array.itemsize
    return 0, 0, size, item, address_of(array), size, item


@jit
def address_of(array):
    """Return where the array's elements are. (NumPy's own ways to tell take twenty times as long.)"""
    return array.ctypes.data


@cache
def _pack(count: int) -> Struct:
    return Struct(f"{count}q")


def _words(arguments: list[Any]) -> tuple[list[int], list[int]]:
    """Return all arguments' words, and where each one's begin."""
    words: list[int] = []
    places = []
    for argument in arguments:
        places.append(len(words))
        if isinstance(argument, np.ndarray):
            words += _array_words(argument)
        elif isinstance(argument, tuple):
            words += _words(list(argument))[0]
        else:
            words.append(argument)
    return words, places


_addresses: dict[tuple[Any, ...], int] = {}


def _kind(argument: Any) -> Any:
    """Return what an argument's type is known by; TypeError for one that isn't made of words."""
    if isinstance(argument, np.ndarray) and argument.ndim == 1 and argument.flags.carray:
        return argument.dtype.char
    if isinstance(argument, tuple):
        return tuple(map(_kind, argument))
    if isinstance(argument, int) and not isinstance(argument, bool):
        return ""
    raise TypeError(f"a kernel's arguments must be flat arrays, integers and tuples of them, but one is {argument!r}")


def _address(kernel: Any, arguments: list[Any]) -> int:
    """Return where the kernel's machine code for such arguments is; it is compiled, or loaded, if it isn't there yet."""
    key = (kernel, *map(_kind, arguments))
    if key not in _addresses:
        signature = (*map(numba.typeof, arguments), numba.int64, numba.int64)
        kernel.compile(signature)
        compiled = kernel.overloads[signature]
        _addresses[key] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return _addresses[key]


@intrinsic
def call_by_address(typing_context, address, words):
    """call_by_address(address, words): call a kernel with MOST_WORDS words; return zero, or its error's number."""

    def generate(context, builder, signature, args):
        parameters = [WORD.as_pointer()] * 2 + [WORD] * MOST_WORDS
        function = builder.inttoptr(args[0], ir.FunctionType(ir.IntType(32), parameters).as_pointer())
        first = builder.inttoptr(args[1], WORD.as_pointer())
        values = [builder.load(builder.gep(first, [ir.Constant(WORD, i)])) for i in range(MOST_WORDS)]
        result, error = cgutils.alloca_once(builder, WORD), cgutils.alloca_once(builder, WORD)
        return builder.sext(builder.call(function, [result, error, *values]), WORD)

    return types.int64(address, words), generate
