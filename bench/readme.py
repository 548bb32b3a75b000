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


def kernels(figures: dict[str, Any]) -> str:
    """Return the section on the kernels beside PyTorch."""
    rows = []
    for record in figures["records"]:
        speeds = record["gflops"]
        mine = speeds["fastconv"]
        peak = figures["machine"]["peak"] * figures["machine"]["threads"]
        others = [f"{value:.0f}" for name, value in speeds.items() if name != "fastconv"]
        name = record["shape"] if record["operation"] == "output" else ""
        rows.append(
            [name, record["operation"].replace("_", " "), f"{mine:.0f}", f"{mine / peak:.0%}", *others, f"{record['ratio']:.2f}"]
        )
    header = ["layer", "", "fastconv", "of FMA peak", "PyTorch NCHW", "PyTorch channels_last", "ratio"]
    ratios = [record["ratio"] for record in figures["records"]]
    facts = figures["machine"]
    return (
        f"GFLOP/s beside PyTorch (oneDNN), {facts['dtype']}, {facts['threads']} thread (`python -m bench.run`; best round; the "
        f"ratio is to PyTorch's better layout, median of the rounds:\nbelow 1 fastconv loses). Geometric mean "
        f"{statistics.geometric_mean(ratios):.2f}, least {min(ratios):.2f}. {machine(facts)}.\n\n{table(header, rows)}"
    )


def start(figures: dict[str, Any]) -> str:
    """Return the section on starting."""
    rows = [[name, f"{cold:.2f}", f"{warm:.2f}"] for name, cold, warm in figures["rows"]]
    text = table(["", "empty cache", "warm cache"], rows)
    return f"Seconds from the start of the process (`python -m bench.compile_time`):\n\n{text}"


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
