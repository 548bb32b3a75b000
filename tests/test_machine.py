"""What is read of the machine: caches, from the files of Linux and the numbers of macOS, and what holds where there are none."""

import os
import sys

import pytest

from fastconv.runtime import machine
from fastconv.runtime.machine import CACHES, LEAST_CACHES, Caches, read_caches

KIB, MIB = 2**10, 2**20
linux = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux has such files")


def write_caches(root, cpu, *rows):
    """Write what Linux tells of a CPU's caches: (level, type, size, CPUs that share it) each."""
    for index, row in enumerate(rows):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
        folder.mkdir(parents=True)
        for name, text in zip(("level", "type", "size", "shared_cpu_list"), row, strict=True):
            (folder / name).write_text(f"{text}\n")


USUAL = (
    (1, "Data", "48K", "0,64"),
    (1, "Instruction", "32K", "0,64"),
    (2, "Unified", "2048K", "0,64"),
    (3, "Unified", "33M", "0-31,64-95"),
)


@linux
def test_what_cpus_share_is_shared_out_but_for_the_third_level(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    write_caches(tmp_path, 0, *USUAL)
    assert read_caches(tmp_path) == Caches(24 * KIB, MIB, 33 * MIB)


@linux
def test_of_two_kinds_of_cpus_the_smaller_caches_count(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 3, 9})
    write_caches(tmp_path, 2, (1, "Data", "48K", "2"), (2, "Unified", "1280K", "2"))
    write_caches(tmp_path, 9, (1, "Data", "32K", "9"), (2, "Unified", "2M", "8-11"))
    assert read_caches(tmp_path) == Caches(32 * KIB, 512 * KIB, LEAST_CACHES.third)


@linux
@pytest.mark.parametrize(
    "row",
    [(1, "Data", "", "0"), (1, "Data", "0K", "0"), (1, "Data", "many", "0"), (9, "Data", "1K", "0"), (1, "Data", "32K", "")],
    ids=str,
)
def test_nonsense_is_passed_over(tmp_path, monkeypatch, row):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert read_caches(tmp_path) == LEAST_CACHES
    write_caches(tmp_path, 0, row, (2, "Unified", "1M", "0"))
    assert read_caches(tmp_path) == Caches(LEAST_CACHES.first, MIB, LEAST_CACHES.third)


def test_macos_tells_by_name(monkeypatch):
    numbers = {"hw.perflevel0.l1dcachesize": 131072, "hw.perflevel0.l2cachesize": 16777216, "hw.perflevel0.cpusperl2": 4}
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_sysctl", lambda name: numbers.get(name, 0))
    assert read_caches() == Caches(128 * KIB, 4 * MIB, LEAST_CACHES.third)
    numbers.clear()
    assert read_caches() == LEAST_CACHES


def test_a_system_that_tells_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert read_caches() == LEAST_CACHES


@pytest.mark.skipif(sys.platform == "darwin", reason="there the names are known")
def test_without_sysctl_there_are_no_numbers():
    assert machine._sysctl("hw.l2cachesize") == 0


def test_this_machine():
    assert all(size >= 4 * KIB for size in CACHES)
