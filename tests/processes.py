"""Python in a process of its own, as a user starts it, with its own environment."""

import os
import subprocess
import sys
from pathlib import Path

import fastconv

ROOT = Path(fastconv.__file__).resolve().parent.parent


def environment(**changes):
    """Return this process's environment with fastconv to be found and the changes made; None removes a variable."""
    merged = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: str(value) for name, value in merged.items() if value is not None}


def run_python(*arguments, timeout=120, cwd=None, errors=None, **changes):
    """Run Python with the arguments to its end; standard output and error are kept as text."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment(**changes),
        cwd=cwd,
        capture_output=True,
        text=True,
        errors=errors,
        timeout=timeout,
        check=False,
    )


def run_code(code, *arguments, **changes):
    """Run a piece of Python, which must end well, and return what it printed on standard output."""
    done = run_python("-c", code, *arguments, **changes)
    assert done.returncode == 0, done.stderr
    return done.stdout
