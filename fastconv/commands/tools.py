"""The commands beside networks: bench, warmup, info and cache."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .console import say


def bench(options: argparse.Namespace) -> int:
    """Run a benchmark of a source checkout, or list them."""
    import runpy

    root = Path(__file__).resolve().parent.parent.parent
    places = [place for place in (Path.cwd(), root) if (place / "bench" / "run.py").is_file()]
    if not places:
        raise ValueError(
            "bench: the benchmarks are in the source checkout's folder bench, which is neither here nor beside the package"
        )
    names = sorted(path.stem for path in (places[0] / "bench").glob("*.py") if not path.stem.startswith("_"))
    if options.name is None:
        for name in names:
            say(name)
        return 0
    if options.name not in names:
        raise ValueError(f"bench: NAME must be one of {names}, but is {options.name!r}")
    sys.path.insert(0, str(places[0]))
    sys.argv = [f"bench.{options.name}", *options.options]
    runpy.run_module(f"bench.{options.name}", run_name="__main__")
    return 0


def warmup(options: argparse.Namespace) -> int:
    """Compile the common kernels."""
    from .. import warmup as compile_common

    seconds = compile_common(lambda line: say(line, flush=True))
    say(f"{seconds:.1f} s in all")
    return 0


def info(options: argparse.Namespace) -> int:
    """Say what there is to know of this machine and installation, as JSON."""
    from .. import info as found

    for line in json.dumps(found(), indent=2).splitlines():
        say(line)
    return 0


def cache(options: argparse.Namespace) -> int:
    """Say where compiled kernels are, or delete them."""
    from ..runtime.jit import cache_root, cached_sizes, clear_cache

    root = cache_root()
    if options.clear:
        say(f"{clear_cache()} files deleted in {root}")
        return 0
    sizes = cached_sizes()
    say(f"{root}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
    return 0
