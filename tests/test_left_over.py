"""What processes that were killed left of the files that they wrote: it is deleted, and never what others are writing."""

import os
import signal
import subprocess
import sys

import pytest

from fastconv import nn
from fastconv.files import replace
from fastconv.files.replace import remove_left_over

from .processes import environment
from .test_files import tiny, train_with, train_with_callback, write

WRITES = """
import sys, time
from pathlib import Path
from fastconv.files.replace import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is writing a file."""
    command = [sys.executable, "-c", WRITES, tmp_path / "model.npz"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_what_a_killed_process_left_is_deleted_and_not_what_another_writes(tmp_path, writer):
    tiny().save(tmp_path / "model.npz")
    train_with_callback(tmp_path / "model.npz")
    (half,) = tmp_path.glob(".model.npz.*")
    assert half.read_bytes() == b"half"
    writer.kill()
    writer.wait()
    assert writer.returncode == -signal.SIGKILL
    assert half.exists()
    paths_of_others = [
        tmp_path / name for name in (".other.npz.0123456789ab", ".model.npz.0123456789a", ".model.npz.0123456789abc")
    ]
    for path in paths_of_others:
        path.write_bytes(b"")
    tiny().save(tmp_path / "model.npz")
    assert sorted(tmp_path.iterdir()) == sorted([*paths_of_others, tmp_path / "model.npz"])


@pytest.mark.parametrize("use", [train_with, train_with_callback])
def test_it_is_deleted_when_a_training_starts(tmp_path, use, monkeypatch):
    (tmp_path / ".run.npz.0123456789ab").write_bytes(b"half")
    (tmp_path / ".run.npz.0123456789cd").mkdir()
    monkeypatch.setattr(nn.training.loop.Training, "_run_epoch", None)
    with pytest.raises(TypeError, match="NoneType"):
        use(tmp_path / "run.npz")
    assert [item.name for item in tmp_path.iterdir()] == [".run.npz.0123456789cd"]


def test_where_files_cannot_be_locked_only_old_ones_are_deleted(tmp_path, monkeypatch):
    def unsupported(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(replace.fcntl, "flock", unsupported)
    path = tmp_path / ".file.0123456789ab"
    path.write_bytes(b"half")
    write(tmp_path / "file")
    remove_left_over(tmp_path)
    assert path.exists()
    os.utime(path, (0, 0))
    remove_left_over(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_new_file_that_somebody_took_for_left_over_is_made_again(tmp_path, monkeypatch):
    lock, taken = replace._lock, []

    def late(file, wait):
        if not taken:
            taken.append(file.name)
            os.unlink(file.name)
        return lock(file, wait)

    monkeypatch.setattr(replace, "_lock", late)
    write(tmp_path / "file")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert len(taken) == 1


def test_nothing_is_left_open(tmp_path):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for _ in range(3):
        write(tmp_path / "file")
        with pytest.raises(KeyError), replace.replacing(tmp_path / "file"):
            raise KeyError
        remove_left_over(tmp_path, "file")
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before
