"""The `fastconv` command: train, evaluate, predict, bench, warmup, info, cache."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STARTED = time.time() - time.process_time()
"""When Python started: what it did until here kept the CPU busy. (The system knows when the shell forked, which was before.)"""
INTERRUPTED = 130


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {number}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastconv", description="Convolutions on NumPy arrays, compiled by Numba.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    train = commands.add_parser("train", help="train a network on 60,000 images, and test it: by default to 99 %% of MNIST")
    train.add_argument("--data", default="mnist", help="mnist, fashion-mnist, a .npz file or a folder of IDX files (mnist)")
    train.add_argument("--model", default="small", help="small, accurate, lenet, pytorch-example, or seed, the notebook's (small)")
    train.add_argument("--epochs", type=_positive, metavar="N", help="times through the images (by the model's recipe; seed: 1)")
    train.add_argument("--batch-size", type=_positive, metavar="N", help="images an update (by the recipe; seed: 1)")
    train.add_argument("--lr", type=float, metavar="X", help="learning rate, a schedule's highest (by the recipe; seed: 0.005)")
    train.add_argument("--seed", type=int, default=0, metavar="N", help="of the weights, the images' order and dropout (0)")
    train.add_argument("--threads", type=_positive, metavar="N", help="threads, where the batch size is over 1 (all CPUs)")
    train.add_argument("--save", metavar="PATH", help="write the trained network here, .npz or .safetensors, also if interrupted")
    train.add_argument("--checkpoint", metavar="PATH", help="keep the state of the training here, .npz or .safetensors")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    train.add_argument("--limit", type=_positive, metavar="N", help="train on the first N images only")
    train.add_argument("--json", action="store_true", help="print one JSON object as the last line of standard output")

    evaluate = commands.add_parser("evaluate", help="loss and accuracy of a saved network on a dataset's test images")
    evaluate.add_argument("model", metavar="MODEL")
    evaluate.add_argument("--data", default="mnist", help="as for train (mnist)")

    predict = commands.add_parser("predict", help="what a saved network sees in images")
    predict.add_argument("model", metavar="MODEL")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help=".npy, IDX, or what Pillow reads (extra: data)")

    bench = commands.add_parser("bench", help="run a benchmark of a source checkout, or list them")
    bench.add_argument("name", nargs="?", metavar="NAME")
    bench.add_argument("options", nargs=argparse.REMAINDER, help="passed on to the benchmark")

    commands.add_parser("warmup", help="compile the common kernels now and keep them on disk")
    commands.add_parser("info", help="versions, CPU, vector width, threads, cache and kernels, as JSON")
    cache = commands.add_parser("cache", help="where compiled kernels are kept, and how much there is")
    cache.add_argument("--clear", action="store_true", help="delete them")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C."""
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # this is the process's own command
        signal.signal(signal.SIGINT, _end_at_once)
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.version:
        from . import __version__

        print(f"fastconv {__version__}")
        return 0
    if options.command is None:
        parser.print_help()
        return 2
    try:
        return _COMMANDS[options.command](options)
    except KeyboardInterrupt:
        if signal.getsignal(signal.SIGINT) is _end_at_once:
            _end_at_once(signal.SIGINT, None)
        print("\nfastconv: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"fastconv: {error}", file=sys.stderr)
        return 1


def _end_at_once(*_: object) -> None:
    """Answer Ctrl-C while there is nothing to save. An exception, raised while numba compiles, can get lost or crash LLVM."""
    try:
        os.write(2, b"\nfastconv: interrupted\n")
    finally:
        os._exit(INTERRUPTED)


@contextmanager
def _interruptible() -> Iterator[None]:
    """While there is something to save, let Ctrl-C raise KeyboardInterrupt."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not _end_at_once:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _train(options: argparse.Namespace) -> int:
    from .training import train

    if options.threads is not None:
        from ._threads import set_num_threads

        set_num_threads(options.threads)
    result = train(
        options.data, model=options.model, epochs=options.epochs, batch_size=options.batch_size, lr=options.lr,
        seed=options.seed, save=options.save, limit=options.limit, checkpoint=options.checkpoint, resume=options.resume,
        started=STARTED, interruptible=_interruptible(),
    )  # fmt: skip
    if options.json:
        finite = {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in result.items()}
        print(json.dumps(finite))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from .nn import load
    from .training import load_data

    model = load(options.model)
    _, _, images, labels = load_data(options.data)
    found = model.evaluate(images, labels)
    accuracy = f", accuracy {found['accuracy']:.2%}" if "accuracy" in found else ""
    print(f"loss {found['loss']:.4f}{accuracy} of {len(images)} images")
    return 0


def _predict(options: argparse.Namespace) -> int:
    from .nn import load

    model = load(options.model)
    for name in options.images:
        for number, row in enumerate(model.predict(_read_images(Path(name), model.shapes[0]))):
            best = int(row.argmax())
            print(f"{name}[{number}]: {best} ({row[best]:.1%})")
    return 0


def _read_images(path: Path, shape: tuple[int, ...]) -> Any:
    """Return the images in a file as (n, *shape) uint8; shape is (h, w, c), or (units,) for rows."""
    import numpy as np

    with open(path, "rb") as file:
        start = file.read(6)
    if start == b"\x93NUMPY":
        images = np.load(path, allow_pickle=False)
    elif start[:2] in (b"\0\0", b"\x1f\x8b"):
        from .datasets import read_idx

        images = read_idx(path)
    else:
        try:
            from PIL import Image
        except ImportError:
            raise ImportError(f"predict: to read {path}, install the extra: pip install 'fastconv[data]'") from None
        with Image.open(path) as picture:
            images = np.asarray(picture.convert("RGB" if shape[-1] == 3 else "L"))
    wanted = shape[:2] if shape[-1] == 1 else shape
    many = images if images.ndim > len(wanted) else images[None]
    if images.dtype != np.uint8 or many.shape[1:] not in (wanted, shape):
        size = " x ".join(map(str, wanted))
        raise ValueError(f"predict: images must be uint8 of {size}, but {path} has {images.dtype} of {images.shape}")
    return many.reshape(-1, *shape)


def _bench(options: argparse.Namespace) -> int:
    import runpy

    root = Path(__file__).resolve().parent.parent
    places = [place for place in (Path.cwd(), root) if (place / "bench" / "run.py").is_file()]
    if not places:
        raise ValueError(
            "bench: the benchmarks are in the source checkout's folder bench, which is neither here nor beside the package"
        )
    names = sorted(path.stem for path in (places[0] / "bench").glob("*.py") if not path.stem.startswith("_"))
    if options.name is None:
        print("\n".join(names))
        return 0
    if options.name not in names:
        raise ValueError(f"bench: NAME must be one of {names}, but is {options.name!r}")
    sys.path.insert(0, str(places[0]))
    sys.argv = [f"bench.{options.name}", *options.options]
    runpy.run_module(f"bench.{options.name}", run_name="__main__")
    return 0


def _warmup(options: argparse.Namespace) -> int:
    from . import warmup

    seconds = warmup(lambda line: print(line, flush=True))
    print(f"{seconds:.1f} s in all")
    return 0


def _info(options: argparse.Namespace) -> int:
    from . import info

    print(json.dumps(info(), indent=2))
    return 0


def _cache(options: argparse.Namespace) -> int:
    from ._jit import cache_root, cached_sizes, clear_cache

    root = cache_root()
    if options.clear:
        print(f"{clear_cache()} files deleted in {root}")
        return 0
    sizes = cached_sizes()
    print(f"{root}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
    return 0


_COMMANDS = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "bench": _bench,
    "warmup": _warmup,
    "info": _info,
    "cache": _cache,
}
