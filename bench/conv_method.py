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
from fastconv.signal.direct import by_engine, plain
from fastconv.signal.fourier import by_blocks, by_fft
from fastconv.signal.problem import MODES, Problem, output_window, problem

from . import timing

LARGEST = {1: 2**20, 2: 2**21, 3: 2**20}
MOST_SECONDS = 0.3
WAYS = {"engine": by_engine, "plain": plain, "fft": by_fft, "blocks": by_blocks}
SECONDS = {"engine": cost.engine_seconds, "plain": cost.plain_seconds, "fft": cost.fft_seconds, "blocks": cost.blocks_seconds}


def random_problem(rng: np.random.Generator) -> Problem:
    """Return a problem of random sizes, log-uniform, in one to three dimensions."""
    dims = int(rng.integers(1, 4))
    dtype = rng.choice(["float32", "float64", "complex64", "complex128"])
    pixels = np.exp(rng.uniform(np.log(16), np.log(LARGEST[dims])))
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


def report(name: str, terms: Callable[[Problem], tuple[float, ...]], tried: list[tuple[Problem, float]]) -> None:
    seconds, counts = [seconds for _, seconds in tried], [terms(p) for p, _ in tried]
    constants = fit(counts, seconds)
    print(f"{name} = ({', '.join(f'{constant:.2g}' for constant in constants)})")
    errors = np.abs(np.log2(np.array(counts) @ constants / seconds))
    print(f"# {len(seconds)} problems; off by a factor of {2 ** np.median(errors):.2f} (median), {2 ** errors.max():.2f} (most)\n")


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    options = parser.parse_args()
    fastconv.set_num_threads(1)
    print(timing.machine(), "\n")
    rng = np.random.default_rng(0)
    tried: list[tuple[Problem, dict[str, float]]] = []
    while len(tried) < options.problems:
        p = random_problem(rng)
        tried.append((p, {way: least_seconds(WAYS[way], p) for way in WAYS if SECONDS[way](p) < MOST_SECONDS}))
    report("ENGINE", cost.engine_terms, [(p, took["engine"]) for p, took in tried if "engine" in took and not p.by_rows])
    report("PLANE", cost.plane_terms, [(p, took["engine"]) for p, took in tried if "engine" in took and p.by_rows])
    report("SHIFTS", cost.shift_terms, [(p, took["plain"]) for p, took in tried if "plain" in took and p.x.ndim > 1])
    report("NUMPY", cost.numpy_terms, [(p, took["plain"]) for p, took in tried if "plain" in took and p.x.ndim == 1])
    report("FFT", cost.fft_terms, [(p, took["fft"]) for p, took in tried if "fft" in took])
    report("BLOCKS", cost.blocks_terms, [(p, took["blocks"]) for p, took in tried if "blocks" in took])
    chosen = []
    for p, took in tried:
        transform = "blocks" if cost.blocks_are_faster(p) else "fft"
        way = transform if cost.faster(p) == "fft" else "engine" if cost.engine_is_faster(p) else "plain"
        if way in took:
            chosen.append(took[way] / min(took.values()))
    print(f"with the constants in cost.py the way chosen is the fastest {np.mean(np.array(chosen) == 1):.0%} of the time,")
    print(f"and takes {np.mean(chosen):.2f} times the fastest one's seconds in the mean, {max(chosen):.2f} at most")


if __name__ == "__main__":
    main()
