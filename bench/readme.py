"""Write the README's tables from the benchmarks' JSON, losses included.

python -m bench.dropin --json dropin.json
python -m bench.run --json kernels.json
python -m bench.compile_time --json start.json
python -m bench.readme dropin.json kernels.json start.json
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent / "README.md"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine(facts: dict[str, Any]) -> str:
    """Return the line that says where and when."""
    return (
        f"{facts['cpu']}, vectors of {facts['vector_bytes']} bytes, {facts['date']}; Python {facts['python']}, "
        f"NumPy {facts['numpy']}, Numba {facts['numba']}"
    )


def dropin(figures: dict[str, Any]) -> str:
    """Return the section on the notebooks' layers."""
    rows = []
    for result in figures["results"]:
        times, epoch = result["milliseconds"], result["seconds_for_60000"]
        for step in times["fastconv"]:
            name = step.strip() + (f", {result['filters']} filters" if step in ("convolution", "whole step") else "")
            python, numpy, fast = (times[form][step] for form in ("Python", "NumPy", "fastconv"))
            rows.append([name, f"{python:.3f}", f"{numpy:.4f}", f"{fast:.4f}", f"{python / fast:.0f}", f"{numpy / fast:.1f}"])
        python, numpy, fast = (epoch[form] for form in ("Python", "NumPy", "fastconv"))
        rows.append(
            [f"**60,000 images, seconds, {result['filters']} filters**", f"{python:,.0f}", f"{numpy:.1f}", f"{fast:.1f}",
             f"{result['ratio_to_python']:.0f}", f"{result['ratio_to_numpy']:.1f}"]
        )  # fmt: skip
    text = table(["milliseconds an image", "Python loops", "NumPy, vectorised", "fastconv", "to Python", "to NumPy"], rows)
    return (
        f"The unchanged training loop, float64, one image an update (`python -m bench.dropin`; least of all rounds, epochs by "
        f"the median).\n{machine(figures['machine'])}.\n\n{text}"
    )


OPERATIONS = {"output": "output", "input_grad": "input gradient", "weight_grad": "weight gradient"}


def kernels(figures: dict[str, Any]) -> str:
    """Return the section on the kernels beside PyTorch and others."""
    facts, records = figures["machine"], figures["records"]
    rows: dict[str, list[str]] = {}
    for record in records:
        speeds = record["gflops"]
        theirs = max(speed for name, speed in speeds.items() if name.startswith("torch"))
        row = rows.setdefault(record["shape"], [record["shape"]])
        row += [f"{speeds['fastconv']:.0f}", f"{theirs:.0f}", f"{record['ratio']:.2f}"]
    header = ["layer"]
    for name in OPERATIONS.values():
        header += [f"{name}: fastconv", "PyTorch", "ratio"]
    ratios = facts["ratio"]
    each = ", ".join(f"{name} {ratios[operation]['mean']:.2f}" for operation, name in OPERATIONS.items())
    count = f"{facts['threads']} thread" + ("s" if facts["threads"] > 1 else "")
    best, more = facts["ratio_to_best"]["all"], others(records)
    lines = [
        f"GFLOP/s beside PyTorch (oneDNN), {facts['dtype']}, {count}, best round (`python -m bench.run`).",
        "The ratio is to PyTorch's better layout, median of the rounds: below 1 fastconv loses.",
        f"Geometric mean {ratios['all']['mean']:.2f} ({each}), least {ratios['all']['least']:.2f}.",
        *([f"{more} To the best of all: {best['mean']:.2f}, least {best['least']:.2f}."] if more else []),
        f"The machine's peak is {facts['peak']:.0f} GFLOP/s of multiply-adds a core, and {facts['bandwidth']:.0f} GB/s of copying.",
        f"{machine(facts)}.",
    ]
    return "\n".join(lines) + f"\n\n{table(header, list(rows.values()))}"


def others(records: list[dict[str, Any]]) -> str:
    """Return a sentence on each peer but PyTorch: fastconv's speed over theirs, where they can do the layer."""
    names = dict.fromkeys(name for r in records for name in r["gflops"] if name != "fastconv" and not name.startswith("torch"))
    known = {
        "jax": "JAX",
        "onnxruntime": "ONNX Runtime",
        "openvino": "OpenVINO",
        "numpy": "NumPy (sliding_window_view and tensordot)",
    }
    parts = []
    for name in names:
        ratios = [r["gflops"]["fastconv"] / r["gflops"][name] for r in records if name in r["gflops"]]
        parts.append(
            f"{statistics.geometric_mean(ratios):.2g} times {known.get(name, name)}'s ({min(ratios):.2g} to {max(ratios):.2g}; "
            f"{len(ratios)} of {len(records)} cases)"
        )
    return f"The speed is, in the geometric mean, {', '.join(parts)}." if parts else ""


def start(figures: dict[str, Any]) -> str:
    """Return the section on starting."""
    rows = [[name, f"{cold:.2f}", f"{warm:.2f}"] for name, cold, warm in figures["rows"]]
    text = table(["", "empty cache", "warm cache"], rows)
    kernels = figures.get("kernels", [])
    slowest = ""
    if kernels:
        seconds = [kernel["seconds"] for kernel in kernels]
        slowest = (
            f"\n\nEach kernel is compiled when first used: the {len(seconds)} of `bench/shapes.py` take "
            f"{statistics.median(seconds):.2f} s each in the median, {max(seconds):.2f} s at most."
        )
    return f"Seconds from the start of the process (`python -m bench.compile_time`):\n\n{text}{slowest}"


def main() -> None:
    """Fill the README's marked sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dropin", "kernels", "start"):
        parser.add_argument(name, metavar=f"{name}.json")
    options = vars(parser.parse_args())
    text = README.read_text()
    for name, render in (("dropin", dropin), ("kernels", kernels), ("start", start)):
        section = render(json.loads(Path(options[name]).read_text()))
        text, count = re.subn(
            f"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, s=section: f"{match[1]}{s}\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
        if not count:
            raise SystemExit(f"the README has no section marked {name}")
    README.write_text(text)


if __name__ == "__main__":
    main()
