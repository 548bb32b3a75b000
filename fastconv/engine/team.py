"""A team for as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .._team import Team


@contextmanager
def team_of(threads: int) -> Iterator[Team]:
    """Yield a team of so many threads, the caller's among them, and end its helpers afterwards."""
    team = Team(threads - 1)
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
