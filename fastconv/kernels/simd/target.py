"""The CPU that numba compiles for, not the one that runs: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES count."""

from numba.core.registry import cpu_target


def _target_features() -> set[str]:
    """Return the CPU features that numba's code generator has switched on, for example {"avx2", "fma"}."""
    _triple, _name, features = cpu_target.target_context.codegen().magic_tuple()
    return {flag[1:] for flag in features.split(",") if flag.startswith("+")}


def target_cpu() -> str:
    """Return the name of the CPU that numba compiles for."""
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


VECTOR_BYTES, REGISTERS = _target_width()
