"""One fit of a model at a time: two would count each other's epochs and updates as their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_running: dict[tuple[int, int], object] = {}
"""By process and model: a process that is forked during a fit has models of its own."""


@contextmanager
def one_at_a_time(model: object) -> Iterator[None]:
    """Refuse a fit of a model while another runs, in another thread or as the one whose callback calls this one."""
    mine, key = object(), (os.getpid(), id(model))
    try:
        if _running.setdefault(key, mine) is not mine:
            raise RuntimeError(
                "fit: a model must be trained by one fit at a time, but another one of this model is running: "
                "in another thread, or this one is called by its callback"
            )
        yield
    finally:
        if _running.get(key) is mine:
            del _running[key]
