"""One line on standard error when kernels keep somebody waiting; none for the patient, for who has said so, and for nobody."""

import io
import os
import threading
import time
from types import SimpleNamespace

import pytest

from fastconv import ConvolutionLayer, nn
from fastconv.commands import train_model as training
from fastconv.messages import waiting as _waiting
from fastconv.messages.waiting import TEXT, said_already, waited_for

from .processes import run_python

LINE = f"{TEXT}\n"


@pytest.fixture
def stream(monkeypatch):
    """Standard error in memory, for a process in which nobody has waited yet, and in which nobody is patient."""
    stream = io.StringIO()
    monkeypatch.setattr(_waiting, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setattr(_waiting, "_wait", _waiting._Wait())
    monkeypatch.setattr(_waiting, "PATIENCE", 0.0)
    return stream


def until(condition, seconds=20):
    """Wait until something is so; it fails the test if it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@waited_for
def slow():
    """Stand for a kernel that takes as long as the line does to appear."""
    until(lambda: _waiting.sys.stderr.getvalue())
    return "ready"


@waited_for
def quick(result="ready"):
    return result


@waited_for
def failing():
    until(lambda: _waiting.sys.stderr.getvalue())
    raise ValueError("no such kernel")


def test_a_wait_has_one_line_however_many_kernels(stream):
    assert [slow(), quick(), slow()] == ["ready"] * 3
    time.sleep(0.05)  # nothing comes late
    assert stream.getvalue() == LINE


def test_the_patient_are_told_nothing(stream, monkeypatch):
    monkeypatch.setattr(_waiting, "PATIENCE", 1000.0)
    before = threading.active_count()
    assert [quick(number) for number in range(5)] == [*range(5)]
    until(lambda: threading.active_count() == before)
    assert stream.getvalue() == ""


def test_kernels_in_a_row_add_up_to_a_wait_and_a_pause_ends_it(stream, monkeypatch):
    now = [0.0]
    asked = []
    monkeypatch.setattr(_waiting, "perf_counter", lambda: now[0])
    monkeypatch.setattr(_waiting, "PATIENCE", 1.0)
    monkeypatch.setattr(_waiting.threading.Timer, "start", lambda timer: asked.append(timer.interval))

    @waited_for
    def kernel(seconds):
        now[0] += seconds

    for seconds, pause in ((0.3, 0), (0.3, _waiting.PAUSE), (0.9, _waiting.PAUSE + 1), (2.0, 0), (0.1, 0)):
        kernel(seconds)
        now[0] += pause
    assert asked == pytest.approx([1.0, 0.7, 0.4, 1.0, 0.0])


def test_kernels_within_kernels_and_other_threads_kernels_are_one_wait(stream):
    @waited_for
    def outer():
        return slow()

    threads = [threading.Thread(target=outer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stream.getvalue() == LINE


def test_a_kernel_that_fails_ends_its_wait(stream, monkeypatch):
    monkeypatch.setattr(_waiting, "PAUSE", -1.0)
    for _ in range(2):
        stream.truncate(0)
        stream.seek(0)
        with pytest.raises(ValueError, match="^no such kernel$"):
            failing()
    assert stream.getvalue() == LINE
    assert _waiting._wait._kernels == 0


def test_an_interrupt_as_a_wait_begins_does_no_harm(stream, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_waiting, "perf_counter", interrupted)
        with pytest.raises(KeyboardInterrupt):
            quick()
    assert slow() == "ready"
    assert stream.getvalue() == LINE


def test_who_has_said_it_already_keeps_it_quiet(stream):
    with said_already():
        quick()
    quick()  # the same wait
    time.sleep(0.05)
    assert stream.getvalue() == ""


class Broken(io.StringIO):
    def write(self, text):
        raise OSError("no space left on device")


@pytest.mark.parametrize("stderr", [None, io.StringIO(), Broken()])
def test_a_stream_that_takes_nothing_fails_no_kernel(stream, monkeypatch, stderr):
    if isinstance(stderr, io.StringIO) and not isinstance(stderr, Broken):
        stderr.close()
    monkeypatch.setattr(_waiting, "sys", SimpleNamespace(stderr=stderr))

    @waited_for
    def kernel():
        until(lambda: _waiting._wait._said)
        return "ready"

    assert kernel() == "ready"


def test_without_a_thread_for_it_there_is_no_line(stream, monkeypatch):
    def start(timer):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(_waiting.threading.Timer, "start", start)
    assert quick() == "ready"
    assert stream.getvalue() == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where there is fork")
def test_a_forked_child_waits_for_itself():
    code = """
import os, threading, time
from fastconv.messages import waiting as _waiting
_waiting.PATIENCE = 0.0
inside, done = threading.Event(), threading.Event()

@_waiting.waited_for
def kernel():
    inside.set()
    while not _waiting._wait._said:
        time.sleep(0.001)
    done.wait()

with _waiting._wait._lock:  # as if another thread were at it
    threading.Thread(target=kernel, daemon=True).start()
    child = os.fork()
    if child == 0:
        done.set()
        kernel()
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run_python("-W", "ignore::DeprecationWarning", "-c", code)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
    lines = done.stderr.replace("\n", "")  # the child's, and perhaps the thread's, if it came so far; the ends of lines may meet
    assert lines in (LINE.rstrip("\n"), 2 * LINE.rstrip("\n"))


def test_a_process_ends_while_a_thread_waits():
    code = """
import threading, time
from fastconv.messages import waiting as _waiting
_waiting.PATIENCE = 0.2
inside = threading.Event()

@_waiting.waited_for
def kernel():
    inside.set()
    time.sleep(1000)

threading.Thread(target=kernel, daemon=True).start()
inside.wait()
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr in ("", LINE)


# What waits


@pytest.mark.slow
def test_layers_functions_and_fit_tell_of_it(tmp_path):
    code = """
import sys, time
import numpy as np
from fastconv import ConvolutionLayer, conv_1d, functional, nn
from fastconv.messages import waiting as _waiting
_waiting.PATIENCE, _waiting.PAUSE = 0.0, -1.0

def fit():
    model = nn.Sequential([nn.Dense(2)], input_shape=(3,))
    model.fit(np.zeros((4, 3)), [0, 1, 0, 1], progress=False)

for work in (
    lambda: ConvolutionLayer(1, 3).forward_prop(np.zeros((5, 5))), lambda: conv_1d([1, 2], [1]),
    lambda: functional.max_pool2d(np.zeros((1, 4, 4, 1)), 2), fit,
):
    work()
    time.sleep(0.05)
    print("|", end="", file=sys.stderr)
"""
    done = run_python("-c", code, FASTCONV_CACHE_DIR=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    parts = done.stderr.split("|")
    assert len(parts) == 5 and parts.pop() == ""
    assert all(part and not part.replace(LINE, "") for part in parts), done.stderr


def test_training_by_name_says_it_in_its_own_words(stream):
    training.train("mnist", model="seed", limit=20, say=lambda text: None)
    time.sleep(0.05)
    assert TEXT not in stream.getvalue()


def test_importing_and_making_layers_wait_for_nothing(stream):
    ConvolutionLayer(2, 3)
    nn.Sequential([nn.Dense(2)], input_shape=(3,))
    assert _waiting._wait._ended == float("-inf")
