"""Measure sums and transforms on random problems, fit the constants of fastconv/signal/cost.py, and say how well they choose.

python -m bench.conv_method                    200 problems, one thread, some minutes
python -m bench.conv_method --problems 40
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import fastconv
from fastconv.signal import cost
from fastconv.signal.direct import direct
from fastconv.signal.fourier import by_fft
from fastconv.signal.problem import MODES, Problem, output_window, problem

from . import timing

LARGEST = {1: 2**20, 2: 2**21, 3: 2**20}
MOST_SECONDS = 0.3


def random_problem(rng: np.random.Generator, kind: str) -> Problem:
    """Return a problem of random sizes, log-uniform: in one to three dimensions for the engine, in four for shifted arrays."""
    dims = 4 if kind == "shift" else int(rng.integers(1, 4))
    dtype = rng.choice(["float32", "float64", "complex64", "complex128"])
    pixels = np.exp(rng.uniform(np.log(16), np.log(LARGEST.get(dims, 2**16))))
    shape = tuple(max(1, round(pixels ** (1 / dims) * rng.uniform(0.7, 1.4))) for _ in range(dims))
    kernel = tuple(max(1, round(np.exp(rng.uniform(0, np.log(n))))) for n in shape)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (shape, kernel)]
    middle = tuple((k - 1) // 2 for k in kernel)
    return problem(*arrays, *output_window("bench", str(rng.choice(MODES)), shape, kernel, middle))


def least_seconds(call: Callable[[Problem], object], p: Problem) -> float:
    """Return the least seconds of at least three calls, of more if they are short."""
    call(p)
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 0.002 and len(seconds) < 20):
        start = time.perf_counter()
        call(p)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def fit(terms: list[tuple[float, ...]], seconds: list[float]) -> np.ndarray:
    """Return the constants with the least squares of relative errors; one that would be negative is 0, the rest refitted."""
    rows = np.array(terms) / np.array(seconds)[:, None]
    scale = rows.max(axis=0)
    used = np.ones(rows.shape[1], bool)
    while True:
        constants = np.zeros(rows.shape[1])
        constants[used] = np.linalg.lstsq((rows / scale)[:, used], np.ones(len(rows)), rcond=None)[0]
        if (constants >= 0).all():
            return constants / scale
        used &= constants > 0


def report(names: list[str], terms: list[tuple[float, ...]], seconds: list[float]) -> None:
    constants = fit(terms, seconds)
    for name, constant in zip(names, constants, strict=True):
        print(f"{name} = {constant:.2g}")
    errors = np.abs(np.log2(np.array(terms) @ constants / seconds))
    print(f"# {len(seconds)} problems; off by a factor of {2 ** np.median(errors):.2f} (median), {2 ** errors.max():.2f} (most)\n")


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    options = parser.parse_args()
    fastconv.set_num_threads(1)
    print(timing.machine(), "\n")
    rng = np.random.default_rng(0)
    tried: list[tuple[Problem, float, float]] = []
    while len(tried) < options.problems:
        p = random_problem(rng, "engine")
        if max(cost.direct_seconds(p), cost.fft_seconds(p)) < MOST_SECONDS:
            tried.append((p, least_seconds(direct, p), least_seconds(by_fft, p)))
    names = ["ENGINE_CALL", "ENGINE_OUTPUT", "ENGINE_MULTIPLICATION_BYTE", "ENGINE_WEIGHT"]
    report(names, [cost.engine_terms(p, p.engine_type.itemsize) for p, _, _ in tried if p.engine_type], [d for _, d, _ in tried])
    report(["FFT_AXIS", "FFT_STEP"], [cost.fft_terms(p) for p, _, _ in tried], [f for _, _, f in tried])
    shifted = [p for p in (random_problem(rng, "shift") for _ in range(options.problems)) if cost.direct_seconds(p) < MOST_SECONDS]
    report(["SHIFT_CALL", "SHIFT_ELEMENT"], [cost.shift_terms(p) for p in shifted], [least_seconds(direct, p) for p in shifted])
    chosen = [(d if cost.faster(p) == "direct" else f) / min(d, f) for p, d, f in tried]
    print(f"with the constants in cost.py the method chosen is the faster one {np.mean(np.array(chosen) == 1):.0%} of the time,")
    print(f"and takes {np.mean(chosen):.2f} times the faster one's seconds in the mean, {max(chosen):.2f} at most")


if __name__ == "__main__":
    main()
