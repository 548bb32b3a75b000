"""Fixtures that several files use."""

import pytest

from fastconv.cli import main


@pytest.fixture
def run(capsys):
    """Run the command line in this process; return what it printed, .out and .err."""

    def run(*arguments, status=0):
        assert main([str(argument) for argument in arguments]) == status
        return capsys.readouterr()

    return run
