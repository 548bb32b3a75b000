"""What starting costs: importing fastconv, the first training step from an empty and from a warm cache, and each kernel.

python -m bench.compile_time
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from . import timing
from .kernel_times import slowest_table

FIRST_STEP = """
import numpy as np
from fastconv import ConvolutionLayer, CNN_training, MaxPoolingLayer, SoftmaxLayer
layers = [ConvolutionLayer(16, 3), MaxPoolingLayer(2), SoftmaxLayer(2704, 10)]
CNN_training(np.zeros((28, 28), np.uint8), 3, layers)
"""
PROGRAMS = {
    "python, nothing imported": "pass",
    "import numpy": "import numpy",
    "import fastconv": "import fastconv",
    "first training step": FIRST_STEP,
    "fastconv train, 60,000 images": "import sys; from fastconv.cli import main; sys.exit(main(['train']))",
}


def kernel_times(which: str) -> list[dict[str, Any]]:
    """Return what bench.kernel_times measures, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/kernels.json"
        command = [sys.executable, "-m", "bench.kernel_times", which, "--json", path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(path) as file:
            return json.load(file)


def seconds(program: str, cache: str) -> float:
    """Return how long a new Python takes for the program, with the given cache directory."""
    start = time.perf_counter()
    environment = {**os.environ, "FASTCONV_CACHE_DIR": cache}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    facts = timing.machine()
    print(facts)
    print("\nseconds from the start of the process; warm: median of 5\n")
    rows = []
    with tempfile.TemporaryDirectory() as warm_cache:
        for name, program in PROGRAMS.items():
            with tempfile.TemporaryDirectory() as empty_cache:
                cold = seconds(program, empty_cache)
            seconds(program, warm_cache)
            warm = statistics.median(seconds(program, warm_cache) for _ in range(5))
            rows.append((name, cold, warm))
    timing.print_table(["", "empty cache", "warm cache"], [[name, f"{cold:.2f}", f"{warm:.2f}"] for name, cold, warm in rows])
    kernels = kernel_times("shapes")
    slowest_table(kernels, 5)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "rows": rows, "kernels": kernels}, file, indent=1)


if __name__ == "__main__":
    main()
