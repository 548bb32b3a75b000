"""The kernels' disk cache, seen from fresh processes: it is used, renewed, shared, private, and never trusted when damaged."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv
from fastconv.runtime import jit as _jit

from .processes import environment, run_code, run_python

PACKAGE = Path(fastconv.__file__).parent
PROGRAM = """
import json, sys
import numpy as np
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from fastconv import ConvolutionLayer
    from fastconv.functional import softmax
    results = [softmax(np.array([0.0, 0.0], dtype)).tolist() for dtype in sys.argv[1:]]
    if not sys.argv[1:]:  # its kernels close over other kernels
        layer = ConvolutionLayer(1, 2)
        layer.kernels[:] = 1
        results = layer.forward_prop(np.ones((3, 3))).ravel().tolist()
        results += layer.back_prop(np.ones((2, 2, 1)), 0.5).ravel().tolist()
print(json.dumps([results, sum(event.is_start for _, event in recorder.buffer)]))
"""


def results_and_compilations(cache, *dtypes, **options):
    """Run softmax in these types, or without any a layer's step, and return the results and how often numba compiled."""
    return json.loads(run_code(PROGRAM, *dtypes, FASTCONV_CACHE_DIR=cache, **options))


def kernel_files(cache):
    return sorted(path for path in cache.glob("*/*") if path.is_file())


def test_the_second_process_compiles_nothing(tmp_path):
    cache = tmp_path / "cache"
    results, compiled = results_and_compilations(cache)
    assert results == [4.0] * 8
    assert compiled > 0
    before = {path: path.stat().st_mtime_ns for path in kernel_files(cache)}
    assert 0 < len(before) <= compiled
    assert results_and_compilations(cache) == [results, 0]
    assert {path: path.stat().st_mtime_ns for path in kernel_files(cache)} == before


def test_the_cache_is_the_users_alone(tmp_path):
    cache = tmp_path / "deep" / "cache"
    results_and_compilations(cache, "float64")
    (folder,) = cache.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (cache, folder)] == [0o700, 0o700]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kernel_files(cache)} == {0o600}


def test_an_edit_anywhere_in_the_package_compiles_anew(tmp_path):
    copy = shutil.copytree(PACKAGE, tmp_path / "fastconv", ignore=shutil.ignore_patterns("mnist", "__pycache__"))
    cache, options = tmp_path / "cache", {"PYTHONPATH": tmp_path, "cwd": tmp_path}
    first, second = (results_and_compilations(cache, "float64", **options) for _ in range(2))
    assert first[1] > 0
    assert second[1] == 0
    with open(copy / "kernels" / "simd" / "vector.py", "a") as file:
        file.write("\n# an edit\n")
    assert results_and_compilations(cache, "float64", **options) == first
    assert len(list(cache.iterdir())) == 2


def test_options_of_numba_that_change_the_code_have_their_own_kernels():
    code = "from fastconv.runtime.jit import cache_stamp; print(cache_stamp())"
    stamps = [run_code(code, **options) for options in ({}, {}, {"NUMBA_BOUNDSCHECK": 1}, {"NUMBA_OPT": 1})]
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 3


def test_two_processes_at_once(tmp_path):
    cache = tmp_path / "cache"
    command = [sys.executable, "-W", "error", "-c", PROGRAM, "float32", "float64"]
    env = environment(FASTCONV_CACHE_DIR=cache)
    processes = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert json.loads(output)[0] == [[0.5, 0.5], [0.5, 0.5]]
    assert results_and_compilations(cache, "float32", "float64") == [[[0.5, 0.5], [0.5, 0.5]], 0]


DAMAGES = {
    "empty": lambda content: b"",
    "less than a checksum": lambda content: content[:31],
    "only a checksum": lambda content: content[:32],
    "truncated": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
    "longer": lambda content: content + b"x",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_compiled_anew(monkeypatch, tmp_path, damage):
    monkeypatch.setattr(_jit, "cache_directory", lambda: tmp_path)

    def compiled_once():
        kernel = _jit.jit(double)
        assert kernel(1.5) == 3.0
        return sum(kernel.stats.cache_misses.values()) == 1

    assert compiled_once()
    assert not compiled_once()
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert compiled_once()
    assert not compiled_once()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def double(x):
    return 2 * x


# Where there can be no cache


def check_warned_once(prelude="", **changes):
    """Run with every warning shown: the results must be right, and there must be one warning; return it."""
    done = run_python("-W", "always", "-c", prelude + PROGRAM, "float64", **changes)
    assert done.returncode == 0, done.stderr
    results, compiled = json.loads(done.stdout)
    assert results == [[0.5, 0.5]]
    assert compiled > 0
    assert done.stderr.count("Warning: ") == 1
    assert "RuntimeWarning: fastconv keeps no compiled kernels on disk, so every process compiles anew: " in done.stderr
    return done.stderr


def test_a_folder_that_cannot_be_made_gives_one_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    errors = check_warned_once(FASTCONV_CACHE_DIR=tmp_path / "file" / "cache")
    assert str(tmp_path / "file") in errors
    assert "Set FASTCONV_CACHE_DIR to a folder of yours that can be written." in errors


def test_a_home_that_cannot_be_written_gives_one_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    check_warned_once(FASTCONV_CACHE_DIR=None, XDG_CACHE_HOME=None, LOCALAPPDATA=None, HOME=tmp_path / "file")


def test_no_home_at_all_gives_one_warning():
    prelude = "import pwd\ndef unknown(uid): raise KeyError(uid)\npwd.getpwuid = unknown\n"
    errors = check_warned_once(prelude, FASTCONV_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME=None)
    assert "the user has no home directory" in errors


@pytest.fixture
def refused(monkeypatch):
    """Check that a cache folder isn't taken, with one warning that has this text."""

    def refused(root, text):
        monkeypatch.setenv("FASTCONV_CACHE_DIR", str(root))
        with pytest.warns(RuntimeWarning, match=f"^fastconv keeps no compiled kernels on disk, .*{text}") as warned:
            assert _jit.cache_directory.__wrapped__() is None
        assert len(warned) == 1

    return refused


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702], ids=oct)
def test_a_folder_that_others_can_write_is_refused(refused, tmp_path, mode):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    refused(tmp_path / "cache", f"{tmp_path / 'cache'} can be written by other users")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_of_another_user_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    refused(tmp_path, f"{tmp_path} belongs to another user")
    assert list(tmp_path.iterdir()) == []


def test_a_version_folder_that_others_can_write_is_refused(refused, tmp_path):
    folder = tmp_path / "cache" / _jit.cache_stamp()
    folder.mkdir(parents=True)
    (tmp_path / "cache").chmod(0o700)
    folder.chmod(0o777)
    refused(tmp_path / "cache", f"{folder} can be written by other users")
    folder.chmod(0o755)
    assert _jit.cache_directory.__wrapped__() == folder


def test_a_kernel_that_cannot_be_kept_works_and_leaves_nothing(tmp_path):
    prelude = "import os\ndef full(*paths): raise OSError('No space left on device')\nos.replace = full\n"
    done = run_python("-W", "always", "-c", prelude + PROGRAM, "float64", FASTCONV_CACHE_DIR=tmp_path / "cache")
    assert json.loads(done.stdout)[0] == [[0.5, 0.5]]
    assert "RuntimeWarning: fastconv could not keep a compiled kernel: No space left on device" in done.stderr
    assert kernel_files(tmp_path / "cache") == []


def test_closures_of_different_values_have_different_names():
    """A name shared by two kernels from the disk cache would let a third one be linked to the wrong one."""
    from fastconv.kernels.contraction.direct import direct_tile
    from fastconv.kernels.contraction.driver import contraction_kernel
    from fastconv.runtime.jit import jit

    def kernel(rows, vectors):
        return contraction_kernel("direct", direct_tile(rows, vectors, 1))

    names = {kernel(rows, vectors).py_func.__qualname__ for rows in (3, 4) for vectors in (1, 2)}
    assert len(names) == 4

    def adder(number, calls):
        @jit
        def add(x):
            return calls(x) + number

        return add

    inner = [kernel(rows, 1) for rows in (3, 4)]
    names = [adder(number, calls).py_func.__qualname__ for number in (1, 2) for calls in inner]
    assert len(set(names)) == 4
    assert adder(1, inner[0]).py_func.__qualname__ == names[0]
