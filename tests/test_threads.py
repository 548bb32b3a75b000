"""Threads: how many, that every unit runs once, that no bit depends on them, and that forks and errors do no harm."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastconv
from fastconv import _threads
from fastconv import functional as fn


@pytest.fixture(autouse=True)
def restore_threads():
    before = _threads._count
    yield
    fastconv.set_num_threads(before or _threads.default_threads())
    _threads._count = before


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("units", [0, 1, 2, 7, 64])
def test_every_unit_runs_once(units, threads):
    fastconv.set_num_threads(threads)
    count = np.zeros(units, int)

    def work(start, stop):
        count[start:stop] += 1

    _threads.split(units, work, 10**9)
    assert (count == 1).all()


def test_small_work_wakes_no_helper():
    fastconv.set_num_threads(4)
    _threads.split(8, lambda start, stop: None, _threads.SERIAL_FLOPS - 1)
    assert _threads._helpers is None


def big_problem():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((6, 20, 20, 16)).astype(np.float32), rng.standard_normal((3, 3, 16, 24)).astype(np.float32)
    return x, w, rng.standard_normal((6, 20, 20, 24)).astype(np.float32)


def compute(x, w, dy):
    first = rng_first_layer()
    return (
        fn.conv2d(x, w, padding=1),
        fn.conv2d_input_grad(dy, w, x.shape, padding=1),
        fn.conv2d_weight_grad(x, dy, w.shape, padding=1),
        fn.conv2d_weight_grad(*first, (3, 3, 1, 16)),
        fn.linear(x.reshape(-1, 400), w.reshape(-1)[: 400 * 8].reshape(400, 8)),
        fn.linear_weight_grad(x.reshape(-1, 400), dy.reshape(96, -1)[:, :50]),
        fn.max_pool2d_grad(fn.max_pool2d(x, 2), x, 2),
        fn.softmax(x.reshape(-1, 16)),
    )


def rng_first_layer():
    """A weight gradient whose images are summed in parts."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((128, 28, 28, 1)).astype(np.float32), rng.standard_normal((128, 26, 26, 16)).astype(np.float32)


def test_the_same_bits_for_any_number_of_threads():
    problem = big_problem()
    results = []
    for threads in (1, 2, 3, 8, 1):
        fastconv.set_num_threads(threads)
        results.append([array.tobytes() for array in compute(*problem)])
    assert all(result == results[0] for result in results[1:])


def test_calls_from_many_threads_at_once():
    problem = big_problem()
    fastconv.set_num_threads(2)
    expected = [array.tobytes() for array in compute(*problem)]
    found = []

    def call():
        for _ in range(3):
            found.append([array.tobytes() for array in compute(*problem)] == expected)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [True] * 12


def test_an_error_in_a_helper_reaches_the_caller_when_all_are_done():
    fastconv.set_num_threads(3)
    done = []

    def work(start, stop):
        if start == 1:
            raise RuntimeError("unit 1")
        done.append(start)

    with pytest.raises(RuntimeError, match="unit 1"):
        _threads.split(3, work, 10**9)
    assert sorted(done) == [0, 2]


@pytest.mark.parametrize(
    ("threads", "kind"), [(0, ValueError), (-1, ValueError), (2000, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_bad_counts_are_refused(threads, kind):
    before = fastconv.get_num_threads()
    with pytest.raises(kind, match="set_num_threads: threads must be"):
        fastconv.set_num_threads(threads)
    assert fastconv.get_num_threads() == before


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def test_the_environment_counts():
    code = "import fastconv; print(fastconv.get_num_threads())"
    assert run(code, FASTCONV_NUM_THREADS="5").stdout == "5\n"
    assert run(code, FASTCONV_NUM_THREADS="").stdout == f"{len(os.sched_getaffinity(0))}\n"
    for wrong in ("0", "many", "-1", "5000"):
        assert "FASTCONV_NUM_THREADS must be an integer from 1 to 1024" in run(code, FASTCONV_NUM_THREADS=wrong).stderr


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")  # Python warns of every fork of a process with threads
import numpy as np, fastconv
from fastconv import functional as fn
fastconv.set_num_threads(2)
x, w = np.ones((8, 32, 32, 16), np.float32), np.ones((3, 3, 16, 32), np.float32)
expected = fn.conv2d(x, w)
child = os.fork()
if not child:
    os._exit(0 if (fn.conv2d(x, w) == expected).all() else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) or not (fn.conv2d(x, w) == expected).all())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes():
    result = run(FORK)
    assert result.returncode == 0, result.stderr
