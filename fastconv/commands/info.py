"""What fastconv sees of this machine, and what it chose."""

from __future__ import annotations

from typing import Any

from .. import __version__


def info() -> dict[str, Any]:
    """Return versions, the CPU that kernels are compiled for, vectors, caches, CPUs and threads, and the algorithms.

    Returns
    -------
    dict
        With string keys; `fastconv info` prints it. "cache_bytes" are those of three levels that a thread may count on. "threads"
        is what is set, "threads_used" how many run: no more than "cpus", the CPUs that the system lets this process run on.
        "cpu_quota" is how many CPUs' time a container may use, None for all; without a setting, "threads" goes by it, too.

    Examples
    --------
    >>> import fastconv
    >>> sorted(fastconv.info())[:3]
    ['cache', 'cache_bytes', 'cpu']
    """
    import llvmlite
    import numba
    import numpy

    from ..kernels.table import TABLE
    from ..runtime.cpus import cpu_quota, usable_cpus
    from ..runtime.jit import cache_directory
    from ..runtime.machine import CACHES, REGISTERS, VECTOR_BYTES, target_cpu
    from ..runtime.threads import get_num_threads, used_threads

    return {
        "fastconv": __version__,
        "numpy": numpy.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "cpu": target_cpu(),
        "vector_bytes": VECTOR_BYTES,
        "vector_registers": REGISTERS,
        "cache_bytes": [*CACHES],
        "cpus": usable_cpus(),
        "cpu_quota": cpu_quota(),
        "threads": get_num_threads(),
        "threads_used": used_threads(),
        "cache": str(cache_directory()),
        "kernels": {operation: [row.name for row in rows] for operation, rows in TABLE.items()},
    }
