"""Time the correlation of a large image with one kernel beside OpenCV, NumPy's FFT and SciPy, results checked first.

python -m bench.images                          4096 x 4096 pixels, float32, all kernels of the list, one thread
python -m bench.images 7 sobel --size 1024 --threads 2 --json figures.json

A kernel is a number k for k x k random weights, "sobel" (3 x 3), or "gaussian" and a number; these two are outer products, which
nobody here makes use of. fastconv is measured through `signal.correlate2d` and through `functional.conv2d`.

SciPy is slow with large kernels. A call of it that would take SECONDS_OF_SCIPY or longer is timed, once, on some of the
image's rows, and the seconds are scaled to all rows; the table marks them with ~.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastconv
from fastconv import functional, signal

from . import timing

KERNELS = ("3", "7", "31", "sobel", "gaussian7", "gaussian31")
OURS = ("fastconv", "fastconv conv2d")
SECONDS_OF_SCIPY = 3.0

Correlation = Callable[[np.ndarray, np.ndarray], np.ndarray]


def kernel_of(name: str) -> np.ndarray:
    """Return the kernel of a name, float32."""
    if name == "sobel":
        return np.outer([1, 2, 1], [-1, 0, 1]).astype(np.float32)
    kind, k = ("gaussian", int(name.removeprefix("gaussian"))) if name.startswith("gaussian") else ("random", int(name))
    if kind == "random":
        return np.random.default_rng(1).standard_normal((k, k), np.float32)
    row = np.exp(-0.5 * ((np.arange(k) - (k - 1) / 2) / (0.3 * (k / 2 - 1) + 0.8)) ** 2)
    return np.outer(row, row).astype(np.float32) / np.float32(row.sum() ** 2)


def ours() -> dict[str, Correlation]:
    """Return both ways to correlate with fastconv."""
    return {
        OURS[0]: lambda image, kernel: signal.correlate2d(image, kernel, "same"),
        OURS[1]: lambda image, kernel: functional.conv2d(image[None, ..., None], kernel[..., None, None], padding="same")[
            0, ..., 0
        ],
    }


def numpy_fft(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation as one writes it with numpy.fft."""
    shape = [n + k - 1 for n, k in zip(image.shape, kernel.shape, strict=True)]
    full = np.fft.irfft2(np.fft.rfft2(image, shape) * np.fft.rfft2(kernel[::-1, ::-1], shape), shape)
    top, left = (k // 2 for k in kernel.shape)
    return full[top : top + image.shape[0], left : left + image.shape[1]]


def fast_peers(threads: int) -> dict[str, Correlation]:
    """Return those who take about as long as fastconv; all give the image's size with zeros outside."""
    peers: dict[str, Correlation] = {"NumPy FFT": numpy_fft}
    try:
        import cv2
    except ImportError:
        return peers
    cv2.setNumThreads(threads)
    peers["OpenCV filter2D"] = lambda image, kernel: cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return peers


def slow_peers() -> dict[str, Correlation]:
    """Return SciPy's functions, which use one thread."""
    try:
        import scipy.ndimage
        import scipy.signal
    except ImportError:
        return {}
    return {
        "scipy.ndimage": lambda image, kernel: scipy.ndimage.correlate(image, kernel, mode="constant"),
        "scipy.signal": lambda image, kernel: scipy.signal.correlate2d(image, kernel, "same"),
    }


def seconds_of_all_rows(call: Correlation, image: np.ndarray, kernel: np.ndarray) -> tuple[float, int]:
    """Return the seconds for the whole image, and of how many rows they were measured."""
    rows = min(len(image), 2 * len(kernel))
    while True:
        start = time.perf_counter()
        call(image[:rows], kernel)
        seconds = time.perf_counter() - start
        if rows == len(image) or 2 * seconds > SECONDS_OF_SCIPY:
            return seconds * len(image) / rows, rows
        rows = min(len(image), 2 * rows)


def check(name: str, result: np.ndarray, expected: np.ndarray) -> None:
    error = np.abs(result - expected).max() / np.abs(expected).max()
    if not error < 1e-5:
        raise AssertionError(f"{name} differs by {error}")


def measure(size: int, name: str, threads: int, rounds: int) -> dict[str, Any]:
    """Check and time one kernel; return its record."""
    image, kernel = np.random.default_rng(0).standard_normal((size, size), np.float32), kernel_of(name)
    k = len(kernel)
    fast, slow = {**ours(), **fast_peers(threads)}, slow_peers()
    result, rows = fast[OURS[0]](image, kernel), min(size, 2 * k)
    for peer, call in fast.items():
        check(peer, call(image, kernel), result)
    for peer, call in slow.items():
        check(peer, call(image[:rows], kernel)[: rows - k], result[: rows - k])
    seconds = timing.interleaved({peer: lambda call=call: call(image, kernel) for peer, call in fast.items()}, rounds, threads)
    scaled = {peer: seconds_of_all_rows(call, image, kernel) for peer, call in slow.items()}
    return {
        "kernel": name,
        "gflops": 2 * size * size * k * k / 1e9 / min(seconds[OURS[0]]),
        "seconds": {peer: min(times) for peer, times in seconds.items()} | {peer: figure for peer, (figure, _) in scaled.items()},
        "rows": {peer: rows for peer, (_, rows) in scaled.items()},
        "ratio": {peer: timing.median_ratio(times, seconds[OURS[0]]) for peer, times in seconds.items()},
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernels", nargs="*", help=f"sizes and names ({', '.join(KERNELS)})")
    parser.add_argument("--size", type=int, default=4096, help="of the square image (4096)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    fastconv.set_num_threads(options.threads)
    missing = [name for name, peers in (("cv2", fast_peers(1).keys() - {"NumPy FFT"}), ("scipy", slow_peers())) if not peers]
    facts = {**timing.machine(), "size": options.size, "dtype": "float32", "threads": options.threads, "left_out": missing}
    print(facts)
    records = [measure(options.size, k, options.threads, options.rounds) for k in options.kernels or KERNELS]
    names = list(records[0]["seconds"])
    rows = []
    for record in records:
        cells = [record["kernel"]]
        for name in names:
            part = "~" if record["rows"].get(name, options.size) < options.size else ""
            ratio = record["ratio"].get(name, record["seconds"][name] / record["seconds"]["fastconv"])
            cells.append(f"{part}{1000 * record['seconds'][name]:.1f}" + (f" ({ratio:.2f})" if name not in OURS else ""))
        rows.append([*cells, f"{record['gflops']:.0f}"])
    print("milliseconds of the best round (times fastconv's, median of the rounds); ~ scaled from some of the rows\n")
    timing.print_table(["kernel", *names, "fastconv's GFLOP/s"], rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
