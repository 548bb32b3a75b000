"""How many CPUs there are for threads: quotas of control groups, read from a made-up file tree, and that no more threads run."""

import os
import threading

import numpy as np
import pytest

import fastconv
from fastconv import nn
from fastconv.runtime import cpus as _cpus
from fastconv.runtime import threads as _threads
from fastconv.runtime.jit import jit
from fastconv.runtime.task import Task
from fastconv.runtime.threads import team_of

from .processes import run_code

MUCH = _threads.SERIAL_FLOPS
V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = """33 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
31 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup none rw,cpuset"""
POD = "/kubepods/burstable/pod1"


def tree(root, groups, mounts, files):
    """Make the files that a process in such control groups sees."""
    files = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def v1(folder, quota, period=100000):
    return {f"sys/fs/cgroup/cpu,cpuacct{folder}/cpu.cfs_{name}_us": str(n) for name, n in (("quota", quota), ("period", period))}


def v2(folder, text):
    return {f"sys/fs/cgroup{folder}/cpu.max": text}


@pytest.mark.parametrize(
    "groups, mounts, files, quota",
    [
        ("0::/", V2, v2("", "150000 100000"), 1.5),  # a container with groups of its own
        ("0::/", V2, v2("", "max 100000"), None),
        ("0::/", V2, {}, None),  # the host's root has no quota
        (f"0::{POD}/c", V2, v2(f"{POD}/c", "max 100000") | v2(POD, "250000 100000"), 2.5),  # a parent's
        (f"0::{POD}/c", V2, v2(f"{POD}/c", "300000 100000") | v2(POD, "50000 25000") | v2("", "900000 100000"), 2),  # the least
        (
            "0::/docker/ab",
            V2.replace(" / /", " /docker/ab /"),
            v2("", "50000 100000"),
            0.5,
        ),  # on the host, of which this is mounted
        ("0::/other", V2.replace(" / /", " /docker/ab /"), v2("", "50000 100000"), 0.5),
        ("0::/../../x", V2, v2("", "200000 100000"), 2),  # outside of what is mounted
        ("0::/a b:c", V2.replace("cgroup rw", r"my\040cgroup rw"), {"sys/fs/my cgroup/a b:c/cpu.max": "100000 100000"}, 1),
        ("0::/", V2, v2("", "0 100000"), None),
        ("0::/", V2, v2("", "100000 0"), None),
        ("0::/", V2, v2("", "many 100000"), None),
        ("0::/", V2, v2("", ""), None),
        ("5:cpuset:/\n4:cpu,cpuacct:/", V1, v1("", 400000), 4),
        ("4:cpu,cpuacct:/", V1, v1("", -1), None),
        (f"4:cpu,cpuacct:{POD}", V1, v1(POD, -1) | v1("/kubepods", 120000, 40000), 3),
        ("4:cpu,cpuacct:/docker/ab", V1.replace("30 / /", "30 /docker/ab /"), v1("", 100000), 1),
        ("4:cpuacct:/\n3:cpuset:/", V1, v1("", 100000), None),  # no group for CPU time
        ("4:cpu,cpuacct:/\n0::/", f"{V1}\n{V2.replace('/sys/fs/cgroup', '/sys/fs/cgroup/unified')}", v1("", 300000), 3),
        (
            "4:cpu,cpuacct:/\n0::/",
            f"{V1}\n{V2.replace('/sys/fs/cgroup', '/unified')}",
            v1("", 300000) | {"unified/cpu.max": "1 2"},
            0.5,
        ),
        ("", "", {}, None),
        ("nonsense\n::\n0::", "nonsense\n- cgroup2\n1 2 3 4 - cgroup2", {}, None),
    ],
)
def test_the_quota_of_control_groups(tmp_path, groups, mounts, files, quota):
    assert _cpus.read_quota(tree(tmp_path, groups, mounts, files)) == quota


def test_where_there_are_no_control_groups_there_is_no_quota(tmp_path):
    assert _cpus.read_quota(tmp_path) is None
    assert _cpus.read_quota(tmp_path / "none") is None


@pytest.mark.parametrize(
    "cpus, quota, threads", [(8, None, 8), (8, 2.5, 3), (8, 0.25, 1), (2, 64.0, 2), (1, 3.0, 1), (5000, None, 1024)]
)
def test_the_default_is_no_more_than_the_quota_is_worth(monkeypatch, cpus, quota, threads):
    monkeypatch.delenv("FASTCONV_NUM_THREADS", raising=False)
    monkeypatch.setattr(_threads, "usable_cpus", lambda: cpus)
    monkeypatch.setattr(_threads, "cpu_quota", lambda: quota)
    assert _threads.default_threads() == threads
    monkeypatch.setenv("FASTCONV_NUM_THREADS", "7")
    assert _threads.default_threads() == 7


@jit
def count(done, start, stop):
    """Count each unit."""
    for unit in range(start, stop):
        done[unit] += 1


def helpers():
    return {thread for thread in threading.enumerate() if thread.name.startswith("fastconv_")}


@pytest.fixture
def cpus(monkeypatch):
    """Return a function that says how many CPUs there are."""
    before = _threads._count

    def say(number):
        monkeypatch.setattr(_threads, "most_at_once", lambda: number)

    yield say
    fastconv.set_num_threads(1)  # ends the helpers
    _threads._count = before


def test_no_more_helpers_run_than_there_are_other_cpus(cpus):
    for number, asked, threads in ((3, 8, 3), (1, 8, None), (2, 1024, 2), (4, 3, 3), (3, 3, 3)):
        cpus(number)
        fastconv.set_num_threads(asked)
        done = np.zeros(100, np.int64)
        _threads.parallel_for(Task(count, (done,), 100, MUCH))
        assert (done == 1).all() and fastconv.get_num_threads() == asked
        assert (_threads._team and _threads._team.threads) == threads


def test_the_team_goes_by_the_cpus_that_there_are_now(cpus):
    fastconv.set_num_threads(8)
    done, teams = np.zeros(100, np.int64), []
    for number in (4, 4, 2, 1, 3):
        cpus(number)
        _threads.parallel_for(Task(count, (done,), 100, MUCH))
        teams.append(_threads._team)
    assert (done == 5).all()
    assert [team.threads for team in teams] == [4, 4, 2, 2, 3] and teams[0] is teams[1]
    assert all(helper._stopped for helper in teams[0].helpers + teams[2].helpers)


def test_a_training_has_no_more_threads_than_cpus_and_the_same_bits(cpus):
    x = np.random.default_rng(0).normal(size=(64, 12, 12, 1)).astype(np.float32)
    hashes, seen = set(), []

    class Look(nn.Callback):
        def on_epoch_end(self, model, epoch, logs):
            seen.append(len(helpers() - before))

    before = helpers()
    for number, asked in ((1, 8), (2, 8), (3, 2), (16, 5)):
        cpus(number)
        with team_of(asked) as team:
            assert team.threads == min(number, asked) and len(team.helpers) == team.threads - 1
        model = nn.Sequential([nn.Conv2D(8, 3), nn.Flatten(), nn.Dense(3)], input_shape=(12, 12, 1))
        model.fit(x, np.arange(64) % 3, batch_size=32, threads=asked, callbacks=[Look()], progress=False)
        hashes.add(model.weights_hash())
    assert seen == [0, 1, 1, 4]
    assert len(hashes) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux keeps a process on some CPUs")
def test_a_process_on_one_cpu_starts_no_helper_whatever_is_asked_for():
    code = """
import os, threading
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import numpy as np, fastconv
from fastconv.functional import conv2d
x, w = np.ones((3, 31, 29, 16), np.float32), np.ones((3, 3, 16, 40), np.float32)
helpers = lambda: sum(thread.name.startswith("fastconv_") for thread in threading.enumerate())
conv2d(x, w)
print(fastconv.get_num_threads(), helpers(), fastconv.info()["threads_used"], fastconv.info()["cpus"])
fastconv.set_num_threads(8)
conv2d(x, w)
print(fastconv.get_num_threads(), helpers(), fastconv.info()["threads_used"])
"""
    assert run_code(code, FASTCONV_NUM_THREADS="16") == "16 0 1 1\n8 0 1\n"
