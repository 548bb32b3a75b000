"""Seconds for an epoch of 60,000 images, beside PyTorch, JAX and Keras, once everything is compiled; and the way to 99 %.

python -m bench.epoch                                    all rows, all peers, all CPUs
python -m bench.epoch notebook-1 --threads 1 --peers torch,jax
python -m bench.epoch train --seeds 5 --json figures.json

Each takes part in every round, one after the other, for about --seconds; what doesn't come through all images in this time is
scaled from some of them, marked with ~. Before, networks and an update are compared. The row "train" is the wall clock of whole
processes of `fastconv train`, from start to end, with the kernels in the cache; "denormals" and "memory" are other figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import fastconv
from fastconv import nn
from fastconv.datasets import load_mnist
from fastconv.functional import softmax
from fastconv.nn.models import MODELS

from . import peers, timing
from .epoch_limits import denormals, memory, print_denormals, print_memory, trainers_of
from .epoch_peers import PEERS, Task, Trainer

EPOCH = 60_000


class Row(NamedTuple):
    """What is trained: a network of `fastconv.nn.models` with its recipe's optimizer, and the batch size."""

    text: str
    model: str
    batch: int


ROWS = {
    "notebook-1": Row("the notebook's network, one image an update", "seed", 1),
    "notebook-64": Row("the notebook's network, batches of 64", "seed", 64),
    "pytorch-example": Row("PyTorch's MNIST example, batches of 64", "pytorch-example", 64),
    "small": Row("the network `small`, batches of 64", "small", 64),
}


def measure(row: Row, data: tuple[np.ndarray, ...], names: list[str], threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Check and time one row; return its record."""
    x, y, tests, _ = data
    build, recipe = MODELS[row.model]
    trainers = trainers_of(Task(build((28, 28), 10, 0), recipe.optimizer, row.batch, x, y, threads), names)
    compare(row, trainers, tests[:200])
    counts = {name: count_for(trainer.train, row.batch, seconds) for name, trainer in trainers.items()}
    figures: dict[str, list[float]] = {name: [] for name in trainers}
    cpus: dict[str, float] = {}
    for _ in range(rounds):
        for name, trainer in trainers.items():
            time.sleep(timing.PAUSE)
            cpu, start = time.process_time(), time.perf_counter()
            trainer.train(counts[name])
            took = time.perf_counter() - start
            figures[name].append(took / counts[name] * EPOCH)
            cpus[name] = max(cpus.get(name, 0.0), (time.process_time() - cpu) / took)
    left_out = [name for name in names if cpus[name] > threads + peers.SPARE_CPUS]
    kept = {name: times for name, times in figures.items() if name not in left_out}
    best = min((name for name in kept if name != "fastconv"), key=lambda name: statistics.median(kept[name]), default=None)
    return {
        "work": row.text,
        "seconds": kept,
        "images": counts,
        "cpus": {name: round(used, 2) for name, used in cpus.items()},
        "left_out": left_out,
        "best_peer": best,
        "ratio": timing.median_ratio(kept[best], kept["fastconv"]) if best else None,
    }


def compare(row: Row, trainers: dict[str, Trainer], images: np.ndarray) -> None:
    """Refuse peers whose probabilities are others than fastconv's: with the first weights, and after an update without dropout.

    Adam's first step is the rate times the gradient's sign, which rounding errors turn where the gradient is nearly zero.
    """
    adam = isinstance(MODELS[row.model].recipe.optimizer, nn.Adam)
    for state, most in (("first", 1e-4), ("updated", 0.02 if adam else 1e-4)):
        found = {name: softmax(np.asarray(trainer.logits(images))) for name, trainer in trainers.items()}
        for name, probabilities in found.items():
            error = np.abs(probabilities - found["fastconv"]).max()
            if not error < most:
                raise AssertionError(f"{row.text}: {name}'s {state} network differs by {error}")
        if any(isinstance(layer, nn.Dropout) for layer in MODELS[row.model].build((28, 28), 10, 0).layers):
            return
        for trainer in trainers.values():
            trainer.train(row.batch)


def count_for(train: Callable[[int], object], batch: int, seconds: float) -> int:
    """Compile and warm up, and return how many images, in whole batches, take so many seconds, at most an epoch's."""
    count = batch * max(1, 128 // batch)
    while True:
        train(count)  # JAX compiles an epoch for each number of images
        start = time.perf_counter()
        train(count)
        took = time.perf_counter() - start
        if took > seconds / 8 or count >= EPOCH - EPOCH % batch:
            break
        count = min(4 * count, EPOCH - EPOCH % batch)
    most = min(EPOCH, int(seconds / took * count))
    count = max(batch, most - most % batch)
    train(count)
    return count


def whole_processes(model: str, seeds: int, threads: int) -> dict[str, Any]:
    """Run `fastconv train` with different seeds, each in a process of its own; the first fills the cache and doesn't count."""
    batch = MODELS[model].recipe.batch_size
    command = [sys.executable, "-m", "fastconv", "train", "--model", model, "--threads", str(threads), "--json"]
    runs = []
    for seed in [None, *range(seeds)]:
        more = ["--limit", str(batch + EPOCH % batch)] if seed is None else ["--seed", str(seed)]
        start = time.perf_counter()
        done = subprocess.run([*command, *more], check=True, capture_output=True, text=True)
        wall = time.perf_counter() - start
        if seed is not None:
            runs.append({"seed": seed, "wall": wall, **json.loads(done.stdout.splitlines()[-1])})
    middle = {name: statistics.median(run[name] for run in runs) for name in ("wall", "test_accuracy", "seconds_train")}
    return {"model": model, "median": middle, "runs": runs}


def print_epochs(records: list[dict[str, Any]]) -> None:
    """Print a table of the rows."""
    names = list(dict.fromkeys(name for record in records for name in record["seconds"]))
    rows = []
    for record in records:
        cells = []
        for name in names:
            mark = "~" if record["images"].get(name, 0) < EPOCH - 256 else ""
            times = record["seconds"].get(name)
            cells.append(f"{mark}{statistics.median(times):.2f} ({mark}{min(times):.2f})" if times else "-")
        rows.append([record["work"], *cells, f"{record['ratio']:.1f}" if record["ratio"] else "-"])
    print("\nseconds for 60,000 images, the median of the rounds and the least; ~: scaled from some of them\n")
    timing.print_table(["", *names, "to the best peer"], rows)
    for record in records:
        for name in record["left_out"]:
            print(f"left out of {record['work']!r}: {name} used {record['cpus'][name]} CPUs")


def print_processes(found: dict[str, Any]) -> None:
    """Print what whole processes took."""
    middle = found["median"]
    print(
        f"\nfastconv train --model {found['model']}, whole processes, medians of {len(found['runs'])} seeds: {middle['wall']:.2f} s"
    )
    print(f"({middle['seconds_train']:.2f} s of training) to a test accuracy of {middle['test_accuracy']:.2%}")
    for run in found["runs"]:
        print(f"    seed {run['seed']}: {run['wall']:.2f} s, {run['test_accuracy']:.2%}")


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*ROWS, "denormals", "memory", "train"]
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(known)} (all)")
    parser.add_argument("--peers", default="all", help=f"all, none, or some of {','.join(PEERS)}, with commas (all)")
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads(), help="(all CPUs)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each, in each round (3)")
    parser.add_argument("--model", choices=MODELS, default="small", help="that the row train trains (small)")
    parser.add_argument("--seeds", type=int, default=5, help="of the row train (5)")
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    wanted = {"all": list(PEERS), "none": []}.get(options.peers, options.peers.split(","))
    for kind, given, right in (("rows", options.rows, known), ("--peers", wanted, PEERS)):
        if set(given) - set(right):
            parser.error(f"{kind} must be of {list(right)}, but {sorted(set(given) - set(right))} are not")
    before = dict(os.environ)
    peers.hold_threads(options.threads)
    fastconv.set_num_threads(options.threads)
    missing = [name for name in wanted if any(find_spec(module) is None for module in PEERS[name].modules)]
    names = [name for name in wanted if name not in missing]
    left_out = [f"{name}: pip install {PEERS[name].install}" for name in missing]
    facts = {**timing.machine(), "threads": options.threads, "left_out": left_out}
    print(facts)
    chosen, data = options.rows or known, load_mnist()
    records = []
    for name in chosen:
        if name in ROWS:
            records.append(measure(ROWS[name], data, names, options.threads, options.rounds, options.seconds))
            print(f"{name} is done", file=sys.stderr, flush=True)
    if records:
        print_epochs(records)
    figures: dict[str, Any] = {"machine": facts, "records": records}
    if "denormals" in chosen:
        figures["denormals"] = []
        for model, images in (("seed", 12_800), ("small", 6400)):
            figures["denormals"].append(denormals(model, 64, images, data, names, options.threads, options.rounds))
            print_denormals(figures["denormals"][-1])
    if "memory" in chosen:
        figures["memory"] = memory("seed", 64, options.threads)
        if figures["memory"]:
            print_memory(figures["memory"])
    if "train" in chosen:
        os.environ.clear()
        os.environ.update(before)
        figures["train"] = whole_processes(options.model, options.seeds, options.threads)
        print_processes(figures["train"])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
