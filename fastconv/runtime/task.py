"""A kernel with its arguments and its size, as work for any thread: run from Python, or by its address without Python.

Kernels take flat arrays and integers, the last two of which say which units of work to do. By numba's calling convention such a
function takes only words (addresses and integers of 64 bits): first where to leave its result and its error, then for each array
seven words, and one for each integer. So any kernel can be called alike, given its address and its words. The caller clears the
stack, so it may pass more words than the kernel takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from struct import Struct
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import jit

MOST_WORDS = 128
"""A kernel's arguments take at most so many words."""
ARRAY_WORDS = 7
SLICES_PER_THREAD = 4
"""Work is cut into so many slices for each thread, since threads aren't equally fast."""
SLICE_FLOPS = 50_000
"""A slice below this isn't worth another thread's attention, which costs about a microsecond."""

WORD = ir.IntType(64)


class Task:
    """A kernel with its arguments but for the last two, start and stop, and how much work that is.

    Parameters
    ----------
    kernel : function made by `jit`
    arguments : tuple of flat ndarray, int, tuple of these, or callable
        A callable is called anew for each thread, and what it returns is the argument: the kernel's own scratchpad.
    units : int
        The kernel does units 0 ... units - 1, in any order and in any thread.
    flops : int
        Floating-point operations of all units together. So many make it worth the attention of other threads.
    slices_per_thread : int
        With 1 each thread gets one range of units: for kernels that read the same anew for every range.
    """

    __slots__ = ("arguments", "flops", "kernel", "slices_per_thread", "units")

    def __init__(
        self, kernel: Any, arguments: tuple, units: int, flops: int = 0, slices_per_thread: int = SLICES_PER_THREAD
    ):  # fmt: skip
        self.kernel, self.arguments, self.units, self.flops = kernel, arguments, units, flops
        self.slices_per_thread = slices_per_thread

    def parts(self) -> tuple[Task, ...]:
        """Return the tasks that this consists of: itself."""
        return (self,)

    def slices(self, threads: int) -> int:
        """Return into how many slices its units are cut for so many threads."""
        return min(self.units, self.slices_per_thread * threads) if threads > 1 else 1

    def __call__(self, start: int, stop: int) -> None:
        """Do the units start ... stop - 1 in this thread."""
        self.kernel(*[a() if callable(a) else a for a in self.arguments], start, stop)

    def marshal(self, table: np.ndarray, place: int, step: int, threads: int) -> tuple[int, int, list[Any]]:
        """Write each thread's words into a table, `step` apart; return the kernel's address, where start belongs, what to keep."""
        arguments = [a() if callable(a) else a for a in self.arguments]
        words: list[int] = []
        kinds: list[Any] = [self.kernel]
        places = _add_words(arguments, words, kinds)
        size = len(words)
        if size + 2 > MOST_WORDS:
            raise ValueError(f"{self.kernel.__name__}: arguments must take at most {MOST_WORDS} words, but take {size + 2}")
        pack, kept = _pack(size), [arguments]
        pack.pack_into(table.data, 8 * place, *words)
        for thread in range(1, threads):
            scratchpads = {i: a() for i, a in enumerate(self.arguments) if callable(a)}
            for i, scratchpad in scratchpads.items():
                words[places[i] : places[i] + ARRAY_WORDS] = _array_words(scratchpad)
            pack.pack_into(table.data, 8 * (place + thread * step), *words)
            kept.append([*scratchpads.values()])
        return _address(tuple(kinds), arguments), size, kept


class FusedTasks:
    """Several tasks, each of which does a block of work before the next one does, while what they share is in the cache.

    Of the `units` that are cut into slices each task, which may have fewer or more of its own, does its share of them; none of the
    blocks has more than `block` of them.
    """

    __slots__ = ("_block", "_tasks", "flops", "units")

    def __init__(self, tasks: Sequence[Task], *, units: int, flops: int, block: int):
        self._tasks, self._block, self.units, self.flops = tuple(tasks), block, units, flops

    def parts(self) -> tuple[Task, ...]:
        """Return the tasks that this consists of."""
        return self._tasks

    def slices(self, threads: int) -> int:
        """Return into how many slices the units are cut for so many threads: none is larger than a block."""
        least = SLICES_PER_THREAD * threads if threads > 1 else 1
        return min(self.units, max(least, -(-self.units // self._block)))

    def __call__(self, start: int, stop: int) -> None:
        """Do the units start ... stop - 1 in this thread."""
        count = len(self._tasks)
        table, words = np.empty(3 * count, np.int64), np.empty(count * MOST_WORDS, np.int64)
        kept = []
        for i, task in enumerate(self._tasks):
            address, place, arguments = task.marshal(words, i * MOST_WORDS, 0, 1)
            table[3 * i : 3 * i + 3] = address, place, task.units
            kept.append(arguments)
        if run_in_blocks(table, words, self.units, self._block, start, stop) != 0:
            raise RuntimeError(f"one of {[task.kernel.__name__ for task in self._tasks]} failed")


Work = Task | FusedTasks
Run = Callable[[Work], None]
"""Who is given a plan's tasks, in their order: `parallel_for` runs each at once; a list's `append` keeps them for a Program."""


def worthwhile_threads(task: Work, threads: int) -> int:
    """Return for how many of so many threads a task has enough work."""
    return max(1, min(threads, task.units, task.flops // SLICE_FLOPS))


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


def _add_words(arguments: Sequence[Any], words: list[int], kinds: list[Any]) -> list[int]:
    """Add all arguments' words, and what their types are known by, to these; return where each one's words begin."""
    places = []
    for argument in arguments:
        places.append(len(words))
        if isinstance(argument, np.ndarray):
            if argument.ndim != 1 or not argument.flags.carray:
                raise TypeError(f"a kernel's arguments must be flat arrays, integers and tuples of them, but one is {argument!r}")
            words += _array_words(argument)
            kinds.append(argument.dtype.char)
        elif isinstance(argument, tuple):
            inner: list[Any] = []
            _add_words(argument, words, inner)
            kinds.append(tuple(inner))
        elif isinstance(argument, int) and not isinstance(argument, bool):
            words.append(argument)
            kinds.append("")
        else:
            raise TypeError(f"a kernel's arguments must be flat arrays, integers and tuples of them, but one is {argument!r}")
    return places


_addresses: dict[tuple[Any, ...], int] = {}


def _address(kinds: tuple[Any, ...], arguments: list[Any]) -> int:
    """Return where the machine code of a kernel, kinds[0], for such arguments is; compile or load it first, if need be."""
    if kinds not in _addresses:
        kernel, signature = kinds[0], (*map(numba.typeof, arguments), numba.int64, numba.int64)
        kernel.compile(signature)
        compiled = kernel.overloads[signature]
        _addresses[kinds] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return _addresses[kinds]


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


@jit
def run_in_blocks(table, words, units, block, start, stop):
    """Do units start..stop of fused tasks by blocks; rows of table: a kernel's address, where its start belongs, its units."""
    errors = 0
    for first in range(start, stop, block):
        for i in range(len(table) // 3):
            place = i * MOST_WORDS + table[3 * i + 1]
            words[place] = table[3 * i + 2] * first // units
            words[place + 1] = table[3 * i + 2] * min(first + block, stop) // units
            errors += call_by_address(table[3 * i], words.ctypes.data + 8 * i * MOST_WORDS)
    return errors
