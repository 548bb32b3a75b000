"""The notebooks' layers beside their plain-Python originals and NumPy's vectorised form, in one run, for 8 and 16 filters.

    python -m bench.dropin                     milliseconds an image, ratios, seconds for 60,000 images
    python -m bench.dropin --json figures.json

The training loop is the notebook's, unchanged; all three start from the same weights and must give the same losses.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

import fastconv
from fastconv.datasets import load_mnist
from tests import naive

from . import timing

EPOCH = 60_000


class VectorisedConvolution(naive.ConvolutionLayer):
    """The notebook's layer as one would write it with sliding_window_view and tensordot."""

    def forward_prop(self, image):
        self.image = image
        patches = np.lib.stride_tricks.sliding_window_view(image, self.kernels.shape[1:])
        return np.tensordot(patches, self.kernels, ((2, 3), (1, 2)))

    def back_prop(self, dE_dY, alpha):
        patches = np.lib.stride_tricks.sliding_window_view(self.image, self.kernels.shape[1:])
        dE_dk = np.tensordot(dE_dY, patches, ((0, 1), (0, 1)))
        self.kernels -= alpha * dE_dk
        return dE_dk


class VectorisedMaxPooling(naive.MaxPoolingLayer):
    """The notebook's layer with the windows as axes of a reshaped array."""

    def forward_prop(self, image):
        self.image, k = image, self.kernel_size
        h, w = image.shape[0] // k, image.shape[1] // k
        self.windows = image[: h * k, : w * k].reshape(h, k, w, k, -1)
        self.maxima = self.windows.max(axis=(1, 3))
        return self.maxima

    def back_prop(self, dE_dY):
        h, k, w, _, channels = self.windows.shape
        gradient = np.zeros(self.image.shape)
        shares = (self.windows == self.maxima[:, None, :, None]) * dE_dY[:, None, :, None]
        gradient[: h * k, : w * k] = shares.reshape(h * k, w * k, channels)
        return gradient


FORMS: dict[str, tuple[Any, Any, Any]] = {
    "Python": (naive.ConvolutionLayer, naive.MaxPoolingLayer, naive.SoftmaxLayer),
    "NumPy": (VectorisedConvolution, VectorisedMaxPooling, naive.SoftmaxLayer),
    "fastconv": (fastconv.ConvolutionLayer, fastconv.MaxPoolingLayer, fastconv.SoftmaxLayer),
}
STEPS = ("convolution", "its gradient", "pooling", "its gradient ", "softmax", "its gradient  ", "whole step")


def make_layers(form: str, filters: int) -> list[Any]:
    """Return the three layers of a form, with the same first weights for every form."""
    np.random.seed(0)
    conv, pool, dense = FORMS[form]
    return [conv(filters, 3), pool(2), dense(13 * 13 * filters, 10)]


def time_layers(layers: list[Any], image: np.ndarray, label: int, repeats: int) -> list[float]:
    """Return the least seconds of each layer's two directions, for one image."""
    conv, pool, dense = layers
    pixels = image / 255.0
    convolved = conv.forward_prop(pixels)
    pooled = pool.forward_prop(convolved)
    gradient = np.zeros(10)
    gradient[label] = -1 / dense.forward_prop(pooled)[label]
    back_dense = dense.back_prop(gradient, 0.0)
    back_pool = pool.back_prop(back_dense)
    calls = (
        lambda: conv.forward_prop(pixels),
        lambda: conv.back_prop(back_pool, 0.0),
        lambda: pool.forward_prop(convolved),
        lambda: pool.back_prop(back_dense),
        lambda: dense.forward_prop(pooled),
        lambda: dense.back_prop(gradient, 0.0),
    )
    return [min(_seconds(call) for _ in range(repeats)) for call in calls]


def _seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(filters: int, rounds: int, chunk: int) -> dict[str, Any]:
    """Run the three forms through the same images, a few of Python's and many of fastconv's in turn; return the figures."""
    images, labels, _, _ = load_mnist()
    layers = {form: make_layers(form, filters) for form in FORMS}
    counts = {"Python": 1, "NumPy": 10, "fastconv": chunk}
    at = dict.fromkeys(FORMS, 0)
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    losses: dict[str, list[float]] = {form: [] for form in FORMS}
    for form in FORMS:  # compile, and fill the caches
        warm = make_layers(form, filters)
        for i in range(2):
            naive.training_step(images[i], labels[i], warm, 0.005)
    for _ in range(rounds):
        for form, count in counts.items():
            start = time.perf_counter()
            for i in range(at[form], at[form] + count):
                losses[form].append(naive.training_step(images[i], labels[i], layers[form], 0.005)[0])
            seconds[form].append((time.perf_counter() - start) / count)
            at[form] += count
    for form in ("NumPy", "fastconv"):
        np.testing.assert_allclose(losses[form][:rounds], losses["Python"], rtol=1e-9)
    each = {
        form: [*time_layers(make_layers(form, filters), images[0], 5, 3 if form == "Python" else 200), min(seconds[form])]
        for form in FORMS
    }
    ratios = [a / b for a, b in zip(seconds["Python"], seconds["fastconv"], strict=True)]
    return {
        "filters": filters,
        "milliseconds": {form: dict(zip(STEPS, (1e3 * s for s in values), strict=True)) for form, values in each.items()},
        "median_step_milliseconds": {form: 1e3 * statistics.median(values) for form, values in seconds.items()},
        "seconds_for_60000": {form: EPOCH * statistics.median(values) for form, values in seconds.items()},
        "ratio_to_python": statistics.median(ratios),
        "ratio_to_numpy": timing.median_ratio(seconds["NumPy"], seconds["fastconv"]),
        "ratio_of_minima": min(seconds["Python"]) / min(seconds["fastconv"]),
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="images of the Python form (60)")
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    options = parser.parse_args()
    facts = timing.machine()
    print(facts)
    results = [compare(filters, options.rounds, 200) for filters in (8, 16)]
    for result in results:
        print(f"\n{result['filters']} filters: milliseconds an image, least of all rounds\n")
        times = result["milliseconds"]
        rows = [
            [
                step.strip(),
                *(f"{times[form][step]:.4f}" for form in FORMS),
                f"{times['Python'][step] / times['fastconv'][step]:.0f}",
            ]
            for step in STEPS
        ]
        timing.print_table(["", *FORMS, "Python / fastconv"], rows)
        epoch = ", ".join(f"{form} {seconds:,.1f}" for form, seconds in result["seconds_for_60000"].items())
        print(f"\nseconds for {EPOCH:,} images, by the median step: {epoch}")
        print(
            f"fastconv is {result['ratio_to_python']:.0f} times as fast as Python, {result['ratio_to_numpy']:.1f} times as NumPy "
            f"(median of the rounds; of the minima {result['ratio_of_minima']:.0f})"
        )
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": facts, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
