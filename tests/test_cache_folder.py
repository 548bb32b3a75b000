"""The cache's folder may be cleared, be in others' way, or lose its files to other processes at any moment."""

import json
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from fastconv.runtime import jit as _jit

from .processes import environment, run_code
from .test_cache import double, kernel_files

STAMPS = ["0123456789abcdef0123", "fedcba98765432109876"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A cache of two versions with two files each, and a file that isn't the cache's."""
    root = tmp_path / "cache"
    for name in STAMPS:
        (root / name).mkdir(parents=True)
        for number in range(2):
            (root / name / f"kernel.{number}").write_bytes(b"x" * 1000)
    (root / "datasets").write_bytes(b"keep")
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(root))
    return root


def left(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


# cache --clear


def test_clear_deletes_what_is_the_caches(root, run):
    assert run("cache").out == f"{root}: 4 files, 0.0 MB\n"
    assert run("cache", "--clear").out == f"4 files deleted in {root}\n"
    assert os.listdir(root) == ["datasets"]
    assert run("cache", "--clear").out == f"0 files deleted in {root}\n"


def test_a_folder_in_a_files_place(root, run):
    (root / STAMPS[0] / "kernel.3" / "deep").mkdir(parents=True)
    (root / STAMPS[0] / "kernel.3" / "deep" / "file").write_bytes(b"")
    assert run("cache", "--clear").out == f"5 files deleted in {root}\n"
    assert os.listdir(root) == ["datasets"]


def test_a_file_in_a_folders_place(root, run):
    (root / ("a" * 20)).write_bytes(b"")
    assert run("cache", "--clear").out == f"5 files deleted in {root}\n"
    assert os.listdir(root) == ["datasets"]


def test_a_link_is_deleted_and_not_what_it_leads_to(root, run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"mine")
    (root / ("a" * 20)).symlink_to(tmp_path / "mine")
    (root / STAMPS[0] / "link").symlink_to(tmp_path / "mine")
    assert run("cache", "--clear").out == f"6 files deleted in {root}\n"
    assert os.listdir(root) == ["datasets"]
    assert (tmp_path / "mine" / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("command", [["cache"], ["cache", "--clear"]], ids=" ".join)
def test_a_cache_that_is_not_there_or_no_folder(monkeypatch, tmp_path, run, command):
    for name in ("nowhere", "file", "file/cache"):
        (tmp_path / "file").write_bytes(b"mine")
        monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / name))
        assert "0 files" in run(*command).out
        assert (tmp_path / "file").read_bytes() == b"mine"


def test_files_that_cannot_be_deleted_are_counted_and_the_others_are_deleted(root, run, monkeypatch):
    unlink = Path.unlink

    def refused(path, **options):
        if path.name == "kernel.0":
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refused)
    errors = run("cache", "--clear", status=1).err
    assert errors.startswith(f"fastconv: cache: 2 files deleted in {root}, but 2 can't be, one of them: [Errno 1] Operation not")
    assert left(root) == sorted(["datasets", *(f"{name}/kernel.0" for name in STAMPS)])


def test_a_folder_that_cannot_be_read_is_told(root, run, monkeypatch):
    listed = os.listdir

    def refused(path):
        if Path(path).name == STAMPS[0]:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(_jit.os, "listdir", refused)
    assert "cache: 2 files deleted in " in run("cache", "--clear", status=1).err


def test_other_processes_may_be_faster(root, run, monkeypatch):
    """Each file, and each folder, is gone a moment before it is deleted; and a new file comes a moment before its folder is."""
    unlink, rmdir = Path.unlink, Path.rmdir

    def late(path, **options):
        unlink(path)
        unlink(path, **options)

    def later(path):
        rmdir(path)
        rmdir(path)

    def refilled(path):
        (path / "new").write_bytes(b"")
        rmdir(path)

    for change in (later, refilled):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", late)
            patch.setattr(Path, "rmdir", change)
            assert run("cache", "--clear").out == f"0 files deleted in {root}\n"
        for name in STAMPS:
            (root / name).mkdir(exist_ok=True)
            (root / name / "kernel.0").write_bytes(b"")


CLEAR = "import sys; from fastconv.cli import main; sys.stdin.read(1); sys.exit(main(['cache', '--clear']))"


def test_several_processes_clear_at_once(root):
    for name in STAMPS:
        for number in range(300):
            (root / name / f"kernel.{number}").write_bytes(b"")
    processes = [
        subprocess.Popen([sys.executable, "-c", CLEAR], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("x")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(int(output.split()[0]) for output in outputs) == 600
    assert os.listdir(root) == ["datasets"]


# A cache that is cleared while it is in use

USE = """
import json, os, shutil, sys, warnings
from fastconv.runtime.jit import cache_directory, jit

def compiled(function):
    kernel = jit(function)
    assert kernel(2.0) == function(2.0)
    return sum(kernel.stats.cache_misses.values())

def one(x): return x + 1
def two(x): return x + 2
def three(x): return x + 3

root = cache_directory().parent
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    first = compiled(one)
    shutil.rmtree(root)
    if sys.argv[1:]:
        root.write_bytes(b"in the way")
    counts = [first, compiled(two), compiled(two), compiled(three), compiled(one), compiled(one)]
print(json.dumps([counts, [str(warning.message) for warning in caught]]))
"""


def test_a_folder_that_was_removed_is_made_anew(tmp_path):
    cache = tmp_path / "deep" / "cache"
    counts, warned = json.loads(run_code(USE, FASTCONV_CACHE_DIR=cache))
    assert counts == [1, 1, 0, 1, 1, 0]
    assert warned == []
    (folder,) = cache.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (cache, folder, *folder.iterdir())] == [0o700, 0o700, *[0o600] * 3]


def test_if_it_cannot_be_there_is_one_warning(tmp_path):
    cache = tmp_path / "cache"
    counts, (warned,) = json.loads(run_code(USE, "in the way", FASTCONV_CACHE_DIR=cache))
    assert counts == [1] * 6
    assert warned.startswith("fastconv could not keep a compiled kernel: ")
    assert str(cache) in warned
    assert cache.read_bytes() == b"in the way"


def test_the_cache_stays_where_it_was_when_the_process_goes_elsewhere(tmp_path):
    code = """
import os
from fastconv.runtime.jit import cache_directory, jit
kernel = jit(lambda x: x)
os.mkdir("elsewhere"); os.chdir("elsewhere")
kernel(1.0)
print(cache_directory())
"""
    directory = Path(run_code(code, FASTCONV_CACHE_DIR="mine", cwd=tmp_path).strip())
    assert directory.parent == tmp_path / "mine"
    assert len(kernel_files(tmp_path / "mine")) == 1
    assert not any((tmp_path / "elsewhere").iterdir())


# Files in others' places


def triple(x):
    return 3 * x


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Return how often a function is compiled by a new kernel, whose result must be right."""

    def compiled(function, folder="one"):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.setattr(_jit, "cache_directory", lambda: tmp_path / folder)
        kernel = _jit.jit(function)
        assert [kernel(1.5), kernel(2)] == [function(1.5), function(2)]
        return sum(kernel.stats.cache_misses.values())

    return compiled


def test_a_valid_file_in_another_kernels_place_is_compiled_anew(compiled, tmp_path):
    """Another function's, another signature's (each has two) or another version's (another folder's)."""
    assert [compiled(double), compiled(double), compiled(triple), compiled(triple, "two")] == [2, 0, 2, 2]
    files = sorted((tmp_path / "one").iterdir())
    contents = [path.read_bytes() for path in files]
    assert len({*contents}) == 4
    for shift in (1, 2, 3):
        for path, content in zip(files, contents[shift:] + contents[:shift]):
            path.write_bytes(content)
        assert [compiled(double), compiled(triple), compiled(double), compiled(triple)] == [2, 2, 0, 0]
    for path, other in zip(sorted((tmp_path / "one").glob("*.triple.*")), sorted((tmp_path / "two").iterdir())):
        path.write_bytes(other.read_bytes())
    assert [compiled(triple), compiled(triple), compiled(double)] == [2, 0, 0]


def test_what_a_killed_process_left_is_deleted_at_the_next_start(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_jit, "cache_stamp", lambda: STAMPS[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = _jit.cache_directory.__wrapped__()
        for name in (".softmax.softmax.0123456789abcdef01234567.0123456789ab", "softmax.softmax.0123456789abcdef01234567"):
            (folder / name).write_bytes(b"")
        assert _jit.cache_directory.__wrapped__() == folder
    assert os.listdir(folder) == ["softmax.softmax.0123456789abcdef01234567"]
