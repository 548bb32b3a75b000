"""An updated package runs its own kernels: from a zip file, from compiled files only, or from what can't be read at all."""

import compileall
import importlib.metadata
import shutil
import zipfile
from pathlib import Path

import pytest

import fastconv
from fastconv.runtime import jit as _jit
from fastconv.runtime import stamp as _stamp

from .processes import run_code, run_python

PACKAGE = Path(fastconv.__file__).parent
CALLED = """'One kernel.'
from ..runtime.jit import jit


@jit
def called(x):
    return x + 1
"""
CALLER = """'Another one, which calls it.'
from ..runtime.jit import jit
from .called import called


@jit
def caller(x):
    return 2 * called(x)
"""
PROGRAM = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from fastconv.kernels.caller import caller
    result = caller(1.0)
print(result, sum(event.is_start for _, event in recorder.buffer) > 0)
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, without MNIST and with two kernels more."""
    ignored = shutil.ignore_patterns("mnist", "__pycache__")
    copy = Path(shutil.copytree(PACKAGE, tmp_path / "sources" / "fastconv", ignore=ignored))
    (copy / "kernels" / "called.py").write_text(CALLED)
    (copy / "kernels" / "caller.py").write_text(CALLER)
    return copy


def as_zip(copy, place):
    target = place / "app.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in copy.rglob("*.py"):
            archive.write(path, path.relative_to(copy.parent))
    return target


def as_compiled_files(copy, place):
    target = place / "compiled"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(copy, target / "fastconv")
    assert compileall.compile_dir(target, legacy=True, quiet=1, stripdir=target)
    for path in target.rglob("*.py"):
        path.unlink()
    return target


@pytest.mark.parametrize("install", [as_zip, as_compiled_files])
def test_an_update_runs_its_own_kernels(copy, tmp_path, install):
    """Each version from two folders, as paths in compiled code may be relative."""
    (tmp_path / "elsewhere").mkdir()

    def run(folder):
        options = {"PYTHONPATH": install(copy, tmp_path), "FASTCONV_CACHE_DIR": tmp_path / "cache", "cwd": folder}
        return run_code(PROGRAM, **options)

    assert run(tmp_path) == "4.0 True\n"
    assert run(tmp_path / "elsewhere") == "4.0 False\n"
    (copy / "kernels" / "called.py").write_text(CALLED.replace("x + 1", "x + 2"))
    assert run(tmp_path) == "6.0 True\n"


def test_mnist_is_read_from_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.gz")]:
            archive.write(path, path.relative_to(PACKAGE.parent))
    code = "import fastconv; from fastconv.datasets import load_mnist; print('app.zip' in fastconv.__file__, load_mnist()[0].shape)"
    assert run_code(code, PYTHONPATH=tmp_path / "app.zip", cwd=tmp_path) == "True (60000, 28, 28)\n"


def stamp_of(package):
    return list(_stamp.package_code(package))


def test_where_sources_cannot_be_read_what_is_loaded_instead_counts(monkeypatch):
    read, refused = Path.read_bytes, []

    def unreadable(path):
        if path.suffix == ".py":
            refused.append(path)
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(_stamp, "files", lambda package: PACKAGE / "kernels")
    monkeypatch.setattr(_stamp, "HERE", "table")
    monkeypatch.setattr(_stamp.importlib.util, "cache_from_source", lambda path: path + ".compiled")
    sources = stamp_of(PACKAGE)
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    with pytest.raises(OSError, match="^the package's own code can't be read, so that an update could not be told: .*compiled"):
        stamp_of(PACKAGE)
    monkeypatch.setattr(_stamp.importlib.util, "cache_from_source", lambda path: __file__ + "c")
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"compiled" if str(path) == __file__ + "c" else unreadable(path))
    compiled = stamp_of(PACKAGE)
    assert len(refused) > 2
    assert [part.partition(b"\0")[0] for part in compiled] == [part.partition(b"\0")[0] for part in sources]
    assert {part.partition(b"\0")[2] for part in compiled} == {b"compiled\0"}


class Installed:
    """A distribution in a folder, with a list of its files."""

    def __init__(self, folder, record):
        self.folder, self.record = folder, record

    def read_text(self, name):
        assert name == "RECORD"
        return self.record

    def locate_file(self, name):
        return self.folder / name


@pytest.mark.parametrize(
    "folder, record, counts",
    [
        (PACKAGE.parent, "fastconv/runtime/stamp.py,sha256=abc,123\n", True),
        (PACKAGE.parent, "__editable__.fastconv.pth,sha256=abc,123\n", False),
        (PACKAGE.parent, None, False),
        (PACKAGE.parent / "elsewhere", "fastconv/runtime/stamp.py,sha256=abc,123\n", False),
    ],
    ids=["installed", "editable", "without a list", "another copy"],
)
def test_else_the_list_of_the_installed_files_counts_if_it_is_of_this_package(monkeypatch, folder, record, counts):
    monkeypatch.setattr(_stamp, "files", lambda package: PACKAGE / "nowhere")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed(folder, record))
    if counts:
        assert stamp_of(PACKAGE) == [record.encode()]
    else:
        with pytest.raises(OSError, match="^the package's own code can't be read"):
            stamp_of(PACKAGE)


def test_without_any_of_these_there_is_no_cache_and_one_warning(copy, tmp_path):
    prelude = """
import importlib.metadata, importlib.resources
files = importlib.resources.files
def nothing(package):
    if package == "fastconv": raise NotImplementedError("this loader shows no files")
    return files(package)
def unknown(name): raise importlib.metadata.PackageNotFoundError(name)
importlib.resources.files, importlib.metadata.distribution = nothing, unknown
"""
    environment = {"FASTCONV_CACHE_DIR": tmp_path / "cache", "PYTHONPATH": copy.parent}
    done = run_python("-W", "always", "-c", prelude + PROGRAM, cwd=tmp_path, **environment)
    assert done.stdout == "4.0 True\n", done.stderr
    assert done.stderr.count("Warning: ") == 1
    assert (
        "so every process compiles anew: the package's own code can't be read, so that an update could not be told" in done.stderr
    )
    assert not (tmp_path / "cache").exists()


def test_the_stamp_is_of_all_modules_and_nothing_else():
    names = [part.partition(b"\0")[0].decode() for part in stamp_of(PACKAGE)]
    expected = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    assert sorted(names) == expected
    assert "kernels/simd/vector.py" in names
    assert _jit.PACKAGE == PACKAGE


def test_a_warning_names_the_users_line_where_there_are_only_compiled_files(copy, tmp_path):
    (tmp_path / "fastconv_user.py").write_text("from fastconv.messages.warn import warn\nwarn('here')\n")
    environment = {"PYTHONPATH": as_compiled_files(copy, tmp_path), "FASTCONV_CACHE_DIR": tmp_path / "cache"}
    done = run_python("-W", "always", tmp_path / "fastconv_user.py", cwd=tmp_path, **environment)
    assert done.stderr.splitlines()[0] == f"{tmp_path / 'fastconv_user.py'}:2: UserWarning: here"
