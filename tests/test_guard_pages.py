"""Every kernel with all its memory between pages that can't be touched, in subprocesses: for this CPU and for others."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from .guarded import KERNELS, kernels_run

SSE = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt"
# name: CPU, features (NUMBA_CPU_NAME alone would leave this machine's features switched on), bytes in a vector
TARGETS = {"AVX2": ("haswell", f"{SSE},+avx,+avx2,+fma,+bmi,+bmi2", 32)}

ESCAPED = """
import numpy as np
from fastconv.runtime.task import Task
from fastconv.kernels.arrays.blocks import clear
from tests.guarded import guard_buffers, in_slices

guard_buffers(True)
in_slices(Task(clear, (np.ones(3, np.float32),), 1))
"""


def run(arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=600
    )


def test_convolutions_within_their_memory():
    """A few shapes here; CI runs `python -m tests.guarded wide`, which fails where a kernel has not run."""
    result = run(["-m", "tests.guarded", "quick"])
    assert result.returncode == 0, result.stderr
    assert "guarded cases passed" in result.stdout


def test_no_kernel_escapes_the_count():
    assert len(kernels_run()) >= KERNELS


def test_the_guards_see_memory_that_they_have_not_given():
    """What no allocator gave comes guarded too, and a kernel that writes to it is told."""
    result = run(["-c", ESCAPED])
    assert result.returncode == 1 and "writes to memory that no allocator gave" in result.stderr, result.stderr


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the other CPUs' code is x86-64 code")
@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_compiled_for_another_cpu(target):
    """A few shapes here; CI runs `python -m tests.guarded wide` with the same two variables, for SSE4.2 and any x86-64 too."""
    cpu, features, vector_bytes = TARGETS[target]
    result = run(["-m", "tests.guarded", "quick"], NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES=features)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"vectors of {vector_bytes} bytes, 16 registers"), result.stdout


STRAY = """
import numpy as np
from numba import njit
from fastconv.kernels.simd import vector as simd
from tests.guarded import guarded

@njit
def stray(x, i, y):
    simd.{operation}

x, y = guarded(np.ones(64, np.float32), {back}), guarded(np.zeros(64, np.float32), {back})
stray(x, {position}, y)
"""


@pytest.mark.parametrize(
    ("operation", "back", "position"),
    [
        ("vstore(y, 0, simd.vload(x, i))", True, 61),
        ("vstore(y, 0, simd.vload(x, i))", False, -1),
        ("vstore(y, i, simd.vload(x, 0))", True, 61),
        ("vstore(y, i, simd.vload(x, 0))", False, -1),
    ],
)
def test_the_guard_ends_a_process_that_strays(operation, back, position):
    """What the tests above rely on: one element too far ends the process."""
    result = run(["-c", STRAY.format(operation=operation, back=back, position=position)])
    assert result.returncode in (-signal.SIGSEGV, -signal.SIGBUS)
