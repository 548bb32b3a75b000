"""`fastconv train`."""

from __future__ import annotations

import argparse
import json
import math
import time

from .console import note, say
from .signals import Answers

STARTED = time.time() - time.process_time()
"""When Python started: what it did until here kept the CPU busy. (The system knows when the shell forked, which was before.)"""


def train(options: argparse.Namespace, answers: Answers) -> int:
    """Train a network by its recipe; what is to be saved is saved after a signal, too."""
    answers.answer("SIGTERM", "SIGHUP")
    from . import train_model

    if options.threads is not None:
        from ..runtime.threads import set_num_threads

        set_num_threads(options.threads)
    result = train_model.train(
        options.data, model=options.model, epochs=options.epochs, batch_size=options.batch_size, lr=options.lr,
        seed=options.seed, save=options.save, limit=options.limit, checkpoint=options.checkpoint, resume=options.resume,
        say=note, started=STARTED, interruptible=answers.interruptible(),
    )  # fmt: skip
    answers.settle()
    if options.json:
        finite = {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in result.items()}
        say(json.dumps(finite))
    return 0
