"""What fastconv sees of this machine, and what it chose."""

from __future__ import annotations

from typing import Any

from . import __version__


def info() -> dict[str, Any]:
    """Return versions, the CPU that kernels are compiled for, the vector width, threads, the cache and the kernels.

    Returns
    -------
    dict
        With string keys; `fastconv info` prints it.

    Examples
    --------
    >>> import fastconv
    >>> sorted(fastconv.info())[:3]
    ['cache', 'cpu', 'fastconv']
    """
    import llvmlite
    import numba
    import numpy

    from ._jit import cache_directory
    from ._threads import get_num_threads
    from .kernels.simd import REGISTERS, VECTOR_BYTES, target_cpu
    from .kernels.table import TABLE

    return {
        "fastconv": __version__,
        "numpy": numpy.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "cpu": target_cpu(),
        "vector_bytes": VECTOR_BYTES,
        "vector_registers": REGISTERS,
        "threads": get_num_threads(),
        "cache": str(cache_directory()),
        "kernels": {operation: [kernel.algorithm for kernel in rows] for operation, rows in TABLE.items()},
    }
