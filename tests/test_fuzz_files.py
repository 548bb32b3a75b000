"""Broken files of every kind: the right result, or an error that names the file (see fuzz_files.py; CI reads 10,000 of each)."""

import random
from pathlib import Path

import pytest

from fastconv.files.content import reading

from .fuzz_files import Fuzz, Kind, kinds, main


def test_broken_files_are_read_right_or_refused_by_name(capfd):
    assert main(50, seed=1) == 0, capfd.readouterr().out


@pytest.mark.parametrize("name", kinds())
def test_good_files_are_read(tmp_path, name):
    kind = kinds()[name]
    fuzz = Fuzz(name, kind, [kind.content], tmp_path, 0)
    assert fuzz.expected == kind.read(fuzz.path)


def fuzz_of(tmp_path, read, content=bytes(range(200)), **options):
    return Fuzz("test", Kind(".x", content, read, **options), [b"other" * 50], tmp_path, 0)


def test_the_fuzz_sees_other_exceptions_other_results_and_warnings(tmp_path):
    def read(path):
        content = path.read_bytes()
        if content != bytes(range(200)):
            raise failures[len(content) % len(failures)]

    failures = [KeyError("a"), ValueError("broken"), MemoryError(), RecursionError("deep"), AssertionError(), SystemExit(1)]
    fuzz = fuzz_of(tmp_path, read)
    found = {(fuzz.run(number) or "").partition(":")[0] for number in range(300)}
    assert {"KeyError", "the error doesn't name the file", "MemoryError", "RecursionError", "AssertionError", "SystemExit"} <= found
    fuzz = fuzz_of(tmp_path, lambda path: path.read_bytes(), checked=True)
    assert {fuzz.run(number) for number in range(50)} == {"another result"}

    def warn(path):
        import warnings

        warnings.warn("from a library", stacklevel=2)
        with reading("load", path, "test"):
            raise KeyError("a")

    with pytest.raises(UserWarning, match="from a library"):
        fuzz_of(tmp_path, warn)
    fuzz = fuzz_of(tmp_path, lambda path: None)
    fuzz.kind = fuzz.kind._replace(read=warn)
    assert fuzz.run(0) == "a warning: from a library"


def test_what_is_broken_is_the_same_each_time_and_different_from_number_to_number(tmp_path):
    fuzz = fuzz_of(tmp_path, Path.read_bytes)
    contents = [fuzz.broken(number)[0] for number in range(100)]
    random.seed(5)
    assert contents == [fuzz.broken(number)[0] for number in range(100)]
    assert len({*contents}) > 95
