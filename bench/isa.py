"""Hold fastconv and the peers to an older instruction set than the CPU has, so that one machine tells of others, too.

All libraries read theirs from the environment when they are loaded, so the program starts anew with it; nothing else changes.
"""

from __future__ import annotations

import argparse
import os
import sys

SSE = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt"
ISAS = {
    "avx2": {
        "fastconv": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": f"{SSE},+avx,+avx2,+fma,+bmi,+bmi2"},
        "torch": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
        "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        "numpy": {"OPENBLAS_CORETYPE": "Haswell"},
    }
}
"""For each instruction set, as LLVM names it, and each library that can be held to it, the environment that does.

ONNX Runtime has no setting. JAX has one, XLA's xla_cpu_max_isa, to which its convolutions give no heed (Zen 5, held to AVX2, whose
peak there is 140 GFLOP/s: 222).
"""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add --isa to a benchmark's options."""
    parser.add_argument("--isa", choices=ISAS, help="hold fastconv and the peers to this instruction set (the CPU's own)")


def hold(parser: argparse.ArgumentParser, isa: str | None) -> dict[str, str]:
    """Return the environment that holds all to the instruction set; where it isn't this process's, start the program anew in it."""
    wanted = {name: value for settings in ISAS.get(isa or "", {}).values() for name, value in settings.items()}
    if wanted.items() <= os.environ.items():
        return wanted
    from llvmlite.binding import get_host_cpu_features

    if not get_host_cpu_features().get(str(isa)):
        parser.error(f"--isa {isa}: this CPU doesn't have it")
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **wanted})


def refusal(peer: str, isa: str | None) -> str | None:
    """Return why a peer can't take part, or None if it can."""
    return None if isa is None or peer in ISAS[isa] else f"has no setting that holds its convolutions to {isa}"
