"""Ctrl-C: the process ends at once with status 130 and without a traceback, and a network in training is saved."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from fastconv.cli import main
from fastconv.nn import load, models

from .processes import environment, run_python

AS_FROM_A_TERMINAL = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # where these tests run in the background, it is inherited as ignored
runpy.run_module("fastconv", run_name="__main__", alter_sys=True)
"""
IGNORING = AS_FROM_A_TERMINAL.replace("signal.default_int_handler", "signal.SIG_IGN")


def train_command(*options, epochs=1_000_000, code=AS_FROM_A_TERMINAL):
    """Return the command that trains for so many epochs of a few images."""
    arguments = "train", "--model", "seed", "--epochs", epochs, "--limit", 3000, *options
    return [sys.executable, "-c", code, *map(str, arguments)]


@contextmanager
def training(*options, epochs=1_000_000, code=AS_FROM_A_TERMINAL, **changes):
    """A process that trains for hours; it is killed if the test fails."""
    command = train_command(*options, epochs=epochs, code=code)
    with subprocess.Popen(
        command, env=environment(**changes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process, start):
    """Read standard error up to a line with this beginning."""
    for line in process.stderr:
        if line.startswith(start):
            return
    raise AssertionError(f"the process ended with status {process.wait()} before it printed {start!r}")


def interrupt(process):
    """Send Ctrl-C, check how the process ends, and return the rest of its standard error."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    seconds = time.monotonic() - began
    assert process.returncode == 130, errors
    assert output == ""
    assert errors.endswith("\nfastconv: interrupted\n")
    assert "Traceback" not in errors
    assert "ignored" not in errors
    assert seconds < 1
    return errors


@pytest.mark.parametrize("batch", [1, 32])
def test_training_ends_and_keeps_the_network(tmp_path, batch):
    path = tmp_path / "network.npz"
    with training("--batch-size", batch, "--seed", 6, "--save", path, epochs=100_000) as process:
        wait_for(process, "Epoch 3 of 100000: ")
        errors = interrupt(process)
    assert f"Network written to {path}" in errors
    assert load(path).weights_hash() != models.seed((28, 28), seed=6).weights_hash()
    assert main(["evaluate", str(path)]) == 0
    assert [item.name for item in tmp_path.iterdir()] == ["network.npz"]


def test_training_without_save_ends_too():
    with training() as process:
        wait_for(process, "Epoch 2 of 1000000: ")
        assert "written" not in interrupt(process)


@pytest.mark.parametrize("seconds", [0.2, 0.9, 1.6])
def test_compiling_ends(tmp_path, seconds):
    path = tmp_path / "network.npz"
    with training("--save", path, FASTCONV_CACHE_DIR=tmp_path / "cache") as process:
        wait_for(process, "Preparing the kernels")
        time.sleep(seconds)
        interrupt(process)
    assert not path.exists()


def test_a_second_interrupt_does_no_harm(tmp_path):
    path = tmp_path / "network.npz"
    with training("--save", path) as process:
        wait_for(process, "Epoch 2 of 1000000: ")
        process.send_signal(signal.SIGINT)
        interrupt(process)
    assert not path.exists() or load(path).shapes[0] == (28, 28, 1)


def test_an_ignored_interrupt_stays_ignored():
    """As under nohup, or in the background of a script."""
    with training(epochs=20, code=IGNORING) as process:
        wait_for(process, "Epoch 2 of 20: ")
        process.send_signal(signal.SIGINT)
        assert "Epoch 20 of 20" in process.communicate(timeout=60)[1]
    assert process.returncode == 0


def test_calling_main_leaves_the_process_its_handler(run):
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run("--version")
        run("train", "--model", "seed", "--limit", 50)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, inherited)


def test_an_interrupt_is_not_lost_where_python_ignores_exceptions():
    """As in the finalizers that run while numba compiles."""
    code = """
import os, signal, sys, time
from fastconv.commands import train_model as training

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

def load_data(*arguments, **options):
    Finalized()
    raise ValueError("the interrupt was lost")

training.load_data = load_data
sys.argv = ["fastconv", "train", "--model", "seed"]
"""
    done = run_python("-c", code + AS_FROM_A_TERMINAL)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nfastconv: interrupted\n")
