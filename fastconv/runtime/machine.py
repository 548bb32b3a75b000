"""What the machine is: the CPU that is compiled for, its vectors and caches; and all limits of kernels that follow from these.

Two kinds of limits are kept apart. Those of the first kind say in which order work is done, and nothing about results: they come
from the caches of the machine that runs. Those of the second kind say in which order a sum's terms are added, on which its last
digits depend: they come from LEAST_CACHES, so that all machines with the same vectors, and a fused multiply-add or none, get the
same bits (with one C library, whose exp and log are called; `python -m tests.aarch64` compares two kinds of CPU).
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from numba.core.registry import cpu_target


def _target_features() -> set[str]:
    """Return the CPU features that numba's code generator has switched on, for example {"avx2", "fma"}."""
    _triple, _name, features = cpu_target.target_context.codegen().magic_tuple()
    return {flag[1:] for flag in features.split(",") if flag.startswith("+")}


def target_cpu() -> str:
    """Return the name of the CPU that numba compiles for: not the one that runs, if NUMBA_CPU_NAME says another one."""
    return cpu_target.target_context.codegen().magic_tuple()[1]


def _target_width() -> tuple[int, int]:
    """Return (bytes in a vector, number of vector registers) of the CPU that numba compiles for."""
    features = _target_features()
    if "avx512f" in features:
        return 64, 32
    if "avx" in features:
        return 32, 16
    if cpu_target.target_context.codegen().magic_tuple()[0].startswith(("aarch64", "arm64")):
        return 16, 32
    return 16, 16


class Caches(NamedTuple):
    """Bytes of the first two levels of data caches that one thread may count on, and of the third, which all share."""

    first: int
    second: int
    third: int


KIB, MIB = 2**10, 2**20
LEAST_CACHES = Caches(32 * KIB, 512 * KIB, 8 * MIB)
"""What nearly every CPU since 2011 has, and what is taken for true where the system doesn't tell."""


def read_caches(root: Path = Path("/")) -> Caches:
    """Return the caches of this process's first and last CPU, the smaller ones where they differ.

    Linux has them in sysfs, macOS in sysctl: https://docs.kernel.org/admin-guide/abi-stable.html (devices/system/cpu) and
    https://developer.apple.com/documentation/kernel/1387446-sysctlbyname/determining_system_capabilities. A cache that CPUs share
    is shared out among them.
    """
    found: list[dict[str, int]] = []
    if sys.platform == "darwin":
        found = [_caches_of_macos()]
    else:
        with suppress(AttributeError):  # not Linux
            usable = sorted(os.sched_getaffinity(0))
            found = [_caches_of_linux(root / f"sys/devices/system/cpu/cpu{cpu}/cache") for cpu in {usable[0], usable[-1]}]
    caches = LEAST_CACHES._asdict()
    for level in caches:
        caches[level] = min((sizes[level] for sizes in found if sizes.get(level, 0) > 0), default=caches[level])
    return Caches(**caches)


def _caches_of_linux(folder: Path) -> dict[str, int]:
    """Return the size of each level that a CPU's folder tells of."""
    sizes = {}
    for index in range(5):
        with suppress(OSError, ValueError, LookupError):
            level, kind, size, shared = (
                (folder / f"index{index}" / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
            )
            name = Caches._fields[int(level) - 1]
            if kind != "Instruction":
                total = int(size.rstrip("KM")) * {"K": KIB, "M": MIB}.get(size[-1], 1)
                sizes[name] = total if name == "third" else total // _count(shared)
    return sizes


def _count(cpus: str) -> int:
    """Return how many CPUs a list such as "0-3,8" has."""
    spans = [[int(end) for end in span.split("-")] for span in cpus.split(",")]
    return sum(span[-1] - span[0] + 1 for span in spans)


def _caches_of_macos() -> dict[str, int]:
    """Return the size of each level that sysctl tells of, those of the fast CPUs."""
    sharers = _sysctl("hw.perflevel0.cpusperl2") or 1
    return {
        "first": _sysctl("hw.perflevel0.l1dcachesize") or _sysctl("hw.l1dcachesize"),
        "second": _sysctl("hw.perflevel0.l2cachesize") // sharers or _sysctl("hw.l2cachesize"),
        "third": _sysctl("hw.l3cachesize"),
    }


def _sysctl(name: str) -> int:
    """Return a number of macOS's; 0 if there is none of that name."""
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    try:
        failed = ctypes.CDLL(None).sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)
    except (OSError, AttributeError):
        return 0
    return 0 if failed else value.value


VECTOR_BYTES, REGISTERS = _target_width()
FLOAT32_LANES = VECTOR_BYTES // 4
"""Numbers in a vector."""
CACHES = read_caches()

# The order of work, by the second-level cache.
INPUT_BLOCK = CACHES.second * 3 // 16
"""So much input of a block of lines stays there while all outputs use it; "direct" and "dot"."""
WEIGHT_BLOCK = CACHES.second // 4
"""The weights of so many outputs that they take this much stay there while the pixels of a line use them; "direct"."""
PHASE_BLOCK = CACHES.second // 2
"""So much of the input gradient stays there for all phases of the stride; "depthwise"."""
PATCHES_BLOCK = CACHES.second * 3 // 4
"""So much of transformed patches stays there while all outputs use them; "winograd"."""

# The order of sums, by LEAST_CACHES.
PANEL = LEAST_CACHES.first * 3 // 4
"""A panel of a matrix, with a tile's rows of the other one, fits in the first-level cache."""
STRIP = LEAST_CACHES.first * 3 // 4
"""Those gradients of a block's pixels that one tile takes stay there while all rows use them; "pointwise"."""
GRADIENT_LINES = LEAST_CACHES.first * 3 // 4
"""So much of a block of lines, input and one tile's gradients, stays there while all tiles use it; "direct" weight gradients."""
DEPTHWISE_LINES = LEAST_CACHES.first * 3 // 16
"""So much of lines is taken at a time; of more, far apart in memory, CPUs load none ahead (0.9); "depthwise" weight gradients."""
ROWS_BLOCK = LEAST_CACHES.first // 2 // 4
"""So many elements stay there while one vector of their rows after the other is done; batch normalisation."""
PIXELS_BLOCK = LEAST_CACHES.second
"""The copied pixels of a block stay near while all strips use them; "pointwise"."""
WINOGRAD_SUMS = LEAST_CACHES.second * 5 // 4
"""So many sums of a block of channels and filters stay near while all tiles add to them."""
WINOGRAD_CHUNK = LEAST_CACHES.second * 5 // 4
"""So much of transformed patches, of images and of gradients together, is made and used at a time."""
WINOGRAD_PATCHES = LEAST_CACHES.third * 3 // 4
"""Patches that take less than this once transformed, and less than the weights, are all transformed before these."""

# What registers hold.
MANY_REGISTERS = REGISTERS >= 32
RUN_DEPTH = 1 if MANY_REGISTERS else 4
"""So many inputs of a run are taken in one round of "direct"'s innermost loop. (Zen 4, tiles of 14 x 2: one 1.08 times
as fast as four.)"""
PLANE_VECTORS = 4 if MANY_REGISTERS else 2
"""A tile of "plane" has up to so many vectors in a row, which share each weight that is loaded."""
HELD_WEIGHTS = REGISTERS // 2
"""So many weights a lane stay in registers for a whole tile of "depthwise", which then takes all tap rows of the last two axes
at once."""
WHOLE_APART = not MANY_REGISTERS
"""Whether whole tiles have code of their own, without a branch a row. (Zen 4: with 32 registers that has 0.7 to 1.0 of the speed,
with 16, and so few rows a tile, 1.0 to 1.1.)"""
