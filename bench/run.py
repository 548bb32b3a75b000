"""Time convolution outputs and gradients beside PyTorch and others, interleaved in one process, results checked.

python -m bench.run                       the groups of layers that tell most, float32, one thread, all peers
python -m bench.run all --peers torch     all groups; how long each took is printed
python -m bench.run mnist --threads 2     one group
python -m bench.run --isa avx2            fastconv and the peers held to AVX2
python -m bench.run --peers torch --dtype float64 --json figures.json --plot roofline.png
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

import fastconv
from fastconv import functional as fn
from fastconv.kernels.peak import copy_bandwidth, fma_peak
from fastconv.kernels.table import choose
from fastconv.runtime import threads as _threads
from fastconv.shapes import ConvSpec

from . import isa, peers, timing
from .peers import OPERATIONS
from .shapes import DEFAULT, SHAPES, Layer, label, spec_of


def measure(row: Layer, dtype: str, threads: int, rounds: int, names: list[str]) -> list[dict[str, Any]]:
    """Check and time the three operations of one layer, fastconv's and the named peers'; return a record for each."""
    spec = spec_of(row)
    x, w, dy = peers.arrays_of(spec, dtype)
    ours = {operation: lambda call=call: call("auto") for operation, call in our_calls(spec, x, w, dy).items()}
    theirs = peers.all_calls(names, spec, (x, w, dy), threads)
    gflop, count = spec.flops / 1e9, sum(map(prod, (spec.input_shape, spec.weight_shape, spec.output_shape)))
    records = []
    for operation in OPERATIONS:
        result = ours[operation]()
        for name, call in theirs[operation].items():
            error = np.abs(result - np.asarray(call())).max() / np.abs(result).max()
            if not error < (1e-4 if dtype == "float32" else 1e-12):
                raise AssertionError(f"{label(row)} {operation}: {name} differs by {error}")
        seconds = timing.interleaved({"fastconv": ours[operation], **theirs[operation]}, rounds, threads)
        best_torch, ratio = against([name for name in seconds if name.startswith("torch")], seconds)
        best_peer, ratio_to_best = against([name for name in seconds if name != "fastconv"], seconds)
        records.append(
            {
                "shape": label(row),
                "operation": operation,
                "kernel": choose("bench", operation, spec, np.dtype(dtype)).name,
                "gflop": gflop,
                "bytes": count * np.dtype(dtype).itemsize,
                "gflops": {name: gflop / min(times) for name, times in seconds.items()},
                "median_gflops": {name: gflop / statistics.median(times) for name, times in seconds.items()},
                "best_torch": best_torch,
                "ratio": ratio,
                "best_peer": best_peer,
                "ratio_to_best": ratio_to_best,
            }
        )
    return records


def our_calls(spec: ConvSpec, x: np.ndarray, w: np.ndarray, dy: np.ndarray) -> dict[str, Callable[[str], np.ndarray]]:
    """Return fastconv's function for each operation, of which the algorithm is left to say."""
    conv = f"conv{len(spec.size)}d"
    output, input_grad, weight_grad = (getattr(fn, conv + ending) for ending in ("", "_input_grad", "_weight_grad"))
    geometry: dict[str, Any] = {"stride": spec.stride, "padding": spec.pads, "dilation": spec.dilation, "groups": spec.groups}
    return {
        "output": lambda name: output(x, w, algorithm=name, **geometry),
        "input_grad": lambda name: input_grad(dy, w, spec.input_shape, algorithm=name, **geometry),
        "weight_grad": lambda name: weight_grad(x, dy, spec.weight_shape, algorithm=name, **geometry),
    }


def against(names: list[str], seconds: dict[str, list[float]]) -> tuple[str | None, float | None]:
    """Return the fastest of the names, and how many times as fast fastconv is."""
    best = min(names, key=lambda name: statistics.median(seconds[name]), default=None)
    return best, timing.median_ratio(seconds[best], seconds["fastconv"]) if best else None


def add_shares(records: list[dict[str, Any]], peak: float, bandwidth: float) -> None:
    """Add to each record what the machine allows, min(peak, bandwidth x intensity), and fastconv's shares of it and of the peak."""
    for record in records:
        mine = record["gflops"]["fastconv"]
        record["roofline"] = min(peak, bandwidth * 1e9 * record["gflop"] / record["bytes"])
        record["share_of_peak"], record["share_of_roofline"] = mine / peak, mine / record["roofline"]


def means(records: list[dict[str, Any]], key: str) -> dict[str, dict[str, float]]:
    """Return the geometric mean and the least of a ratio, of all records and for each operation."""
    found = {}
    for name in ("all", *OPERATIONS):
        ratios = [r[key] for r in records if r[key] and name in ("all", r["operation"])]
        if ratios:
            found[name] = {"mean": statistics.geometric_mean(ratios), "least": min(ratios)}
    return found


def print_records(records: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for record in records for name in record["gflops"] if name != "fastconv"))
    rows = []
    for record in records:
        speeds = record["gflops"]
        rows.append(
            [
                record["shape"] if record["operation"] == "output" else "",
                record["operation"],
                f"{speeds['fastconv']:.1f}",
                f"{record['share_of_peak']:.0%}",
                f"{record['share_of_roofline']:.0%}",
                *(f"{speeds[name]:.1f}" if name in speeds else "-" for name in names),
                *(f"{record[key]:.2f}" if record[key] else "-" for key in ("ratio", "ratio_to_best")),
            ]
        )
    print("GFLOP/s of the best round; ratios are medians of the rounds: to the better PyTorch layout, and to the best peer\n")
    timing.print_table(["layer", "operation", "fastconv", "of peak", "of roofline", *names, "ratio", "to best"], rows)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(SHAPES)}; or all ({' '.join(DEFAULT)})")
    parser.add_argument("--peers", default="all", help=f"all, none, or some of {','.join(peers.PEERS)}, with commas (all)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    isa.add_option(parser)
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    parser.add_argument("--plot", metavar="PATH", help="draw them: a roofline, and the ratios")
    options = parser.parse_args()
    wanted = {"all": list(peers.PEERS), "none": []}.get(options.peers, options.peers.split(","))
    groups = list(SHAPES) if options.groups == ["all"] else options.groups or list(DEFAULT)
    for kind, given, known in (("groups", groups, SHAPES), ("--peers", wanted, peers.PEERS)):
        if set(given) - set(known):
            parser.error(f"{kind} must be of {list(known)}, but {sorted(set(given) - set(known))} are not")
    if options.plot:
        from .plot import draw, need_matplotlib

        need_matplotlib()
    environment = isa.hold(parser, options.isa) | peers.hold_threads(options.threads)
    fastconv.set_num_threads(options.threads)
    found, left_out = peers.find(wanted, options.dtype, options.threads, options.isa)
    facts = {**timing.machine(), "dtype": options.dtype, "threads": options.threads, "peers": found, "left_out": left_out}
    facts |= {"isa": options.isa, "environment": environment, "seconds": {}}
    print(facts)
    for reason in left_out:
        print(f"left out: {reason}")
    records, dtype, peak, bandwidth = [], np.dtype(options.dtype), 0.0, 0.0
    for group in groups:
        start = time.perf_counter()
        for row in SHAPES[group]:
            # the machine's speed drifts: the best that it was seen to do
            peak, bandwidth = max(peak, fma_peak(dtype)), max(bandwidth, copy_bandwidth(_threads.parallel_for))
            records += measure(row, options.dtype, options.threads, options.rounds, list(found))
        facts["seconds"][group] = round(time.perf_counter() - start, 1)
    add_shares(records, peak * options.threads, bandwidth)
    facts |= {"peak": peak, "bandwidth": bandwidth}
    facts |= {"ratio": means(records, "ratio"), "ratio_to_best": means(records, "ratio_to_best")}
    print_records(records)
    print(f"\npeak {peak:.0f} GFLOP/s a core; {bandwidth:.0f} GB/s read and written by a copy, which what fits in a cache can pass")
    for key, what in (("ratio", "to the better PyTorch layout"), ("ratio_to_best", "to the best peer")):
        each = [f"{name} {figures['mean']:.3f}, least {figures['least']:.2f}" for name, figures in facts[key].items()]
        if each:
            print(f"geometric mean of the ratios {what}: {'; '.join(each)}")
    print("seconds that it took:", ", ".join(f"{group} {seconds:.0f}" for group, seconds in facts["seconds"].items()))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "records": records}, file, indent=1)
    if options.plot:
        draw(facts, records, options.plot)


if __name__ == "__main__":
    main()
