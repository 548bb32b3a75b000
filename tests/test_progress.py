"""The progress display: one line that is redrawn for someone who watches, otherwise a line now and then; none left over."""

import io
import re
import sys

import pytest

from fastconv.messages import progress
from fastconv.messages.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class OutStream(io.StringIO):
    """As a notebook's kernel has it."""

    __module__ = "ipykernel.iostream"


def screen(text):
    """Return the lines that a terminal shows after this text."""
    rows, column = [""], 0
    for sign in text.replace("\x1b[A", ""):
        if sign == "\r":
            column = 0
        elif sign == "\n":
            rows.append("")
            column = 0
        else:
            rows[-1] = rows[-1][:column].ljust(column) + sign + rows[-1][column + 1 :]
            column += 1
    return [row.rstrip() for row in rows if row.strip()]


def run(stream, epochs=2, **options):
    """Show some epochs of 10 images; return the display, its last epoch not yet closed."""
    shown = Progress(epochs, 10, stream=stream, **options)
    for epoch in range(epochs):
        shown.update(epoch, 4, f"loss {epoch}.5")
        shown.update(epoch, 10, f"loss {epoch}.25")
        shown.finish(epoch, f"loss {epoch}.1")
    return shown


@pytest.fixture
def eager(monkeypatch):
    """Have tqdm draw at every update."""
    tqdm = pytest.importorskip("tqdm").tqdm
    monkeypatch.setattr(tqdm, "__init__", lambda bar, *a, init=tqdm.__init__, **o: init(bar, *a, **{**o, "mininterval": 0}))


@pytest.mark.parametrize("watched", [Terminal, OutStream])
def test_who_watches_sees_one_line_and_nothing_is_left_over(watched, eager):
    stream = watched()
    shown = run(stream, epochs=100)
    assert stream.getvalue().count("\n") == 0
    [line] = screen(stream.getvalue())
    assert line.startswith("Epoch 100 of 100: 100%|") and "1000/1000" in line and line.endswith("loss 99.25]")
    shown.close()
    [line] = screen(stream.getvalue())
    assert re.fullmatch(r"Epoch 100 of 100: 10 of 10 images, [\d,]+ images/s, loss 99\.1", line)


def test_the_bar_is_redrawn_with_the_running_figures(eager):
    stream = Terminal()
    run(stream)
    drawn = [text for text in stream.getvalue().split("\r") if text.strip()]
    assert [text.partition(":")[0] for text in drawn[1:]] == ["Epoch 1 of 2", "Epoch 1 of 2", "Epoch 2 of 2", "Epoch 2 of 2"]
    assert [re.search(r"(\d+)/20 ", text)[1] for text in drawn[1:]] == ["4", "10", "14", "20"]
    assert "loss 0.25]" in drawn[2] and "25%" not in drawn[2] and " 50%|" in drawn[2]


def test_epochs_before_count_for_the_numbers_and_images_before_for_no_rate(monkeypatch, eager):
    now = iter(range(100))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: float(next(now)))
    stream = io.StringIO()
    shown = Progress(3, 10, first=5, done=14, stream=stream)
    shown.finish(1, "loss 1")
    shown.close()
    assert stream.getvalue() == "Epoch 7 of 8: 10 of 10 images, 6 images/s, loss 1\n"


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_without_tqdm_or_who_watches_there_are_lines(monkeypatch, stream):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    stream = stream()
    run(stream).close()
    lines = stream.getvalue().splitlines()
    assert [re.sub("[0-9,]+ images/s", "N images/s", line) for line in lines] == [
        "Epoch 1 of 2: 10 of 10 images, N images/s, loss 0.1",
        "Epoch 2 of 2: 10 of 10 images, N images/s, loss 1.1",
    ]


def test_many_short_epochs_have_few_lines_the_last_among_them():
    stream = io.StringIO()
    run(stream, epochs=1000).close()
    numbers = [int(line.split()[1]) for line in stream.getvalue().splitlines()]
    assert numbers == [*range(1, progress.FIRST_EPOCHS + 1), 1000]


def test_a_long_training_has_a_line_now_and_then_and_ever_more_rarely(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    stream, times = io.StringIO(), []
    shown = Progress(1, 1_000_000, stream=stream)
    for second in range(1, 3601):
        now[0], before = float(second), len(stream.getvalue())
        shown.update(0, 100 * second, "loss 1")
        if len(stream.getvalue()) > before:
            times.append(second)
    assert times[:4] == [5, 10, 15, 20] and len(times) < 110
    assert max(b - a for a, b in zip(times, times[1:])) <= 180
    assert stream.getvalue().startswith("Epoch 1 of 1: 500 of 1000000 images, 100 images/s, 9995 s left, loss 1\n")


@pytest.mark.parametrize("stream", [Terminal, OutStream, io.StringIO])
def test_an_interrupt_tells_one_number_of_images(stream, eager):
    stream = stream()
    shown = Progress(2, 10, stream=stream)
    shown.update(0, 3, "loss 1")
    shown.stop(0, 4, "interrupted")
    assert screen(stream.getvalue()) == ["Epoch 1 of 2: interrupted after 4 of 10 images"]


def test_a_warning_in_between_has_a_line_of_its_own(eager):
    stream = Terminal()
    shown = Progress(2, 10, stream=stream)
    shown.update(0, 3, "loss 1")
    shown.make_way()
    stream.write("RuntimeWarning: fit\n")
    shown.update(0, 4, "loss 1")
    first, second = screen(stream.getvalue())
    assert first == "RuntimeWarning: fit" and second.startswith("Epoch 1 of 2: ")


def test_nothing_done_is_no_division_by_zero(monkeypatch):
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 5.0)
    stream = io.StringIO()
    shown = Progress(0, 10, stream=stream)
    shown.close()
    assert stream.getvalue() == ""
    shown = Progress(1, 0, stream=stream)
    shown.finish(0, "loss nan")
    shown.close()
    assert stream.getvalue() == "Epoch 1 of 1: 0 of 0 images, 0 images/s, loss nan\n"


def test_it_writes_to_standard_error(capsys):
    run(None).close()
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("Epoch 1 of 2: 10 of 10 images")


class Broken(Terminal):
    broken = False

    def write(self, text):
        if self.broken:
            raise BrokenPipeError("nobody reads")
        return super().write(text)


@pytest.mark.parametrize("tqdm", [True, False])
def test_a_stream_that_breaks_ends_nothing(monkeypatch, eager, tqdm):
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    stream = Broken()
    shown = Progress(2, 10, stream=stream)
    shown.update(0, 3, "loss 1")
    stream.broken = True
    shown.update(0, 4, "loss 1")
    shown.make_way()
    shown.finish(0, "loss 1")
    shown.close()


@pytest.mark.parametrize("closed", [True, False])
def test_without_a_stream_nothing_is_shown(monkeypatch, closed):
    stream = io.StringIO() if closed else None
    if closed:
        stream.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        run(None).close()
