"""Memory between two pages that can't be touched: an access out of bounds ends the process instead of going unseen.

Run as a program (`python -m tests.guarded`), this runs every kernel with all its memory guarded, at the front and at the
back, and checks the results; it prints the vector width it ran with and how many cases passed. The tests run it in
subprocesses, for this CPU and for others.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import inspect
import mmap
import pkgutil
import re
import sys
from functools import partial
from itertools import product

import numpy as np
from numba.core.registry import CPUDispatcher

import fastconv.kernels
from fastconv.runtime import memory
from fastconv.runtime.memory import Allocator

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


KERNELS, ARRAYS, PART_ARRAYS = 130, 6500, 1500
"""So many kernels, or makers of kernels, there are at least, and arrays of their own that are guarded, in all and in "part"; no
number may fall."""
MAKES_KERNELS = re.compile(r"@jit|@inlined|\bjit\(")


def guarded(array: np.ndarray, back: bool) -> np.ndarray:
    """Return a copy whose last (back) or first element lies against a page that can't be touched; both ends have one.

    The pages are given back with the array: a process may have some 65,000 of them in use.
    """
    size = max(array.nbytes, 1)
    inner = -(-size // PAGE) * PAGE
    region = mmap.mmap(-1, inner + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for page in (start, start + PAGE + inner):
        if _libc.mprotect(ctypes.c_void_p(page), PAGE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (inner - array.nbytes if back else 0)
    copy = np.frombuffer(region, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


def is_guarded(array: np.ndarray) -> bool:
    """Return whether an array lies between pages that can't be touched."""
    owner = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)


class Guarded(Allocator):
    """Gives out guarded memory, each array between pages of its own, full of NaN; it counts the arrays."""

    def __init__(self, back: bool):
        self.back, self.count = back, 0

    def take(self, shape, dtype):
        self.count += 1
        return guarded(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -1, dtype), self.back)

    take_aligned = take

    def cut(self, block, start, stop):
        return self.take(stop - start, block.dtype)


def guard_buffers(back: bool) -> Guarded:
    """Let all memory that fastconv makes come guarded: results, packed weights, borders, partial sums, rooms, arenas."""
    memory.allocator = allocator = Guarded(back)
    return allocator


def in_slices(task):
    """Run a task as three threads would, one slice after the other, and see that threads could be given its calls.

    Where memory is guarded, the tables of positions that plans have made are, too.
    """
    from fastconv.runtime.task import MOST_WORDS

    pairs = []
    for part in task.parts():
        if isinstance(memory.allocator, Guarded):
            part.arguments = _guard_tables(part.arguments, pairs)
        part.marshal(np.empty(MOST_WORDS, np.int64), 0, 0, 1)
    bounds = [task.units * i // 3 for i in range(4)]
    for start, stop in zip(bounds, bounds[1:]):
        if start < stop:
            task(start, stop)
    for table, copy in pairs:
        assert table.tobytes() == copy.tobytes(), f"{task.parts()[0].kernel} writes to memory that no allocator gave"


def _guard_tables(arguments, pairs):
    """Return a task's arguments with what isn't guarded in guarded copies; add each array and its copy to the pairs."""
    replaced = []
    for argument in arguments:
        if isinstance(argument, tuple):
            argument = _guard_tables(argument, pairs)
        elif isinstance(argument, np.ndarray) and not is_guarded(argument):
            pairs.append((argument, guarded(argument, memory.allocator.back)))
            argument = pairs[-1][1]
        replaced.append(argument)
    return tuple(replaced)


def kernels_run() -> dict[str, bool]:
    """Return for each compiled function of the kernels and of runtime/task.py, and what makes such, whether it has run.

    A function that kernels call, or close over, has run with them: where a kernel comes from the disk, what it calls isn't compiled
    on its own, and what is inlined never is.
    """
    found = {}
    modules = [module.name for module in pkgutil.walk_packages(fastconv.kernels.__path__, "fastconv.kernels.")]
    for module in [*modules, "fastconv.runtime.task"]:
        for value in vars(importlib.import_module(module)).values():
            if hasattr(value, "py_func") and value.py_func.__module__ == module:
                found[value] = bool(value.overloads)
            elif hasattr(value, "cache_info") and value.__module__ == module and MAKES_KERNELS.search(inspect.getsource(value)):
                found[value] = value.cache_info().currsize > 0
    waiting = [value for value, run in found.items() if run]
    waiting += [value for value in gc.get_objects() if type(value) is CPUDispatcher and value.overloads]  # what makers have made
    ran = set(waiting)
    while waiting:
        new = set(_called_by(waiting.pop())) - ran
        ran |= new
        waiting += new
    return {f"{value.__module__}.{value.__name__}": value in ran for value in found}


def _called_by(kernel):
    """Yield kernels and makers that a kernel, or what a maker makes, calls by a name of its module or closes over."""
    function = inspect.unwrap(getattr(kernel, "py_func", kernel))
    codes, values = [function.__code__], [cell.cell_contents for cell in function.__closure__ or ()]
    while codes:
        code = codes.pop()
        codes += [inner for inner in code.co_consts if inspect.iscode(inner)]
        values += map(function.__globals__.get, code.co_names)
    yield from (value for value in values if hasattr(value, "py_func") or hasattr(value, "cache_info"))


def main(scope: str) -> None:
    """Run everything guarded at both ends and print what; "quick" compiles least, then "part", "full", and "wide" most.

    "part", for emulated CPUs, runs every kernel, but on few shapes, in float32, and guarded at the back only. Fail where a kernel
    has not run, or there are fewer than there were, unless it is "quick", which runs few.
    """
    from fastconv.runtime.machine import REGISTERS, VECTOR_BYTES

    from . import guarded_convolutions, guarded_layers, guarded_training
    from .simd_checks import check_simd
    from .training_checks import CHECKS

    dtypes = ["float32", "float64"] if scope in ("full", "wide") else ["float32"]
    count, buffers = sum(check_simd(dtype, guarded) for dtype in dtypes), 0
    every = 2 if scope == "part" else 1
    for back in (True, False)[::every]:
        allocator = guard_buffers(back)
        count += guarded_convolutions.check_convolutions(back, scope, dtypes)
        if scope != "quick":
            count += guarded_convolutions.check_all(back, scope, dtypes) + guarded_layers.check_all(back, dtypes, every)
            count += guarded_training.check_networks(back) + guarded_training.check_one_pass(back, every)
            for check, dtype in product(CHECKS, dtypes):
                count += check(np.dtype(dtype).type, partial(guarded, back=back))
        buffers += allocator.count
    ran = kernels_run()
    missing = sorted(name for name in ran if not ran[name])
    print(f"vectors of {VECTOR_BYTES} bytes, {REGISTERS} registers: {count} guarded cases passed")
    print(f"{sum(ran.values())} of {len(ran)} kernels and {buffers} arrays of their own guarded")
    if scope != "quick":
        assert not missing, f"no guarded case runs {missing}"
        arrays = PART_ARRAYS if scope == "part" else ARRAYS
        assert len(ran) >= KERNELS and buffers >= arrays, "fewer kernels or arrays are guarded than were"


if __name__ == "__main__":
    from tests.guarded import main  # not this module's: the checks import that one

    main(sys.argv[1] if len(sys.argv) > 1 else "full")
