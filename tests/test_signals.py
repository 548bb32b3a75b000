"""SIGTERM and SIGHUP end a training as Ctrl-C does, with the network saved, in a process of its own; a program's handlers stay."""

import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from fastconv import cli, nn
from fastconv.cli import main
from fastconv.commands.signals import Answers
from fastconv.nn import load, models

from .processes import environment
from .test_interrupt import AS_FROM_A_TERMINAL, train_command, training, wait_for

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals")

TERMINAL = AS_FROM_A_TERMINAL.replace(
    "import runpy, signal",
    "import runpy, signal\nfor number in (signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_DFL)",
)
SLOW_SAVE = """
import sys, time
from fastconv.nn import model
save = model.save
def slowly(*arguments):
    print("Saving", file=sys.stderr, flush=True)
    time.sleep(1)
    save(*arguments)
model.save = slowly
"""
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def end(process, status):
    """Check how a process that a signal has reached ends, and return the rest of its standard error."""
    output, errors = process.communicate(timeout=30)
    assert process.returncode == status, errors
    assert output == ""
    assert "Traceback" not in errors and "ignored" not in errors
    word = {130: "interrupted", 143: "terminated", 129: "hung up"}[status]
    assert errors.endswith(f"\nfastconv: {word}\n")
    return errors


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 32])
def test_what_is_trained_is_saved(tmp_path, number, status, batch):
    path, state = tmp_path / "network.npz", tmp_path / "state.npz"
    options = ["--batch-size", batch, "--seed", 6, "--save", path, "--checkpoint", state]
    with training(*options, epochs=100_000, code=TERMINAL) as process:
        wait_for(process, "Epoch 3 of 100000: ")
        process.send_signal(number)
        assert f"Network written to {path}" in end(process, status)
    assert load(path).weights_hash() == load(state).weights_hash() != models.seed((28, 28), seed=6).weights_hash()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["network.npz", "state.npz"]


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_compiling_ends_at_once(tmp_path, number, status):
    path = tmp_path / "network.npz"
    with training("--save", path, code=TERMINAL, FASTCONV_CACHE_DIR=tmp_path / "cache") as process:
        wait_for(process, "Preparing the kernels")
        time.sleep(0.7)
        process.send_signal(number)
        end(process, status)
    assert not path.exists()


@pytest.mark.parametrize(
    "numbers",
    [NUMBERS * 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (NUMBERS[1:] * 2, [*reversed(NUMBERS)] * 2))],
    ids=str,
)
def test_further_signals_wait_for_the_network_to_be_saved(tmp_path, numbers):
    path = tmp_path / "network.npz"
    with training("--save", path, code=SLOW_SAVE + TERMINAL) as process:
        wait_for(process, "Epoch 2 of 1000000: ")
        process.send_signal(numbers[0])
        wait_for(process, "Saving")
        for number in numbers[1:]:
            process.send_signal(number)
            time.sleep(0.05)
        end(process, 128 + numbers[0])
    assert load(path).weights_hash() != models.seed((28, 28)).weights_hash()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_waits_for_a_finished_training_to_be_saved(tmp_path, number):
    path = tmp_path / "network.npz"
    with training("--save", path, "--json", epochs=1, code=SLOW_SAVE + TERMINAL) as process:
        wait_for(process, "Saving")
        process.send_signal(number)
        errors = end(process, 128 + number)
    assert f"Network written to {path}" in errors
    load(path)


def test_an_ignored_hang_up_stays_ignored():
    """As under nohup."""
    code = TERMINAL.replace("runpy.run", "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nrunpy.run")
    with training(epochs=20, code=code) as process:
        wait_for(process, "Epoch 2 of 20: ")
        process.send_signal(signal.SIGHUP)
        assert "Epoch 20 of 20" in process.communicate(timeout=60)[1]
    assert process.returncode == 0


def test_a_terminal_that_is_closed_ends_the_training_with_its_network(tmp_path):
    """Then writing to standard error fails, too."""
    import fcntl
    import pty
    import termios

    path = tmp_path / "network.npz"
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = train_command("--save", path, code=TERMINAL)
    with subprocess.Popen(
        command, env=environment(), stdin=inner, stdout=inner, stderr=inner, start_new_session=True, preexec_fn=_take_terminal
    ) as process:
        os.close(inner)
        seen = b""
        while re.search(rb"Epoch ([3-9]|[0-9]{2,}) of", seen) is None:  # which of them are drawn is a matter of time
            seen += os.read(outer, 4096)
        os.close(outer)
        try:
            assert process.wait(timeout=30) == 129
        finally:
            process.kill()
    assert load(path).weights_hash() != models.seed((28, 28)).weights_hash()


def _take_terminal():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# Whose handlers they are


def test_a_program_keeps_its_handlers(run, monkeypatch):
    seen = []
    inherited = {number: signal.getsignal(number) for number in NUMBERS}
    fit = nn.Sequential.fit

    def watched(*arguments, **options):
        seen.append({number: signal.getsignal(number) for number in NUMBERS})
        return fit(*arguments, **options)

    monkeypatch.setattr(nn.Sequential, "fit", watched)
    run("train", "--model", "seed", "--limit", 50)
    assert seen == [inherited] * len(seen) != []
    assert {number: signal.getsignal(number) for number in NUMBERS} == inherited


@pytest.fixture
def default_handlers():
    inherited = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in inherited.items():
        signal.signal(number, handler)


def test_the_processs_own_command_gives_the_handlers_back(monkeypatch, default_handlers, capsys):
    seen = []

    def train(*arguments, **options):
        seen.extend(signal.getsignal(number) for number in NUMBERS)
        raise ValueError("enough")

    monkeypatch.setattr("fastconv.commands.train_model.train", train)
    monkeypatch.setattr(sys, "argv", ["fastconv", "train"])
    assert main() == 1
    assert not set(seen) & set(default_handlers.values())
    assert {number: signal.getsignal(number) for number in NUMBERS} == default_handlers


def test_other_commands_leave_sigterm_and_sighup_alone(monkeypatch, default_handlers, capsys):
    seen = []
    monkeypatch.setattr("fastconv.info", lambda: seen.extend(map(signal.getsignal, NUMBERS)) or {})
    monkeypatch.setattr(sys, "argv", ["fastconv", "info"])
    assert main() == 0
    assert seen[0] != default_handlers[signal.SIGINT]
    assert seen[1:] == [signal.SIG_DFL, signal.SIG_DFL]


def test_outside_the_main_thread_nothing_is_answered(monkeypatch, default_handlers, capsys):
    monkeypatch.setattr(sys, "argv", ["fastconv", "--version"])
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(cli.main()))
    thread.start()
    thread.join()
    assert statuses == [0]


def test_where_there_is_no_sighup_the_others_are_answered(monkeypatch, default_handlers):
    hang_up = signal.SIGHUP
    monkeypatch.delattr(signal, "SIGHUP")
    answers = Answers(own=True)
    answers.answer("SIGINT", "SIGTERM", "SIGHUP")
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    assert signal.getsignal(hang_up) == signal.SIG_DFL
    answers.restore()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


# What isn't lost by the way


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("wrong")])
def test_a_network_that_isnt_trained_replaces_none(run, monkeypatch, tmp_path, error):
    path = tmp_path / "network.npz"
    models.seed((28, 28), seed=3).save(path)
    before = path.read_bytes()

    def fail(model, images, labels, *, epochs, **options):
        if len(images) == 50 and epochs == 2:  # not the trial that compiles
            raise error

    monkeypatch.setattr(nn.Sequential, "fit", fail)
    arguments = "train", "--model", "seed", "--limit", 50, "--epochs", 2, "--save", path
    output = run(*arguments, status=130 if error is KeyboardInterrupt else 1)
    assert path.read_bytes() == before
    assert "written" not in output.err
    path.unlink()
    run(*arguments, status=130 if error is KeyboardInterrupt else 1)
    np.testing.assert_array_equal(load(path).parameters, models.seed((28, 28)).parameters)
