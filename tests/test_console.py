"""Standard streams that are closed, full, or nobody's: the exit status says so, nothing is lost, and no traceback is shown."""

import io
import os
import subprocess
import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest

from fastconv import nn
from fastconv.cli import main
from fastconv.commands import console
from fastconv.messages.progress import Progress

from .processes import environment, run_code

COMMANDS = [["--version"], ["--help"], ["train", "--help"], ["bench"]]
posix = pytest.mark.skipif(sys.platform == "win32", reason="shells there can't close a stream")


def fastconv(*arguments, shell="", **options):
    """Run the command by a shell that redirects its streams; return its status, standard output and standard error."""
    command = ["sh", "-c", f'exec "$@" {shell}', "sh", sys.executable, "-m", "fastconv", *map(str, arguments)]
    done = subprocess.run(command, env=environment(**options), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_starting_is_fast():
    code = "import sys\nfrom fastconv import cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
    assert run_code(code + "print({'numpy', 'numba', 'PIL', 'fastconv.nn'} & set(sys.modules))").endswith("set()\n")


@posix
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_who_reads_may_have_seen_enough(arguments):
    """As head does; the shell has 141 for a process that SIGPIPE ended."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fastconv", *arguments]
    done = subprocess.run(command, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) in [(141, ""), (0, "")] and (done.returncode == 141 or "--help" in arguments)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("arguments", [["--version"], ["bench"]], ids=" ".join)
def test_a_full_disk_is_an_error(arguments):
    status, output, errors = fastconv(*arguments, shell=">/dev/full")
    assert (status, output) == (1, "")
    assert errors == "fastconv: standard output can't be written: [Errno 28] No space left on device\n"


@posix
@pytest.mark.parametrize("streams", [*(pytest.param(s, marks=pytest.mark.slow) for s in (">&-", "2>&-", "<&-")), "<&- >&- 2>&-"])
def test_closed_streams_cost_nothing(tmp_path, streams):
    """What would have been written there goes into no file that is opened instead, nor to another stream."""
    path, state = tmp_path / "network.npz", tmp_path / "state.npz"
    arguments = ["train", "--model", "seed", "--limit", "50", "--save", path, "--checkpoint", state, "--json"]
    status, output, errors = fastconv(*arguments, shell=streams)
    assert status == 0
    assert nn.load(path).weights_hash() == nn.load(state).weights_hash()
    assert output.count("\n") == (0 if ">&- " in f"{streams} " and streams != "2>&-" else 1)
    assert ("Epoch 1 of 1" in errors) == ("2>&-" not in streams)


@posix
def test_nobody_reading_standard_error_ends_no_training(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    path = tmp_path / "network.npz"
    command = [sys.executable, "-m", "fastconv", "train", "--model", "seed", "--limit", "50", "--save", str(path)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=writer, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"")
    nn.load(path)


class Gone(io.StringIO):
    """A stream that can't be written any more."""

    def __init__(self, lines=0, terminal=False):
        super().__init__()
        self.lines, self.terminal = lines, terminal

    def isatty(self):
        return self.terminal

    def write(self, text):
        if self.lines == 0:
            raise OSError(5, "Input/output error")
        self.lines -= 1
        return super().write(text)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("lines", [0, 1, 2])
def test_progress_goes_on_without_its_stream(monkeypatch, lines, terminal):
    monkeypatch.setattr("fastconv.messages.progress.SECONDS_BETWEEN_LINES", 0)
    progress = Progress(epochs=2, images=10, stream=Gone(lines, terminal))
    for epoch in range(2):
        for done in range(10):
            progress.update(epoch, done, "loss 0.5")
        progress.finish(epoch, "loss 0.5")
    progress.close()


def test_progress_goes_on_without_any_stream(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    progress = Progress(epochs=1, images=10)
    progress.finish(0, "loss 0.5")
    progress.close()


# What is said


class Ascii(io.TextIOWrapper):
    def __init__(self):
        super().__init__(io.BytesIO(), encoding="ascii", errors="strict")

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode()


@pytest.mark.parametrize(
    "text, ascii, utf",
    [
        ("plain text", "plain text", "plain text"),
        ("caf\u00e9 \u4e8c", "caf\\xe9 \\u4e8c", "caf\u00e9 \u4e8c"),
        ("\udcff", "\\udcff", "\\udcff"),
        ("a\nb\x1b[31m\x7f\u2028", "a\\nb\\x1b[31m\\x7f\\u2028", "a\\nb\\x1b[31m\\x7f\\u2028"),
    ],
)
def test_a_line_is_one_line_in_any_encoding(monkeypatch, text, ascii, utf):
    for stream, expected in ((Ascii(), ascii), (io.StringIO(), utf)):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        console.say(text)
        console.note(text)
        console.complain(ValueError(text))
        found = stream.text() if isinstance(stream, Ascii) else stream.getvalue()
        assert found.splitlines()[:2] == [expected, expected]
        assert found.count("\n") == 3 and found.splitlines()[2].startswith("fastconv: ")


def test_our_own_texts_are_ascii(capsys):
    for arguments in ([], ["train", "--help"], ["predict", "--help"], ["evaluate", "--help"], ["nothing"]):
        with suppress(SystemExit):
            main(arguments)
        output = capsys.readouterr()
        assert (output.out + output.err).isascii() and output.out + output.err


def test_an_error_without_words_is_named_by_its_kind(capsys):
    console.complain(MemoryError())
    assert capsys.readouterr().err == "fastconv: MemoryError\n"


def test_warnings_are_lines_in_the_processs_own_command_only(capsys, monkeypatch):
    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with console.short_warnings(own=True):
            warnings.warn("of this\nkind", stacklevel=1)
        assert capsys.readouterr().err == "fastconv: warning: of this kind\n"
        with console.short_warnings(own=False), pytest.warns(UserWarning, match="^other$"):
            warnings.warn("other", stacklevel=1)
    assert warnings.showwarning is shown


def test_a_warning_that_is_raised_is_one_line(run, tmp_path):
    """As with python -W error."""
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)], input_shape=(2, 2))
    model.fit(np.zeros((4, 2, 2), np.uint8) + 255, [0, 1, 0, 1], progress=False)
    model.save(tmp_path / "network.npz")
    np.save(tmp_path / "x.npy", np.full((1, 2, 2), 200.0))
    np.save(tmp_path / "y.npy", np.full((1, 2, 2), 200, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output = run("predict", tmp_path / "network.npz", tmp_path / "x.npy", tmp_path / "y.npy", status=1)
    assert output.out.startswith(f"{tmp_path / 'y.npy'}[0]: ") and output.out.count("\n") == 1
    assert output.err.splitlines()[-1].startswith("fastconv: predict: x goes from 200 to 200, but")
