"""The `fastconv` command: train, evaluate, predict, bench, warmup, info, cache."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

from .commands import console
from .commands.evaluate import evaluate
from .commands.predict import predict
from .commands.signals import INTERRUPTED, Answers, Ended, end
from .commands.tools import bench, cache, info, warmup
from .commands.train import train

PIPE_CLOSED = 141
"""As the shell has it for a process that SIGPIPE ended."""


def _integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return what makes an integer of an argument and refuses others."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be an integer, but is {text[:40]!r}") from None
        if number < least or (most is not None and number > most):
            rule = f"at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be {rule}, but is {number}")
        return number

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastconv", description="Convolutions on NumPy arrays, compiled by Numba.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    train = commands.add_parser("train", help="train a network on 60,000 images, and test it: by default to 99 %% of MNIST")
    train.add_argument("--data", default="mnist", help="mnist, fashion-mnist, a .npz file or a folder of IDX files (mnist)")
    train.add_argument("--model", default="small", help="small, accurate, lenet, pytorch-example, or seed, the notebook's (small)")
    train.add_argument("--epochs", type=_integer(1), metavar="N", help="times through the images (by the model's recipe; seed: 1)")
    train.add_argument("--batch-size", type=_integer(1), metavar="N", help="images an update (by the recipe; seed: 1)")
    train.add_argument("--lr", type=float, metavar="X", help="learning rate, a schedule's highest (by the recipe; seed: 0.005)")
    train.add_argument("--seed", type=int, default=0, metavar="N", help="of the weights, the images' order and dropout (0)")
    most = "threads, where the batch size is over 1: no more run than there are CPUs (all CPUs)"
    train.add_argument("--threads", type=_integer(1), metavar="N", help=most)
    train.add_argument("--save", metavar="PATH", help="write the trained network here, .npz or .safetensors, also if interrupted")
    train.add_argument("--checkpoint", metavar="PATH", help="keep the state of the training here, .npz or .safetensors")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    train.add_argument("--limit", type=_integer(1), metavar="N", help="train on the first N images only")
    train.add_argument("--json", action="store_true", help="print one JSON object as the last line of standard output")

    evaluate = commands.add_parser("evaluate", help="loss and accuracy of a saved network on a dataset's test images")
    evaluate.add_argument("model", metavar="MODEL")
    evaluate.add_argument("--data", default="mnist", help="as for train (mnist)")

    predict = commands.add_parser("predict", help="what a saved network sees in images")
    predict.add_argument("model", metavar="MODEL")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help=".npy, IDX, or pictures, for which Pillow must be installed")
    predict.add_argument(
        "--background",
        type=_integer(0, 255),
        default=0,
        metavar="N",
        help="what transparent pictures are laid on: 0 black, 255 white (0)",
    )

    bench = commands.add_parser("bench", help="run a benchmark of a source checkout, or list them")
    bench.add_argument("name", nargs="?", metavar="NAME")
    bench.add_argument("options", nargs=argparse.REMAINDER, help="passed on to the benchmark")

    commands.add_parser("warmup", help="compile the common kernels now and keep them on disk")
    commands.add_parser("info", help="versions, CPU, vector width, threads, cache and kernels, as JSON")
    cache = commands.add_parser("cache", help="where compiled kernels are kept, and how much there is")
    cache.add_argument("--clear", action="store_true", help="delete them")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Without arguments this is the process's own command: it answers signals, and its standard streams may be closed. Otherwise a
    program calls, and keeps its signal handlers and streams.

    Returns
    -------
    int
        0, or 1 for an error, 2 for wrong usage, 130 after Ctrl-C, 143 and 129 after SIGTERM and SIGHUP in `train`, 141 if who
        reads standard output has closed it.
    """
    own = arguments is None
    answers = Answers(own)
    answers.answer("SIGINT")
    if own:
        console.open_missing_streams()
    try:
        with console.short_warnings(own):
            status = _run(arguments, answers)
        console.flush()
        return status
    except Ended as ended:
        end(ended.number)
    except KeyboardInterrupt:
        console.note("")
        console.note("fastconv: interrupted")
        return INTERRUPTED
    except (console.OutputLost, BrokenPipeError) as error:
        return _output_lost(error, own)
    except console.FAILURES as error:
        console.complain(error)
        return 1
    finally:
        answers.settle()
        answers.restore()


def _run(arguments: Sequence[str] | None, answers: Answers) -> int:
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    finally:  # it may have printed help, to end with that
        console.flush()
    if options.version:
        from . import __version__

        console.say(f"fastconv {__version__}")
        return 0
    if options.command is None:
        parser.print_help()
        return 2
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "train": partial(train, answers=answers), "evaluate": evaluate, "predict": predict, "bench": bench,
        "warmup": warmup, "info": info, "cache": cache,
    }  # fmt: skip
    return commands[options.command](options)


def _output_lost(error: BaseException, own: bool) -> int:
    """Return the status of a command whose standard output can't be written; say why, unless who reads it has seen enough."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if own:
        console.give_up_output()
    if isinstance(cause, BrokenPipeError):
        return PIPE_CLOSED
    console.note(f"fastconv: standard output can't be written: {cause}")
    return 1
