"""What type checkers see of fastconv: a user's right calls and wrong ones, and the README's."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

import fastconv

from .processes import ROOT
from .test_readme import BLOCKS

RIGHT = """
import numpy as np
import fastconv
from fastconv import ConvolutionLayer, nn
from fastconv.functional import conv1d, conv3d_weight_grad, linear, max_pool2d

x, w = np.ones((1, 8, 8, 2)), np.ones((3, 3, 2, 4))
y: np.ndarray = fastconv.functional.conv2d(x, w, None, stride=2, padding="same", groups=1, layout="NHWC", algorithm="direct")
y = max_pool2d(y, 2) + linear([[1.0]], [[1.0]], bias=[1.0]) + conv1d([[[1.0]]], [[[1.0]]])
dx: np.ndarray = conv3d_weight_grad(np.ones((1, 1, 1, 1, 1)), np.ones((1, 1, 1, 1, 1)), (1, 1, 1, 1, 1))
model = fastconv.nn.Sequential([nn.Conv2D(4, 3, activation="relu"), nn.Flatten(), nn.Dense(2)], (8, 8, 2))
history: nn.History = model.fit(x, [1], epochs=1, progress=False)
model.save("model.npz")
again: nn.Sequential = nn.load("model.npz")
layer = ConvolutionLayer(16, 3)
kernels: np.ndarray = layer.forward_prop(np.ones((8, 8)))
threads: int = fastconv.get_num_threads()

class Mine(nn.Callback):
    def on_epoch_end(self, model: nn.Sequential, epoch: int, logs: dict[str, float]) -> bool:
        return logs["loss"] < 0.1
"""
WRONG = """
import fastconv
from fastconv import functional as fn, nn
fn.conv2d([1.0])  # no weights
fn.conv2d([1.0], [1.0], strides=2)  # an unknown keyword
fn.conv3d_input_grad([1.0], [1.0])  # no shape
fn.linear([1.0], [1.0], b=[1.0])
fn.max_pool1d([1.0])
fastconv.convolve([1.0], [1.0])
fastconv.ConvolutionLayer(16, 3, bias=True)
nn.Sequential([nn.Dense(2)], (3,)).fit([1.0], [1], epoch=3)
nn.Dense(units=2, biases=True)
fastconv.set_num_threads("two")
"""
FIRST = 4
"""The first line of WRONG that is so."""


def mypy(path):
    """Return the lines of a file in which mypy finds errors, with what it says."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(path.parent), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return {int(line): text for line, text in re.findall(rf"{re.escape(path.name)}:(\d+): error: (.*)", done.stdout)}, done.stdout


def pyright(path):
    """Return the same of pyright."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {d["range"]["start"]["line"] + 1: d["message"] for d in found if d["severity"] == "error"}, done.stdout


@pytest.fixture(params=[pytest.param(mypy, marks=pytest.mark.slow), pyright], ids=["mypy", "pyright"])
def check(request, tmp_path):
    """A function that returns the errors that a type checker finds in some code, by line."""
    if request.param is pyright and (find_spec("pyright") is None or shutil.which("node") is None):
        pytest.skip("pyright needs its package, and node")

    def errors(code):
        path = tmp_path / "users.py"
        path.write_text(code)
        return request.param(path)

    return errors


def test_right_calls_are_right(check):
    errors, output = check(RIGHT)
    assert errors == {}, output


def test_each_wrong_call_is_told(check):
    errors, output = check(WRONG)
    assert [*errors] == [*range(FIRST, WRONG.count("\n") + 1)], output


@pytest.mark.parametrize("check", [pyright], indirect=True)
def test_the_readme_is_right(check):
    """Of what lists of several layers have in common, mypy knows too little."""
    errors, output = check("\n".join(BLOCKS))
    assert errors == {}, output


def test_type_checkers_see_the_names_that_there_are():
    stub = (ROOT / "fastconv" / "__init__.pyi").read_text(encoding="utf-8")
    assert {*re.findall(r" as (\w+)", stub), "__version__"} == set(fastconv.__all__)
