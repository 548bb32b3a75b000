"""The progress display: tqdm's bar for someone who watches, plain lines otherwise."""

import io
import sys

import pytest

from fastconv import progress
from fastconv.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(stream):
    shown = Progress(10, "Epoch 1 of 2", stream)
    shown.update(4, 1.25, 0.5)
    shown.update(10, 0.75, 0.9)
    shown.close("loss 1.0000, accuracy 70.00%")
    return stream.getvalue()


def test_a_terminal_gets_a_bar():
    last = run(Terminal()).rpartition("\r")[2]
    assert last.startswith("Epoch 1 of 2: 100%|")
    assert "10/10" in last
    assert "images/s" in last
    assert "loss 1.0000, accuracy 70.00%" in last


def test_the_bar_shows_the_running_figures(monkeypatch):
    stream = Terminal()
    shown = Progress(10, "title", stream)
    shown._bar.mininterval = 0
    shown.update(4, 1.25, 0.5)
    assert "4/10" in stream.getvalue()
    assert "loss 1.250, accuracy 50%" in stream.getvalue()
    shown.close("interrupted")


def test_a_file_gets_one_line_for_a_short_run():
    lines = run(io.StringIO()).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Epoch 1 of 2: 10 of 10 images, ")
    assert lines[0].endswith(" images/s, loss 1.0000, accuracy 70.00%")


def test_a_file_gets_lines_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines = run(io.StringIO()).splitlines()
    assert [line.partition(" images, ")[0] for line in lines] == [f"Epoch 1 of 2: {n} of 10" for n in (4, 10, 10)]
    assert lines[0].endswith("loss 1.250, accuracy 50%")


def test_a_terminal_without_tqdm_gets_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert run(Terminal()).splitlines()[0].startswith("Epoch 1 of 2: 10 of 10 images, ")


def test_nothing_done_is_no_division_by_zero(monkeypatch):
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 5.0)
    stream = io.StringIO()
    Progress(10, "title", stream).close("interrupted after 0 images")
    assert stream.getvalue() == "title: 0 of 10 images, 0 images/s, interrupted after 0 images\n"


def test_it_writes_to_standard_error(capsys):
    Progress(1, "title").close("end")
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("title: 0 of 1 images")


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_display_closed_early_shows_how_far_it_came(stream):
    stream = stream()
    shown = Progress(10, "title", stream)
    shown.update(3, 1.0, 0.5)
    shown.close("interrupted after 3 images")
    assert "interrupted after 3 images" in stream.getvalue()
    assert "10/10" not in stream.getvalue()
