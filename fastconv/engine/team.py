"""A team for as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import _threads
from .._team import Team


@contextmanager
def team_of(threads: int) -> Iterator[Team]:
    """Yield a team of so many threads, the caller's among them, or as many as there are CPUs; end its helpers afterwards."""
    team = Team(_threads.used_threads(threads) - 1)
    try:
        yield team
    finally:
        try:
            _end(team)
        except KeyboardInterrupt:
            _end(team)
            raise


def _end(team: Team) -> None:
    team.stop()
    for helper in team.helpers:
        helper.thread.join()
