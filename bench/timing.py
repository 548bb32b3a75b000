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


def interleaved(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return each call's seconds, one figure a round; within a round every call is repeated to LEAST_SECONDS at least."""
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(LEAST_SECONDS / (time.perf_counter() - start)))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.perf_counter() - start) / repeats[name])
    return seconds


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Return how many times faster `fast` is: the median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


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
