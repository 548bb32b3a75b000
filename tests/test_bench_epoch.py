"""The benchmark of epochs: it runs, its peers train the same networks, and what takes part is said."""

import json
import subprocess
from importlib.util import find_spec

import pytest

from bench import epoch, epoch_limits
from bench.epoch_peers import PEERS
from fastconv.datasets import load_mnist

from .processes import run_code, run_python


def test_an_epoch_is_timed(tmp_path):
    path = tmp_path / "figures.json"
    options = ("--peers", "none", "--rounds", "2", "--seconds", "0.05", "--threads", "1", "--json", path)
    done = run_python("-m", "bench.epoch", "notebook-1", *options)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(path.read_text())["records"]
    assert 128 <= record["images"]["fastconv"] < 60_000
    assert len(record["seconds"]["fastconv"]) == 2 and min(record["seconds"]["fastconv"]) > 0
    assert (record["best_peer"], record["ratio"]) == (None, None)
    assert "| the notebook's network, one image an update | ~" in done.stdout


PEER = """
import sys
from bench import epoch, peers
from fastconv.datasets import load_mnist
peers.hold_threads(1)
data = tuple(array[:640] for array in load_mnist())
for row in (epoch.ROWS["notebook-64"], epoch.Row("dropout", "pytorch-example", 64)):
    record = epoch.measure(row, data, sys.argv[1:], 4, 1, 0.001)
    seconds = {name: times[0] for name, times in record["seconds"].items()}
    assert list(seconds) == ["fastconv", *sys.argv[1:]], record
    assert min(record["images"].values()) == 64
    assert record["ratio"] == min(seconds[name] for name in sys.argv[1:]) / seconds["fastconv"]
from fastconv.nn.models import seed
from bench.epoch_peers import PEERS, Task
def another(task):
    return PEERS[sys.argv[1]].trainer(task._replace(model=seed((28, 28), seed=1)))
epoch.PEERS["another"] = PEERS[sys.argv[1]]._replace(trainer=another)
try:
    epoch.measure(epoch.ROWS["notebook-64"], data, ["another"], 4, 1, 0.001)
except AssertionError as error:
    print(error)
"""


@pytest.mark.parametrize("module", ["torch", "jax", "keras"])
def test_peers_train_the_same(module):
    if find_spec(module) is None:
        pytest.skip(f"{module} not installed")
    names = [name for name, peer in PEERS.items() if peer.modules[0] == module]
    assert "another's first network differs by" in run_code(PEER, *names)


def test_whole_processes_are_timed_after_a_first_one(monkeypatch, capsys):
    commands = []

    def run(command, **options):
        commands.append(command[3:])
        seed = int(command[-1]) if "--seed" in command else 9
        line = json.dumps({"test_accuracy": 0.99 + seed / 1000, "seconds_train": 2.0 + seed})
        return subprocess.CompletedProcess(command, 0, f"{line}\n", "")

    monkeypatch.setattr(epoch.subprocess, "run", run)
    found = epoch.whole_processes("small", 3, 2)
    assert commands[0] == ["train", "--model", "small", "--threads", "2", "--json", "--limit", str(60_000 % 64 + 64)]
    assert [command[-2:] for command in commands[1:]] == [["--seed", "0"], ["--seed", "1"], ["--seed", "2"]]
    assert found["median"]["test_accuracy"] == 0.991 and found["median"]["seconds_train"] == 3.0
    assert [run["seed"] for run in found["runs"]] == [0, 1, 2]
    epoch.print_processes(found)
    assert "to a test accuracy of 99.10%" in capsys.readouterr().out


def test_denormals_and_memory_are_measured(capsys):
    data = tuple(array[:256] for array in load_mnist())
    found = epoch_limits.denormals("seed", 64, 128, data, [], 1, 2)
    assert 0.2 < found["slower"]["fastconv"] < 5
    epoch_limits.print_denormals(found)
    assert "seed in batches of 64, with denormal activations: times as long as without: fastconv" in capsys.readouterr().out
    taken = epoch_limits.memory("seed", 64, 1)
    if taken is None:
        pytest.skip("needs Linux")
    assert taken["data"] == pytest.approx(47.1, abs=0.1) and taken["before"] < taken["peak"] < taken["before"] + 1000
    epoch_limits.print_memory(taken)
    assert "beside the data's 47.1 MB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["everything"],
            "rows must be of ['notebook-1', 'notebook-64', 'pytorch-example', 'small', 'denormals', 'memory', 'train'], but "
            "['everything'] are",
        ),
        (["--peers", "torch,numpy"], "--peers must be of ['torch', 'torch channels_last', 'jax', 'keras'], but ['numpy'] are not"),
    ],
)
def test_what_the_benchmark_refuses(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.epoch", *arguments])
    with pytest.raises(SystemExit, match="^2$"):
        epoch.main()
    assert message in capsys.readouterr().err


def test_peers_that_arent_there_are_named(monkeypatch, capsys):
    monkeypatch.setattr(epoch, "find_spec", lambda name: None)
    monkeypatch.setattr(epoch.peers, "hold_threads", lambda threads: {})
    monkeypatch.setattr(epoch, "whole_processes", lambda model, seeds, threads: {"model": model, "median": {}, "runs": []})
    monkeypatch.setattr(epoch, "print_processes", print)
    monkeypatch.setattr("sys.argv", ["bench.epoch", "train", "--model", "lenet", "--peers", "jax,keras"])
    epoch.main()
    printed = capsys.readouterr().out
    assert "'left_out': ['jax: pip install jax', 'keras: pip install keras']" in printed
    assert "'model': 'lenet'" in printed


def test_what_is_scaled_is_marked(capsys):
    record = {
        "work": "some", "seconds": {"fastconv": [1.0, 3.0, 2.0], "torch": [8.0]}, "images": {"fastconv": 60_000, "torch": 6400},
        "ratio": 4.0, "left_out": ["jax"], "cpus": {"jax": 1.9},
    }  # fmt: skip
    epoch.print_epochs([record])
    lines = capsys.readouterr().out.splitlines()
    assert "| some | 2.00 (1.00) | ~8.00 (~8.00) | 4.0              |" in lines
    assert lines[-1] == "left out of 'some': jax used 1.9 CPUs"
