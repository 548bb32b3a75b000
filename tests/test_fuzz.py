"""Random, mostly nonsensical calls: a right answer, or ValueError or TypeError (see fuzz.py; CI makes 100,000)."""

from .processes import ROOT, run_python


def test_nonsense_gives_right_answers_or_clear_errors():
    done = run_python("-m", "tests.fuzz", "3000", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3000 calls, 0 broke the rules" in done.stdout
