"""Time convolution outputs and gradients beside PyTorch, interleaved in one process, results checked first.

python -m bench.run                       all shapes, float32, one thread
python -m bench.run mnist --threads 2     one group
python -m bench.run --dtype float64 --json figures.json
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

import numpy as np

import fastconv
from fastconv import functional as fn
from fastconv.kernels.peak import fma_peak
from fastconv.kernels.table import choose

from . import peers, timing
from .shapes import SHAPES, Layer, label, spec_of

OPERATIONS = ("output", "input_grad", "weight_grad")


def measure(row: Layer, dtype: str, threads: int, rounds: int, with_torch: bool) -> list[dict[str, Any]]:
    """Check and time the three operations of one layer; return a record for each."""
    spec = spec_of(row)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(spec.input_shape).astype(dtype), rng.standard_normal(spec.weight_shape).astype(dtype)
    dy = rng.standard_normal(spec.output_shape).astype(dtype)
    geometry: dict = {"stride": spec.stride, "padding": spec.pads, "groups": spec.groups}
    ours = {
        "output": lambda: fn.conv2d(x, w, **geometry),
        "input_grad": lambda: fn.conv2d_input_grad(dy, w, spec.input_shape, **geometry),
        "weight_grad": lambda: fn.conv2d_weight_grad(x, dy, spec.weight_shape, **geometry),
    }
    theirs = peers.torch_calls(spec, x, w, dy, threads) if with_torch else {operation: {} for operation in OPERATIONS}
    records = []
    for operation in OPERATIONS:
        result = ours[operation]()
        for name, call in theirs[operation].items():
            error = np.abs(result - call().numpy()).max() / np.abs(result).max()
            if not error < (1e-4 if dtype == "float32" else 1e-12):
                raise AssertionError(f"{label(row)} {operation}: {name} differs by {error}")
        seconds = timing.interleaved({"fastconv": ours[operation], **theirs[operation]}, rounds)
        best = min(theirs[operation], key=lambda name: statistics.median(seconds[name]), default=None)
        records.append(
            {
                "shape": label(row),
                "operation": operation,
                "kernel": choose("bench", operation, spec, np.dtype(dtype)).name,
                "gflop": spec.flops / 1e9,
                "gflops": {name: spec.flops / 1e9 / min(times) for name, times in seconds.items()},
                "median_gflops": {name: spec.flops / 1e9 / statistics.median(times) for name, times in seconds.items()},
                "best_peer": best,
                "ratio": timing.median_ratio(seconds[best], seconds["fastconv"]) if best else None,
            }
        )
    return records


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(SHAPES)} (all)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    unknown = set(options.groups) - set(SHAPES)
    if unknown:
        parser.error(f"groups must be of {sorted(SHAPES)}, but {sorted(unknown)} are not")
    fastconv.set_num_threads(options.threads)
    missing = peers.missing_peers()
    facts = {**timing.machine(), "dtype": options.dtype, "threads": options.threads, "left_out": missing}
    print(facts)
    records, peak = [], 0.0
    for group in options.groups or SHAPES:
        for row in SHAPES[group]:
            peak = max(peak, fma_peak(np.dtype(options.dtype)))  # the machine's speed drifts: the best that it was seen to do
            records += measure(row, options.dtype, options.threads, options.rounds, not missing)
    facts["peak"] = peak
    rows = []
    for record in records:
        mine = record["gflops"]["fastconv"]
        rows.append(
            [
                record["shape"] if record["operation"] == "output" else "",
                record["operation"],
                f"{mine:.0f}",
                f"{mine / peak / options.threads:.0%}",
                *(f"{value:.0f}" for name, value in record["gflops"].items() if name != "fastconv"),
                f"{record['ratio']:.2f}" if record["ratio"] else "-",
            ]
        )
    names = [name for name in records[0]["gflops"] if name != "fastconv"]
    print("GFLOP/s of the best round; ratio to the better PyTorch layout, median of the rounds\n")
    timing.print_table(["layer", "operation", "fastconv", "of FMA peak", *names, "ratio"], rows)
    if not missing:
        ratios = [record["ratio"] for record in records]
        print(f"\ngeometric mean of the ratios {statistics.geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
