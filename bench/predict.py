"""Microseconds for the results of few images, as a service computes them that is asked for one, beside PyTorch's.

python -m bench.predict                                  batches of 1, 8 and 64 images, one thread
python -m bench.predict 1 --threads 2 --json figures.json

The networks are those of bench.epoch, with the same weights on both sides; results, probabilities, are compared first.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

import fastconv
from fastconv.nn.models import MODELS

from . import timing
from .epoch_peers import torch_network

NETWORKS = ("seed", "small", "pytorch-example")
BATCHES = (1, 8, 64)


def measure(name: str, batch: int, threads: int, rounds: int) -> dict[str, Any]:
    """Check and time one network; return its record."""
    import torch

    torch.set_num_threads(threads)
    build, _ = MODELS[name]
    images = np.random.default_rng(0).random((batch, 28, 28), np.float32)
    ours = build((28, 28), 10, 0)
    theirs = torch_network(ours).eval()

    def torch_predict() -> np.ndarray:
        with torch.inference_mode():
            return torch.softmax(theirs(torch.from_numpy(images[:, None])), 1).numpy()

    error = np.abs(ours.predict(images, threads=threads) - torch_predict()).max()
    if not error < 1e-5:
        raise AssertionError(f"{name}: the probabilities differ by {error}")
    calls = {"fastconv": lambda: ours.predict(images, threads=threads), "PyTorch": torch_predict}
    seconds = timing.interleaved(calls, rounds, threads)
    least = {peer: min(times) for peer, times in seconds.items()}
    ratio = timing.median_ratio(seconds["PyTorch"], seconds["fastconv"])
    return {"network": name, "batch": batch, "seconds": least, "ratio": ratio}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batches", nargs="*", type=int, help="images at a time (1 8 64)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    fastconv.set_num_threads(options.threads)
    facts = {**timing.machine(), "threads": options.threads}
    print(facts, "\n")
    batches = options.batches or BATCHES
    records = [measure(name, batch, options.threads, options.rounds) for name in NETWORKS for batch in batches]
    rows = []
    for record in records:
        ours, theirs = (f"{1e6 * record['seconds'][peer]:.0f}" for peer in ("fastconv", "PyTorch"))
        rows.append([record["network"], str(record["batch"]), ours, theirs, f"{record['ratio']:.2f}"])
    print("microseconds a call, of the best round; the ratio is the median of the rounds'\n")
    timing.print_table(["network", "images", "fastconv", "PyTorch", "ratio"], rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
