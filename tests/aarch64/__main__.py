"""Run a part of the tests on an emulated aarch64 CPU, and compare its bits with this one's: `python -m tests.aarch64`.

Emulated are the guard pages' part, which runs every kernel; loop twins of every algorithm, and threads, by pytest; and what
results.py computes, which this CPU does too. Two processes at a time; some minutes, fewer where the cache has the kernels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from . import root
from .compiler import serve
from .results import differences

HERE = Path(__file__).resolve().parents[2]
TWINS = "tests/test_conv.py::test_kernel_equals_loops tests/test_linear.py tests/test_activation.py tests/test_threads.py"
LEFT_OUT = "float64 or many_classes or number_of_threads or helper or process or exit or fork or default or environ or main_thread"
"""What is compiled for long, what results.py does with one thread and two, and what waits or starts Python by its path."""


def main() -> int:
    try:
        start = time.monotonic()
        emulation = root.make()
        print(f"aarch64: {emulation.root.parent} made or found in {time.monotonic() - start:.0f} s", flush=True)
    except RuntimeError as error:
        print(f"aarch64: {error}", file=sys.stderr)
        return 1
    kernels = emulation.root.parent / "kernels"
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        socket, files = (
            Path(folder, "compiler"),
            {name: str(Path(folder, f"{name}.npz")) for name in ("emulated", "neon", "native")},
        )
        server = serve(socket)
        compiled = ["-m", "tests.aarch64.compiler", str(socket)]
        pytest = ["pytest", "-q", "-m", "not slow", "-k", f"not ({LEFT_OUT})", "-p", "no:cacheprovider", *TWINS.split()]
        results = "tests.aarch64.results"
        steps = [
            pool.submit(run, name, command, kernels / name.partition(" ")[0], wheels)
            for name, command, wheels in (
                ("aarch64 guard pages", emulation.command(*compiled, "tests.guarded", "part"), emulation.wheels),
                ("aarch64 results", emulation.command(*compiled, results, files["emulated"]), emulation.wheels),
                ("aarch64 twins and threads", emulation.command(*compiled, *pytest), emulation.wheels),
                (
                    "neon results of this CPU as if it had NEON's vectors",
                    [sys.executable, "-m", results, files["neon"], "neon"],
                    None,
                ),
                ("native results of this CPU", [sys.executable, "-m", results, files["native"]], None),
            )
        ]
        passed = all([step.result() for step in steps])
        server.shutdown()
        if passed:
            found = differences(*(dict(np.load(path)) for path in files.values()))
            print("\n".join(found) or "aarch64: all results have the bits that they must have")
            passed = not found
    return 0 if passed else 1


def run(name: str, command: list[str], kernels: Path, wheels: Path | None) -> bool:
    """Run a step, print what it prints, and return whether it went well."""
    start = time.monotonic()
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("NUMBA", "FASTCONV", "PYTHON", "OPENBLAS", "LD_"))
    }
    places = [str(HERE)] + ([str(wheels)] if wheels else [])
    environment = {**kept, "PYTHONPATH": os.pathsep.join(places), "FASTCONV_CACHE_DIR": str(kernels)}
    done = subprocess.run(command, env=environment, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    failed = f", FAILED ({done.returncode})" if done.returncode else ""
    print(f"-- {name}: {time.monotonic() - start:.0f} s{failed}\n{done.stdout.strip()}", flush=True)
    return not done.returncode


if __name__ == "__main__":
    sys.exit(main())
