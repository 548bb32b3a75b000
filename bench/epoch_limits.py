"""What bench.epoch shows beside its times: how much slower numbers too small for full precision make training, and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from fastconv import nn
from fastconv.nn.models import MODELS

from . import timing
from .epoch_peers import PEERS, Task, Trainer, fastconv_trainer

DENORMAL = 1e-39
"""The first layer's weights are multiplied by this: all that comes from them has fewer digits than float32 normally has."""
STILL = nn.SGD(0.0)
"""All updates are from the same weights: the smallest step would be larger than these are."""


def trainers_of(task: Task, names: list[str]) -> dict[str, Trainer]:
    """Return fastconv's and the named peers' trainers, all from the task's weights."""
    return {name: PEERS[name].trainer(task) if name in PEERS else fastconv_trainer(task) for name in ("fastconv", *names)}


def denormals(model: str, batch: int, images: int, data: tuple, names: list[str], threads: int, rounds: int) -> dict[str, Any]:
    """Return how many times longer each takes for some images with denormal numbers as without, in the median of the rounds."""
    x, y, *_ = data
    calls = {}
    for kind, factor in (("normal", 1.0), ("denormal", DENORMAL)):
        network = MODELS[model].build((28, 28), 10, 0)
        weights = network.get_weights()
        weights["0.kernel"] = (weights["0.kernel"] * factor).astype(np.float32)
        network.set_weights(weights)
        for name, trainer in trainers_of(Task(network, STILL, batch, x, y, threads), names).items():
            calls[name, kind] = trainer.train
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for train in calls.values():
        train(batch)
    for _ in range(rounds):
        for key, train in calls.items():
            time.sleep(timing.PAUSE)
            train(batch)
            start = time.perf_counter()
            train(images)
            seconds[key].append(time.perf_counter() - start)
    slower = {name: timing.median_ratio(seconds[name, "denormal"], seconds[name, "normal"]) for name in ("fastconv", *names)}
    least = {f"{name} {kind}": min(times) for (name, kind), times in seconds.items()}
    return {"model": model, "batch": batch, "images": images, "slower": slower, "seconds": least}


MEMORY = """
import json, sys
from pathlib import Path
import numpy as np
import fastconv
from fastconv import nn
from fastconv.datasets import load_mnist
from fastconv.nn.models import MODELS

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

model, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x, y, *_ = load_mnist()
build, recipe = MODELS[model]
options = {"batch_size": batch, "optimizer": recipe.optimizer, "threads": threads, "progress": False}
build((28, 28), 10, 0).fit(x[: 2 * batch], y[: 2 * batch], **options)  # the kernels are loaded
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
before = kilobytes("VmRSS")
network = build((28, 28), 10, 0)
network.fit(x, y, **options)
print(json.dumps({"before": before / 1000, "peak": kilobytes("VmHWM") / 1000, "data": (x.nbytes + y.nbytes) / 1e6}))
"""


def memory(model: str, batch: int, threads: int) -> dict[str, Any] | None:
    """Return the MB that a process has before an epoch, kernels and data being loaded, and at most in it; None if unknown."""
    if not sys.platform.startswith("linux"):
        return None
    command = [sys.executable, "-c", MEMORY, model, str(batch), str(threads)]
    subprocess.run(command, check=True, capture_output=True)  # the kernels are compiled
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"model": model, "batch": batch, **json.loads(done.stdout)}


def print_denormals(found: dict[str, Any]) -> None:
    """Print how much slower denormal numbers are."""
    slower = ", ".join(f"{name} {ratio:.2f}" for name, ratio in found["slower"].items())
    print(f"\n{found['model']} in batches of {found['batch']}, with denormal activations: times as long as without: {slower}")


def print_memory(found: dict[str, Any]) -> None:
    """Print what an epoch takes."""
    rest = found["before"] - found["data"]
    print(f"\n{found['model']} in batches of {found['batch']}: an epoch takes {found['peak'] - found['before']:.1f} MB of memory")
    print(f"beside the data's {found['data']:.1f} MB, and {rest:.0f} MB of Python, NumPy, numba and compiled kernels")
