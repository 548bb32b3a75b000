"""How long each kernel takes to compile, from an empty cache: the CPU's seconds, which others on the machine change least.

python -m bench.kernel_times                 the kernels of the layers that bench.run times where no group is named, float32
python -m bench.kernel_times guarded         those of tests/guarded.py, float32 and float64; a minute or more
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import timing

MOST_SECONDS = 1.5
"""No kernel should take longer."""


@contextmanager
def listen() -> Iterator[list[dict[str, Any]]]:
    """Give a list that grows by every kernel that numba compiles meanwhile.

    `seconds` is what a caller waits, with the functions that are compiled on the way; `own` is without them.
    """
    from numba.core import event

    class Listener(event.Listener):
        def __init__(self):
            self.begun, self.done = [], []

        def on_start(self, event):
            self.begun.append([time.process_time(), 0.0])

        def on_end(self, event):
            start, inner = self.begun.pop()
            seconds = time.process_time() - start
            if self.begun:
                self.begun[-1][1] += seconds
            function, types = event.data["dispatcher"].py_func, event.data["args"]
            values = [cell.cell_contents for cell in function.__closure__ or ()]
            self.done.append(
                {
                    "kernel": f"{function.__module__.rpartition('.')[2]}.{function.__name__}",
                    "values": ", ".join(str(v) for v in values if isinstance(v, (int, float, tuple))),
                    "first_type": str(types[0]) if types else "",
                    "seconds": seconds,
                    "own": seconds - inner,
                }
            )

    listener = Listener()
    with event.install_listener("numba:compile", listener):
        yield listener.done


def compile_kernels(which: str) -> None:
    """Call what needs the kernels."""
    if which == "guarded":
        from tests import guarded

        return guarded.main("full")
    from .run import measure
    from .shapes import DEFAULT, SHAPES

    groups = DEFAULT if which == "shapes" else {which} & SHAPES.keys()
    for row in (row for group in groups for row in SHAPES[group]):
        measure(row, "float32", 1, 1, [])


def slowest_table(kernels: list[dict[str, Any]], count: int) -> None:
    slow = sum(kernel["seconds"] > MOST_SECONDS for kernel in kernels)
    print(f"\n{len(kernels)} kernels, the slowest to compile first; {slow} took more than {MOST_SECONDS} s\n")
    rows = [[k["kernel"], k["values"], k["first_type"], f"{k['seconds']:.2f}", f"{k['own']:.2f}"] for k in kernels[:count]]
    timing.print_table(["kernel", "for", "first argument", "seconds", "without what it calls"], rows)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="?", default="shapes", help="shapes, a group of them, or guarded (shapes)")
    parser.add_argument("--slowest", type=int, default=15, help="print so many (15)")
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FASTCONV_CACHE_DIR"] = folder
        with listen() as done:
            compile_kernels(options.which)
    if not done:
        parser.error(f"{options.which!r} compiles nothing: name shapes, a group of bench/shapes.py, or guarded")
    kernels = sorted(done, key=lambda kernel: -kernel["seconds"])
    slowest_table(kernels, options.slowest)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(kernels, file, indent=1)


if __name__ == "__main__":
    main()
