"""`fastconv predict`: what it reads, what it prints of each image, and that one bad file stops none of the others."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from fastconv import nn
from fastconv.datasets import load_mnist

from .files import idx_bytes
from .processes import run_python
from .test_pictures import write

DIGITS = load_mnist()[2][:4]
WIDE = DIGITS.astype(np.uint16) * 257


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The file of a network that tells digits, and what it says of DIGITS."""
    x, y, _, _ = load_mnist()
    model = nn.models.seed((28, 28))
    model.fit(x[:3000], y[:3000], batch_size=1, optimizer=nn.SGD(0.005), progress=False)
    path = tmp_path_factory.mktemp("network") / "network.npz"
    model.save(path)
    return path, [f"{int(row.argmax())} ({row.max():.1%})" for row in model.predict(DIGITS)]


def save(path, model, classes=None, loss="cross_entropy"):
    model.classes, model.loss = classes, loss
    model.save(path)
    return path


def test_arrays_and_idx_files_of_one_or_many_images(run, network, tmp_path):
    path, expected = network
    arrays = {"many": DIGITS, "channels": DIGITS[..., None], "fortran": np.asfortranarray(DIGITS), "flat": DIGITS[0]}
    arrays |= {"one": DIGITS[0][..., None], "floats": DIGITS / 255, "single": DIGITS[:1], "none": DIGITS[:0]}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "many.idx").write_bytes(idx_bytes(DIGITS))
    (tmp_path / "one.idx").write_bytes(idx_bytes(DIGITS[0]))
    names = [*(f"{name}.npy" for name in arrays), "many.idx", "one.idx"]
    lines = run("predict", path, *(tmp_path / name for name in names)).out.splitlines()
    many, one = range(4), range(1)
    counts = [many, many, many, one, one, many, one, range(0), many, one]
    assert lines == [f"{tmp_path / name}[{i}]: {expected[i]}" for name, count in zip(names, counts) for i in count]
    assert len(set(expected)) > 1


@pytest.mark.parametrize(
    "kind, array, options",
    [
        ("png", DIGITS[0], {}),
        ("png", WIDE[0], {}),
        ("tif", DIGITS[0].astype(np.int32) * 2**23, {}),
        ("tif", (DIGITS[0] / 255).astype(np.float32), {}),
        ("spider", DIGITS[0].astype(np.float32), {"format": "SPIDER"}),
        ("tga", DIGITS[0], {"compression": "tga_rle"}),
        ("ico", DIGITS[0], {"sizes": [(28, 28)]}),
        ("jp2", DIGITS[0], {}),
        ("avif", DIGITS[0], {"quality": 100, "subsampling": "4:4:4"}),
        ("webp", np.dstack([np.full((28, 28, 3), 255, np.uint8), DIGITS[0]]), {"lossless": True}),
    ],
)
def test_a_picture_of_any_kind_is_seen_as_its_digit(run, network, tmp_path, kind, array, options):
    path, expected = network
    file = write(tmp_path / f"digit.{kind}", array, **options)
    line = run("predict", path, file).out
    assert line.startswith(f"{file}[0]: {expected[0][:2]}")
    assert kind == "avif" or expected[0] in line or kind == "tif"  # rounded to 8 bits by AVIF, in ours to float32


def test_a_picture_that_begins_as_an_idx_file_does_is_a_picture(run, network, tmp_path):
    """TGA's bytes for a table of colours, which it hasn't, may be anything."""
    path, expected = network
    file = write(tmp_path / "digit.tga", DIGITS[0], compression="tga_rle")
    content = bytearray(file.read_bytes())
    content[3] = 3
    assert content[:4] == b"\0\0\x0b\3"
    file.write_bytes(content)
    assert run("predict", path, file).out == f"{file}[0]: {expected[0]}\n"
    (tmp_path / "cut.idx").write_bytes(idx_bytes(DIGITS)[:-1])
    error = run("predict", path, tmp_path / "cut.idx", status=1).err
    assert error.startswith(f"fastconv: read_idx: {tmp_path / 'cut.idx'} is no readable IDX file: it must have 3136 bytes")


def test_every_frame_is_an_image(run, network, tmp_path):
    path, expected = network
    first, *others = map(Image.fromarray, [*DIGITS[:2], WIDE[2]])
    file = write(tmp_path / "pages.tif", first, save_all=True, append_images=others)
    assert run("predict", path, file).out.splitlines() == [f"{file}[{i}]: {expected[i]}" for i in range(3)]


def test_dark_ink_on_transparent_paper_needs_a_background(run, network, tmp_path):
    path, expected = network
    ink = Image.merge(
        "LA", [Image.fromarray(np.where(DIGITS[0] > 0, DIGITS[0], 255)), Image.fromarray((DIGITS[0] > 0) * np.uint8(255))]
    )
    file = write(tmp_path / "digit.png", ink)
    assert run("predict", path, file).out == f"{file}[0]: {expected[0]}\n"
    model = nn.load(path)
    other = np.where(DIGITS[0] > 0, DIGITS[0], 200)
    row = model.predict(other[None].astype(np.uint8))[0]
    assert run("predict", "--background", 200, path, file).out == f"{file}[0]: {int(row.argmax())} ({row.max():.1%})\n"


def test_colours_are_for_networks_that_take_them(run, tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (6, 5, 3), np.uint8)
    model = nn.Sequential([nn.Flatten(), nn.Dense(3)], input_shape=(6, 5, 3))
    path, file = save(tmp_path / "network.npz", model), write(tmp_path / "flag.png", picture)
    row = model.predict(picture[None])[0]
    assert run("predict", path, file).out == f"{file}[0]: {int(row.argmax())} ({row.max():.1%})\n"
    np.save(tmp_path / "one.npy", picture)
    assert run("predict", path, tmp_path / "one.npy").out.endswith(f"[0]: {int(row.argmax())} ({row.max():.1%})\n")
    np.save(tmp_path / "turned.npy", np.moveaxis(picture, -1, 0)[None])
    error = run("predict", path, tmp_path / "turned.npy", status=1).err
    assert "images must be 6 x 5 x 3, or many of them, but " in error
    assert error.endswith("turned.npy has 1 x 3 x 6 x 5; channels come last, as after numpy.moveaxis(images, -3, -1)\n")


def test_names_of_classes_and_numbers_of_regressions(run, tmp_path):
    model = nn.Sequential([nn.Dense(3, kernel_initializer="zeros")], input_shape=(2,))
    model.set_weights({"0.kernel": np.zeros((2, 3)), "0.bias": [0.5, 1.25, -1e6]})
    np.save(tmp_path / "rows.npy", np.zeros((1, 2)))
    for classes, loss, expected in (
        (None, "cross_entropy", "1 (67.9%)"),
        (["cat", "d\u00f6g\n"], "cross_entropy", "d\u00f6g\\n (67.9%)"),
        (["cat"], "cross_entropy", "1 (67.9%)"),
        (None, "mean_squared_error", "0.5 1.25 -1e+06"),
    ):
        path = save(tmp_path / "network.npz", model, classes, loss)
        assert run("predict", path, tmp_path / "rows.npy").out == f"{tmp_path / 'rows.npy'}[0]: {expected}\n"
    one = nn.Sequential([nn.Dense(1, bias_initializer="ones")], input_shape=(2,))  # not trained: its loss is still cross-entropy
    assert run("predict", save(tmp_path / "one.npz", one), tmp_path / "rows.npy").out.endswith("[0]: 1\n")
    picture = write(tmp_path / "digit.png", DIGITS[0])
    error = run("predict", tmp_path / "network.npz", picture, status=1).err
    assert (
        error
        == f"fastconv: predict: {picture} is no .npy or IDX file, and pictures are for networks that take 1 or 3 channels, not 2\n"
    )


def test_nan_is_no_class(run, network, tmp_path):
    images = DIGITS / 255
    images[1, 5, 5] = np.nan
    np.save(tmp_path / "x.npy", images)
    output = run("predict", network[0], tmp_path / "x.npy", status=1)
    assert [line[-len(text) :] for line, text in zip(output.out.splitlines(), np.delete(network[1], 1))] == [
        *np.delete(network[1], 1)
    ]
    assert output.err.startswith(f"fastconv: predict: {tmp_path / 'x.npy'}[1]: the result is NaN")


# Bad files


def test_one_bad_file_stops_none_of_the_others(run, network, tmp_path):
    path, expected = network
    good = [write(tmp_path / f"{i}.png", DIGITS[i]) for i in range(2)]
    whole = good[0].read_bytes()
    bad = {
        "cut.png": whole[:-30], "text.png": b"no picture", "empty.png": b"", "cut.idx": idx_bytes(DIGITS)[:-1],
        "small.png": write(tmp_path / "s.png", DIGITS[0][:20]).read_bytes(),
        "bad.npy": b"\x93NUMPY\x01\x00\x10\x00{'shape': (((((\n",
    }  # fmt: skip
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "size.npy", np.zeros((2, 27, 28), np.uint8))
    np.save(tmp_path / "text.npy", np.full((28, 28), "ink"))
    names = [*bad, "size.npy", "text.npy", "nowhere.png", "."]
    output = run("predict", path, good[0], *(tmp_path / name for name in names), good[1], status=1)
    assert output.out.splitlines() == [f"{name}[0]: {text}" for name, text in zip(good, expected)]
    lines = output.err.splitlines()
    assert len(lines) == len(names)
    for line, name in zip(lines, names):
        assert line.startswith("fastconv: ") and str(tmp_path / name) in line
    assert lines[4].endswith("small.png must be 28 x 28 pixels (height x width), but it is 20 x 28")
    assert "predict: images must be 28 x 28, or many of them, but " in lines[6] and lines[6].endswith("has 2 x 27 x 28")


def test_a_model_that_cant_be_read_stops_everything(run, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for name in ("nowhere.npz", "folder.npz", "network.h5"):
        output = run("predict", tmp_path / name, "one.png", status=1)
        assert output.out == "" and output.err.count("\n") == 1 and str(tmp_path / name) in output.err


def test_without_pillow_arrays_are_still_read(run, network, tmp_path, monkeypatch):
    np.save(tmp_path / "one.npy", DIGITS[0])
    monkeypatch.setitem(sys.modules, "PIL", None)
    output = run("predict", network[0], "digit.png", tmp_path / "one.npy", status=1)
    assert output.err == "fastconv: [Errno 2] No such file or directory: 'digit.png'\n"
    (tmp_path / "one.png").write_bytes(b"\x89PNG")
    output = run("predict", network[0], tmp_path / "one.png", tmp_path / "one.npy", status=1)
    assert output.err == f"fastconv: predict: to read {tmp_path / 'one.png'}, install Pillow: pip install Pillow\n"
    assert output.out == f"{tmp_path / 'one.npy'}[0]: {network[1][0]}\n"


# Names of files


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {}]
)
def test_names_that_the_terminal_cant_write_are_escaped(network, tmp_path, variables):
    names = ["caf\u00e9.png", "\u4e8c.npy", os.fsdecode(b"\xff\xfe.png"), "a\nb.png", "\u4e09.png"]
    for name in names[:4]:
        if name.endswith(".npy"):
            np.save(tmp_path / name, DIGITS[0])
        else:
            write(tmp_path / name, DIGITS[0])
    done = run_python("-m", "fastconv", "predict", network[0], *names, cwd=tmp_path, errors="backslashreplace", **variables)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 4
    assert "codec" not in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("fastconv: [Errno 2] No such file or directory: ")
    assert all(line.endswith(f"png[0]: {network[1][0]}") or ".npy[0]" in line for line in done.stdout.splitlines())


def test_a_home_directory_is_filled_in(run, network, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "digit.png", DIGITS[0])
    assert run("predict", network[0], "~/digit.png").out == f"~/digit.png[0]: {network[1][0]}\n"


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="pipes have no names here")
def test_a_pipe_is_refused_as_such(run, network, tmp_path):
    path, expected = network
    read, write_end = os.pipe()
    try:
        with open(write_end, "wb") as pipe, open(write(tmp_path / "digit.png", DIGITS[0]), "rb") as file:
            pipe.write(file.read())
        output = run("predict", path, f"/dev/fd/{read}", tmp_path / "digit.png", status=1)
    finally:
        os.close(read)
    assert output.err.startswith(f"fastconv: predict: images must be in a file, but /dev/fd/{read} is a pipe or a device, ")
    assert output.out == f"{tmp_path / 'digit.png'}[0]: {expected[0]}\n"
