"""How things are timed here: interleaved, so that a machine whose speed drifts drifts for all, and by minimum and median."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

LEAST_SECONDS = 0.004


SLOW, SLOW_ROUNDS = 20, 2
"""A call that takes SLOW times the first one's seconds takes part in so many rounds only."""


PAUSE, WARM_UP = 0.03, 0.03
"""Where several threads are used, so many seconds pass before each call's figure, and in so many more it is called untimed.

OpenMP's threads, which PyTorch computes with, wait for some 10 ms after each call for the next, and keep the CPUs busy so long;
CPUs that were idle take some 5 ms to come to speed, and a library's own threads some more to wake up and stay awake.
"""


def interleaved(calls: dict[str, Callable[[], object]], rounds: int, threads: int = 1) -> dict[str, list[float]]:
    """Return each call's seconds, one figure a round; within a round every call is repeated to LEAST_SECONDS at least.

    A call's figures are fewer than the rounds if it is much slower than the first. With several threads there is a PAUSE.
    """
    once: dict[str, float] = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        once[name] = time.perf_counter() - start
    limit = SLOW * next(iter(once.values()))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(rounds):
        for name, call in calls.items():
            if once[name] > limit and round_number >= SLOW_ROUNDS:
                continue
            repeats = max(1, int(LEAST_SECONDS / once[name]))
            if threads > 1:
                time.sleep(PAUSE)
                end = time.perf_counter() + WARM_UP
                while time.perf_counter() < end:
                    call()
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            seconds[name].append((time.perf_counter() - start) / repeats)
    return seconds


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Return how many times faster `fast` is: the median of the ratios round by round, of the rounds that both took part in."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=False))


def machine() -> dict[str, Any]:
    """Return what a figure should be read with: the date, CPU, and versions."""
    import fastconv

    cpu = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    facts = fastconv.info()
    kept = ("fastconv", "numpy", "numba", "vector_bytes", "threads")
    return {"date": date.today().isoformat(), "cpu": cpu, "python": platform.python_version(), **{k: facts[k] for k in kept}}


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table with columns lined up."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in (header, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |", flush=True)
