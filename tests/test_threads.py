"""Threads: the setting, how work is shared, and that no number of them, nor of callers, nor a fork, changes a bit."""

import os
import platform
import signal
import threading
import time

import numpy as np
import pytest

import fastconv
from fastconv import functional as fn
from fastconv.runtime import threads as _threads
from fastconv.runtime.atomic import add, load
from fastconv.runtime.jit import jit
from fastconv.runtime.program import Program
from fastconv.runtime.task import SLICES_PER_THREAD, FusedTasks, Task
from fastconv.runtime.team import Team

from .processes import run_code

MUCH = _threads.SERIAL_FLOPS


@pytest.fixture(autouse=True)
def same_threads_after():
    count = _threads._count
    yield
    fastconv.set_num_threads(count or 1)
    _threads._count = count


# The setting


@pytest.mark.parametrize("threads", [1, 2, np.int64(3), 1024])
def test_the_setting_is_kept(threads):
    fastconv.set_num_threads(threads)
    assert fastconv.get_num_threads() == threads


@pytest.mark.parametrize(
    "threads, error, text",
    [
        (0, ValueError, "threads must be at least 1, but is 0"),
        (-2, ValueError, "threads must be at least 1, but is -2"),
        (1025, ValueError, "threads must be at most 1024, but is 1025"),
        (2.0, TypeError, "threads must be an integer, but is 2.0"),
        (True, TypeError, "threads must be an integer, but is True"),
        ("2", TypeError, "threads must be an integer, but is '2'"),
        (None, TypeError, "threads must be an integer, but is None"),
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(threads, error, text):
    fastconv.set_num_threads(3)
    with pytest.raises(error, match=f"^set_num_threads: {text}$"):
        fastconv.set_num_threads(threads)
    assert fastconv.get_num_threads() == 3


@pytest.mark.parametrize("value, expected", [("1", 1), (" 7 ", 7), ("1024", 1024)])
def test_the_environment_sets_the_default(monkeypatch, value, expected):
    monkeypatch.setenv("FASTCONV_NUM_THREADS", value)
    assert _threads.default_threads() == expected


@pytest.mark.parametrize("value", ["0", "-1", "1025", "2.5", "two", "1e2", "²"])
def test_a_wrong_environment_is_refused(monkeypatch, value):
    monkeypatch.setenv("FASTCONV_NUM_THREADS", value)
    with pytest.raises(ValueError, match=f"^FASTCONV_NUM_THREADS must be an integer from 1 to 1024, but is '{value}'$"):
        _threads.default_threads()


def test_the_default_is_what_the_environment_says_else_the_cpus_of_this_process():
    code = """
import os, fastconv
first = fastconv.get_num_threads()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
print(first, fastconv.get_num_threads())
"""
    several, one = map(int, run_code(code, FASTCONV_NUM_THREADS=None).split())
    assert several == _threads.default_threads() or "FASTCONV_NUM_THREADS" in os.environ
    assert one == 1 or not hasattr(os, "sched_setaffinity")
    assert run_code(code, FASTCONV_NUM_THREADS="5") == "5 5\n"


# Splitting


@jit
def mark(done, starts, start, stop):
    """Count each unit, and write where its piece started."""
    for unit in range(start, stop):
        done[unit] += 1
        starts[unit] = start


@jit
def meet(box, others, start, stop):
    """Wait for so many others to be in here too; where they don't come, count that in box[1]."""
    add(box, 0, 1)
    patience = 2_000_000_000
    while load(box, 0) <= others and patience:
        patience -= 1
    if patience == 0:
        add(box, 1, 1)


@jit
def wait_for_leave(box, start, stop):
    """Say in box[0] that it has begun, then wait until box[1] is set."""
    add(box, 0, 1)
    while load(box, 1) == 0:
        pass
    add(box, 2, 1)


@jit
def refuse(bad, start, stop):
    """Fail for a unit; numba's exceptions end the kernel."""
    if start <= bad < stop:
        raise ValueError


@jit
def add_neighbours(x, y, room, start, stop):
    """y[i] = x[i - 1] + x[i] + x[i + 1], around the ends, by way of the thread's own room."""
    for i in range(start, stop):
        room[0] = x[i - 1] + x[i]
        room[0] += x[(i + 1) % len(x)]
        y[i] = room[0]


def numbers(count):
    return np.zeros(count, np.int64)


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 8])
def test_every_unit_is_done_once(threads):
    fastconv.set_num_threads(threads)
    for units in (0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 100, 1001):
        for flops in (MUCH - 1, MUCH):
            done, starts = numbers(units), numbers(units)
            _threads.parallel_for(Task(mark, (done, starts), units, flops))
            assert (done == 1).all()
            slices = np.bincount(starts)[np.unique(starts)] if units else numbers(0)
            assert len(slices) == min(1 if flops < MUCH or threads == 1 else SLICES_PER_THREAD * threads, units)
            assert slices.max(initial=0) - slices.min(initial=units) <= 1


def test_a_task_may_be_one_slice_a_thread():
    fastconv.set_num_threads(3)
    done, starts = numbers(100), numbers(100)
    _threads.parallel_for(Task(mark, (done, starts), 100, MUCH, slices_per_thread=1))
    assert (done == 1).all()
    assert np.unique(starts).tolist() == [0, 33, 66]


def test_small_work_stays_in_the_callers_thread():
    fastconv.set_num_threads(4)
    threads = []
    note = lambda start, stop: threads.append(threading.get_ident())  # noqa: E731
    _threads.parallel_for(Task(note, (), 8, MUCH - 1))
    assert threads == [threading.get_ident()]


def test_much_work_is_done_at_the_same_time():
    fastconv.set_num_threads(3)
    box = numbers(2)
    _threads.parallel_for(Task(meet, (box, 2), 3, MUCH))
    assert box.tolist() == [3, 0]


def test_arguments_may_be_tuples_and_fused_tasks_take_blocks_in_turn():
    @jit
    def note(log, place, sizes, start, stop):
        for unit in range(start, stop):
            log[add(log, 0, 1)] = sizes[0][place] * 100 + sizes[1] + unit

    def fused(log):
        tasks = [Task(note, (log, place, ((1, 2), 10)), 6) for place in (0, 1)]
        return FusedTasks(tasks, units=6, flops=MUCH, block=2)

    for run in (lambda task: task(0, 6), _threads.parallel_for):
        log = numbers(13)
        log[0] = 1
        fastconv.set_num_threads(1)
        run(fused(log))
        assert log[1:].tolist() == [110, 111, 210, 211, 112, 113, 212, 213, 114, 115, 214, 215]
    fastconv.set_num_threads(2)
    log = numbers(13)
    log[0] = 1
    _threads.parallel_for(fused(log))
    assert sorted(log[1:]) == [*range(110, 116), *range(210, 216)]
    order = log.tolist()
    assert all(order.index(110 + unit) < order.index(210 + unit) for unit in range(6))


@pytest.mark.parametrize(
    "argument, text", [(1.5, "1.5"), (np.zeros((2, 2)), "array"), (True, "True"), (np.zeros(4)[::2], "array"), ("x", "'x'")]
)
def test_only_arguments_made_of_words_are_taken(argument, text):
    fastconv.set_num_threads(2)
    with pytest.raises(TypeError, match=f"must be flat arrays, integers and tuples of them, but one is {text}"):
        _threads.parallel_for(Task(mark, (argument,), 2, MUCH))


def test_too_many_arguments_are_refused():
    fastconv.set_num_threads(2)
    with pytest.raises(ValueError, match="mark: arguments must take at most 128 words, but take 135"):
        _threads.parallel_for(Task(mark, [numbers(1)] * 19, 2, MUCH))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_programs_tasks_wait_for_one_another_in_every_round(threads):
    x, y = np.arange(37) % 5, numbers(37)
    expected, rounds = x.copy(), 300
    for _ in range(2 * rounds):
        expected = np.roll(expected, 1) + expected + np.roll(expected, -1)  # wraps around, as in the kernel
    room = lambda: numbers(1)  # noqa: E731
    tasks = [Task(add_neighbours, (*xy, room), 37, MUCH, slices_per_thread=n) for xy, n in (((x, y), 2), ((y, x), 37))]
    team = Team(threads - 1)
    try:
        program = Program(tasks, threads)
        assert program.tickets == (2 if threads == 1 else min(37, 2 * threads) + 37)
        assert team.run(program, rounds)
    finally:
        team.stop()
    assert np.array_equal(x, expected)


@jit
def multiply(x, y, start, stop):
    """y = x * x."""
    for i in range(start, stop):
        y[i] = x[i] * x[i]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="other CPUs' mode isn't known")
@pytest.mark.parametrize("dtype, small", [("float32", 1e-20), ("float64", 1e-160)])
def test_a_program_may_take_denormal_numbers_for_zeros_and_nobody_else_does(dtype, small):
    x, y = np.full(64, small, dtype), np.zeros(64, dtype)
    team = Team(1)
    try:
        program = Program([Task(multiply, (x, y), 64, MUCH, slices_per_thread=32)], 2)
        team.run(program, flush=True)
        assert (y == 0).all()
        assert (x * x > 0).all()
        team.run(program)
        assert (y > 0).all()
    finally:
        team.stop()


@pytest.mark.parametrize("bad", [0, 1, 3])
def test_a_kernel_that_fails_is_an_error_after_all_are_done(bad):
    fastconv.set_num_threads(2)
    with pytest.raises(RuntimeError, match="^1 of a program's 4 slices of work failed$"):
        _threads.parallel_for(Task(refuse, (bad,), 4, MUCH))
    done, starts = numbers(4), numbers(4)
    _threads.parallel_for(Task(mark, (done, starts), 4, MUCH))  # the helpers still work
    assert done.tolist() == [1, 1, 1, 1]


def test_a_second_caller_works_alone_while_the_helpers_are_busy():
    fastconv.set_num_threads(2)
    box, done, starts = numbers(3), numbers(4), numbers(4)
    first = threading.Thread(target=_threads.parallel_for, args=(Task(wait_for_leave, (box,), 2, MUCH),))
    first.start()
    while box[0] == 0:
        time.sleep(0.001)
    _threads.parallel_for(Task(mark, (done, starts), 4, MUCH))
    assert done.tolist() == [1, 1, 1, 1]
    assert starts.tolist() == [0, 0, 0, 0]
    box[1] = 1
    first.join()
    assert box.tolist() == [2, 1, 2]


@pytest.fixture
def interruptible():
    """Let SIGINT raise KeyboardInterrupt where these tests run in the background, too, and have inherited it as ignored."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are sent to a process otherwise")
def test_an_interrupt_comes_out_after_the_helpers_are_done(interruptible):
    fastconv.set_num_threads(2)
    box = numbers(3)

    def interrupt():
        while box[0] < 2:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.1)
        box[1] = 1

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        _threads.parallel_for(Task(wait_for_leave, (box,), 2, MUCH))
    assert box.tolist() == [2, 1, 2]
    interrupter.join()


def test_work_is_done_whether_or_not_a_helper_comes():
    fastconv.set_num_threads(3)
    done, starts = numbers(9), numbers(9)
    _threads.parallel_for(Task(mark, (done, starts), 9, MUCH))
    for helper in _threads._team.helpers:
        helper.stop()
        helper.thread.join()
    _threads.parallel_for(Task(mark, (done, starts), 9, MUCH))
    assert done.tolist() == [2] * 9


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux tells where a thread runs")
def test_helpers_keep_off_the_callers_cpu_and_the_callers_own_cpus_stay():
    allowed = os.sched_getaffinity(0)
    fastconv.set_num_threads(2)
    _threads.parallel_for(Task(mark, (numbers(2), numbers(2)), 2, MUCH))
    team = _threads._team
    assert os.sched_getaffinity(0) == allowed
    assert os.sched_getaffinity(team.helpers[0].thread.native_id) == (allowed - {team._caller_cpu} or allowed)


def test_helpers_sleep_when_nothing_comes_and_wake_again():
    fastconv.set_num_threads(2)
    for _ in range(3):
        box = numbers(2)
        _threads.parallel_for(Task(meet, (box, 1), 2, MUCH))
        assert box.tolist() == [2, 0]
        patience = 2000
        while not _threads._team.helpers[0].asleep and patience:
            time.sleep(0.01)
            patience -= 1
        assert patience


# Results


def normal(shape, dtype, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def convolution(dtype):
    """All three parts of a convolution, each with some 30 million operations and a size that no number of threads divides."""
    x, w = normal((3, 31, 29, 16), dtype, 1), normal((3, 3, 16, 40), dtype, 2)
    y = fn.conv2d(x, w, padding="same")
    dx = fn.conv2d_input_grad(y, w, x.shape, padding="same")
    return y, dx, fn.conv2d_weight_grad(x, y, w.shape, padding="same")


def grouped(dtype):
    x, w = normal((3, 31, 29, 16), dtype, 1), normal((3, 3, 8, 32), dtype, 2)
    y = fn.conv2d(x, w, groups=2)
    return y, fn.conv2d_input_grad(y, w, x.shape, groups=2), fn.conv2d_weight_grad(x, y, w.shape, groups=2)


def depthwise(dtype):
    x, w = normal((3, 61, 59, 33), dtype, 1), normal((3, 3, 1, 33), dtype, 2)
    y = fn.conv2d(x, w, padding=1, groups=33)
    dx = fn.conv2d_input_grad(y, w, x.shape, padding=1, groups=33)
    return y, dx, fn.conv2d_weight_grad(x, y, w.shape, padding=1, groups=33)


def plane(dtype):
    x, w = normal((1, 611, 601, 1), dtype, 1), normal((3, 3, 1, 1), dtype, 2)
    y = fn.conv2d(x, w, padding="same")
    dx = fn.conv2d_input_grad(y, w, x.shape, padding="same")
    colours, filters = normal((1, 211, 201, 3), dtype, 1), normal((5, 5, 1, 3), dtype, 2)
    volume, cube = normal((2, 31, 61, 61, 1), dtype, 1), normal((3, 3, 3, 1, 1), dtype, 2)
    dw = fn.conv2d_weight_grad(x, y, w.shape, padding="same")
    return y, dx, dw, fn.conv2d(colours, filters, groups=3, padding="same"), fn.conv3d(volume, cube, padding="same")


def small_groups(dtype):
    x, w = normal((3, 61, 59, 18), dtype, 1), normal((3, 3, 2, 18), dtype, 2)
    y = fn.conv2d(x, w, groups=9)
    return y, fn.conv2d_input_grad(y, w, x.shape, groups=9), fn.conv2d_weight_grad(x, y, w.shape, groups=9)


def dense(dtype):
    x, w = normal((2001, 301), dtype, 1), normal((301, 67), dtype, 2)
    y = fn.linear(x, w)
    return y, fn.linear_input_grad(y, w), fn.linear_weight_grad(x, y), fn.softmax(normal((30_011, 10), dtype, 3))


def pooling(dtype):
    x = normal((9, 131, 129, 32), dtype, 1)
    y = fn.max_pool2d(x, 2)
    return y, fn.max_pool2d_grad(y, x, 2), fn.avg_pool2d(x, 2)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("compute", [convolution, grouped, depthwise, small_groups, plane, dense, pooling])
def test_no_number_of_threads_changes_a_bit(monkeypatch, compute, dtype):
    fastconv.set_num_threads(1)
    expected = [array.tobytes() for array in compute(dtype)]
    run_task, shared = Team.run_task, []

    def watched(team, task):
        shared.append(task.units > 1)
        return run_task(team, task)

    monkeypatch.setattr(Team, "run_task", watched)
    for threads in (2, 3, 8):
        shared.clear()
        fastconv.set_num_threads(threads)
        assert [array.tobytes() for array in compute(dtype)] == expected
        assert sum(shared) >= len(expected)  # every one used helpers; a grouped convolution's groups come one after the other


def test_several_callers_at_once_get_their_own_results():
    fastconv.set_num_threads(2)
    w = normal((3, 3, 16, 40), "float32", 0)
    inputs = [normal((2, 31, 29, 16), "float32", seed) for seed in range(4)]
    expected = [fn.conv2d(x, w) for x in inputs]
    right = []

    def call(number):
        for _ in range(15):
            right.append(np.array_equal(fn.conv2d(inputs[number], w), expected[number]))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    for threads in (3, 1, 2, 8, 2):  # the setting may change meanwhile
        time.sleep(0.01)
        fastconv.set_num_threads(threads)
    for caller in callers:
        caller.join(timeout=60)
    assert right == [True] * 60


# Processes

PROGRAM = """
import atexit, os, signal, threading, time
import numpy as np
import fastconv
from fastconv.runtime import threads as _threads
from fastconv.functional import conv2d
_threads.most_at_once = lambda: 2  # also where there is one CPU
fastconv.set_num_threads(2)
x, w = np.random.default_rng(1).normal(size=(3, 31, 29, 16)), np.random.default_rng(2).normal(size=(3, 3, 16, 40))
expected = conv2d(x, w)
assert _threads._team is not None
def right():
    return np.array_equal(conv2d(x, w), expected)
"""


def test_a_forked_child_computes_after_its_parent_used_threads():
    code = """
def child():
    signal.alarm(60)  # a deadlock ends here
    os._exit(7 if right() and _threads._team is not None else 1)

if hasattr(os, "fork"):
    busy = threading.Thread(target=lambda: [right() for _ in range(300)])
    busy.start()  # so that some forks happen while the lock is held and helpers are at work
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            child()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    busy.join()
    assert right()
print("done")
"""
    assert run_code(PROGRAM + code, PYTHONWARNINGS="ignore::DeprecationWarning") == "done\n"


def test_a_thread_may_go_on_after_the_main_thread_has_ended():
    code = """
def late():
    threading.main_thread().join()
    time.sleep(0.1)
    print("late", right())

threading.Thread(target=late).start()
"""
    assert run_code(PROGRAM + code) == "late True\n"


def test_an_exit_handler_may_compute():
    assert run_code(PROGRAM + "atexit.register(lambda: print('exit', right()))") == "exit True\n"
