"""Fixtures that several files use."""

import pytest
from hypothesis import HealthCheck, settings

from fastconv.cli import main
from fastconv.messages import waiting as _waiting
from fastconv.runtime import threads as _threads

# The first call of a kernel compiles it, so no deadline. The full profile is 2,000 examples over test_properties.py.
settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("default"), max_examples=400)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def as_many_threads_as_asked_for(monkeypatch):
    """Let tests have more threads than this machine has CPUs: results must not depend on their number."""
    monkeypatch.setattr(_threads, "most_at_once", lambda: _threads.MOST_THREADS)


_waiting.PATIENCE = 1e6  # what tests read on standard error doesn't depend on what is compiled already


@pytest.fixture
def run(capsys):
    """Run the command line in this process; return what it printed, .out and .err."""

    def run(*arguments, status=0):
        assert main([str(argument) for argument in arguments]) == status
        return capsys.readouterr()

    return run
