"""Draw the figures of bench.run: a roofline of every layer and operation, and the ratios to PyTorch.

python -m bench.plot kernels.json roofline.png
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COLOURS = {"output": "tab:blue", "input_grad": "tab:orange", "weight_grad": "tab:green"}


def need_matplotlib() -> None:
    """Say what to install, where it is missing."""
    if find_spec("matplotlib") is None:
        raise SystemExit("the picture needs matplotlib: pip install matplotlib")


def draw(facts: dict[str, Any], records: list[dict[str, Any]], path: str) -> None:
    """Write the picture: GFLOP/s over FLOP a byte under the machine's two limits, and the ratios in order."""
    need_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6), layout="constrained")
    roof, bars = figure.subplots(1, 2)
    peak, bandwidth = facts["peak"] * facts["threads"], facts["bandwidth"]
    intensities = [1e9 * record["gflop"] / record["bytes"] for record in records]
    ends = [min(intensities) / 2, peak / bandwidth, max(*intensities, peak / bandwidth) * 2]
    roof.plot(ends, [min(peak, bandwidth * intensity) for intensity in ends], color="black")
    for operation, colour in COLOURS.items():
        points = [(i, r) for i, r in zip(intensities, records, strict=True) if r["operation"] == operation]
        xs, mine = [i for i, _ in points], [r["gflops"]["fastconv"] for _, r in points]
        theirs = [r["gflops"].get(r["best_peer"], float("nan")) for _, r in points]
        roof.vlines(xs, mine, theirs, color=colour, linewidth=0.8)
        roof.scatter(xs, mine, color=colour, label=f"fastconv, {operation.replace('_', ' ')}")
        roof.scatter(xs, theirs, edgecolors=colour, facecolors="none")
    roof.set(xscale="log", yscale="log", xlabel="FLOP a byte of input, weights and output", ylabel="GFLOP/s")
    roof.set_title(f"{peak:.0f} GFLOP/s of multiply-adds, {bandwidth:.0f} GB/s of copying; hollow: the best peer")
    roof.legend()
    key = "ratio" if any(record["ratio"] for record in records) else "ratio_to_best"
    order = sorted((record for record in records if record[key]), key=lambda record: record[key])
    bars.bar(range(len(order)), [r[key] - 1 for r in order], bottom=1, color=[COLOURS[r["operation"]] for r in order], width=1)
    bars.axhline(1, color="black")
    bars.set(yscale="log", xlabel="layers and operations", ylabel="times as fast", xticks=[])
    bars.set_title(f"fastconv to {'the better PyTorch layout' if key == 'ratio' else 'the best peer'}")
    figure.suptitle(f"{facts['cpu']}, {facts['dtype']}, {facts['threads']} thread{'s' * (facts['threads'] > 1)}, {facts['date']}")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Draw from a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", metavar="kernels.json")
    parser.add_argument("picture", metavar="PATH", help="its ending is the format: .png, .svg, ...")
    options = parser.parse_args()
    figures = json.loads(Path(options.figures).read_text())
    draw(figures["machine"], figures["records"], options.picture)


if __name__ == "__main__":
    main()
