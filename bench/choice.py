"""How good the choice of an algorithm is: random layers as networks have them, each by every algorithm that can do it.

python -m bench.choice                                  300 layers, three operations each, float32, one thread; a minute, and
                                                        before that some to compile
python -m bench.choice --shapes 40 --seed 1 --operations output,input_grad
python -m bench.choice --isa avx2 --json choice.json

"auto" takes the seconds of the algorithm that it chooses. Where only one can do the case there is nothing to choose, and nothing is
timed. "fft", which "auto" never takes, takes no part, and "generic" only where it is cheap.
"""

from __future__ import annotations

import argparse
import json
import statistics
from functools import partial
from typing import Any

import numpy as np

import fastconv
from fastconv.kernels.table import TABLE, chosen_row, refusal
from fastconv.shapes import ConvSpec

from . import isa, peers, timing
from .peers import OPERATIONS
from .random_layers import random_layer
from .run import our_calls
from .shapes import Layer, label, spec_of

GENERIC_FLOPS = 2_000_000
"""So much the generic kernel does within some milliseconds."""
SMALL, LARGE = 0.05, 0.15
"""Losses, as shares of the fastest algorithm's seconds, that are counted."""


def candidates(operation: str, spec: ConvSpec, dtype: np.dtype) -> list[str]:
    """Return the algorithms that can do a case, but "fft", and "generic" only where it is cheap."""
    rows = (row for row in TABLE[operation] if row.name != "fft" and refusal(row, spec, dtype, row.name) is None)
    return [row.name for row in rows if row.name != "generic" or spec.flops <= GENERIC_FLOPS]


def measure(layer: Layer, dtype: str, operations: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return a record of each operation for which there is a choice; one that seems to lose is timed again, for longer."""
    spec, kind = spec_of(layer), np.dtype(dtype)
    calls = our_calls(spec, *peers.arrays_of(spec, dtype))
    records = []
    for operation in operations:
        row = chosen_row(operation, spec, kind)
        names = candidates(operation, spec, kind)
        if row is None or row.name not in names or len(names) < 2:
            continue
        names.sort(key=lambda name: name != row.name)  # the chosen one first
        ways = {name: partial(calls[operation], name) for name in names}
        record = judge(row.name, timing.interleaved(ways, rounds))
        if record["loss"] > SMALL:
            record = judge(row.name, timing.interleaved(ways, 3 * rounds))
        facts = {"layer": label(layer), "operation": operation, "gflop": spec.flops / 1e9}
        records.append({**facts, **record, "cause": cause(operation, spec, kind, row.name, record["best"])})
    return records


def judge(chosen: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return the algorithm with the least median, and what share of its seconds more the chosen one takes, by the median round."""
    best = min(seconds, key=lambda name: statistics.median(seconds[name]))
    loss = timing.median_ratio(seconds[chosen], seconds[best]) - 1
    milliseconds = {name: 1e3 * statistics.median(times) for name, times in seconds.items()}
    return {"chosen": chosen, "best": best, "loss": max(0.0, loss), "milliseconds": milliseconds}


def cause(operation: str, spec: ConvSpec, dtype: np.dtype, chosen: str, best: str) -> str:
    """Return why "auto" didn't take the best: what refused it, or what stands before it."""
    if chosen == best:
        return ""
    row = next(row for row in TABLE[operation] if row.name == best)
    refused = refusal(row, spec, dtype)
    return f"{best} refused: {refused}" if refused else f"{chosen} comes before {best}"


def summary(records: list[dict[str, Any]], cases: int) -> dict[str, Any]:
    """Return how often the choice is within SMALL and LARGE of the best, of cases with a choice and of all, and the worst loss."""
    losses = [record["loss"] for record in records]
    small, large = (sum(loss > limit for loss in losses) for limit in (SMALL, LARGE))
    return {
        "cases": cases,
        "choices": len(records),
        "within_small": 1 - small / max(len(records), 1),
        "within_small_of_all": 1 - small / max(cases, 1),
        "beyond_large": large,
        "worst": max(losses, default=0.0),
    }


def print_worst(records: list[dict[str, Any]], count: int) -> None:
    rows = []
    for record in sorted(records, key=lambda record: -record["loss"])[:count]:
        if record["loss"] > SMALL:
            times = ", ".join(f"{name} {1000 * ms:,.0f}" for name, ms in record["milliseconds"].items())
            rows.append([record["layer"], record["operation"], f"{record['loss']:.0%}", times, record["cause"]])
    if rows:
        print()
        timing.print_table(["layer", "operation", "loss", "microseconds, the chosen one's first", "cause"], rows)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=int, default=300, help="so many layers (300)")
    parser.add_argument("--first", type=int, default=0, help="beginning with this one, of those of a seed (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operations", default=",".join(OPERATIONS), help=f"some of {','.join(OPERATIONS)}, with commas (all)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worst", type=int, default=40, help="print so many losses (40)")
    isa.add_option(parser)
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    operations = options.operations.split(",")
    if set(operations) - set(OPERATIONS):
        parser.error(f"--operations must be of {list(OPERATIONS)}, but {sorted(set(operations) - set(OPERATIONS))} are not")
    if min(options.shapes, options.rounds) < 1 or min(options.first, options.seed) < 0:
        parser.error("--shapes and --rounds must be at least 1, --first and --seed at least 0")
    environment = isa.hold(parser, options.isa)
    fastconv.set_num_threads(1)
    facts = {**timing.machine(), "dtype": options.dtype, "seed": options.seed, "isa": options.isa, "environment": environment}
    print(facts)
    records = []
    for number in range(options.first, options.first + options.shapes):
        records += measure(random_layer(options.seed, number), options.dtype, operations, options.rounds)
    found = summary(records, options.shapes * len(operations))
    print(
        f"{found['cases']} cases, {found['choices']} of them with a choice. Of these auto is within {SMALL:.0%} of the best in "
        f"{found['within_small']:.1%} ({found['within_small_of_all']:.1%} of all cases); "
        f"{found['beyond_large']} beyond {LARGE:.0%}, worst loss {found['worst']:.0%}"
    )
    print_worst(records, options.worst)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "summary": found, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
