"""Broken files of every kind that fastconv reads: each must give the right result, or ValueError or OSError that names it.

    python -m tests.fuzz_files 10000 [seed [kind [number]]]

So many of each kind, or of one; with a number, that one alone. No other exception may come out, no warning of a library's (but
Pillow's of what it reads nevertheless), and no more memory be taken than a few times what a file holds. libtiff writes on standard
error what it thinks of a file.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fastconv import nn
from fastconv.datasets import load_npz, read_idx, read_image
from fastconv.files.npy import load_npy

from .files import idx_bytes
from .fuzz import peak_mebibytes
from .mutations import bytes_changed, idx_changed, npy_changed, png_changed, safetensors_changed, zip_changed

MOST_MEBIBYTES, PICTURE_MEBIBYTES = 48, 450
"""What one file may take, all of which have less than 20 KB; a picture of 16 million pixels may be real, if it is blank."""
MEMORY = "/dev/shm"
"""Where files are fast."""
OURS = ("load: ", "fit: ", "read_image: ", "load_npz: ")
Change = Callable[[random.Random, bytes], bytes]


class Kind(NamedTuple):
    """A good file, how to read it, ways to break it by its fields, and whether checksums show every other change."""

    suffix: str
    content: bytes
    read: Callable[[Path], Any]
    changes: tuple[Change, ...] = ()
    checked: bool = False
    most: int = MOST_MEBIBYTES


def rows(count=40):
    x = np.random.default_rng(1).integers(0, 256, (count, 7, 6), np.uint8)
    return x, x.reshape(count, -1)[:, :3].argmax(axis=1)


def with_every_layer():
    layers = [nn.Conv2D(2, (3, 2), stride=(1, 2), padding=((1, 0), (0, 1)), activation="relu"), nn.BatchNorm(), nn.ZeroPad2D(1),
              nn.DepthwiseConv2D(3, padding="same"), nn.LeakyReLU(0.25), nn.MaxPool2D(2),
              nn.AvgPool2D((2, 1), ceil_mode=True), nn.ReLU(), nn.GlobalAvgPool2D(),
              nn.Flatten(), nn.Dropout(0.5), nn.Dense(3)]  # fmt: skip
    return nn.Sequential(layers, input_shape=(9, 8), seed=3)


def trained_model():
    return nn.Sequential([nn.Flatten(), nn.Dropout(0.1), nn.Dense(8, activation="relu"), nn.Dense(3)], input_shape=(7, 6))


def read_model(path):
    model = nn.load(path)
    return model.weights_hash(), repr(model.layers), model.shapes, model.seed, model.loss


def read_checkpoint(path, write=False):
    """Go on with a finished training: nothing is left to do."""
    model = trained_model()
    before = model.weights_hash()
    callbacks = [nn.EarlyStopping("loss", patience=5)]
    try:
        history = model.fit(*rows(), epochs=2, batch_size=16, optimizer=nn.Adam(0.01), callbacks=callbacks, threads=1,
                            progress=False, checkpoint=path, resume=not write)  # fmt: skip
    except (ValueError, OSError):
        assert model.weights_hash() == before, "the model has changed"
        raise
    return model.weights_hash(), repr(history)


def written(write, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"good{suffix}")
        write(path)
        return path.read_bytes()


def data_npz(compression):
    file, (x, y) = io.BytesIO(), rows()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in (("x_train", x), ("y_train", y), ("x_test", x[:9]), ("y_test", y[:9])):
            with archive.open(f"{name}.npy", "w") as part:
                np.lib.format.write_array(part, array)
    return file.getvalue()


def read_data(path):
    return [(array.dtype.str, array.shape, array.tobytes()) for array in load_npz(path)]


def read_array(read, path):
    array = read(path)
    return array.dtype.str, array.shape, array.tobytes()


def picture(kind, mode="L", **options):
    channels, dtype = (4,) if mode == "RGBA" else (), np.uint16 if mode == "I;16" else np.uint8
    file, pixels = (
        io.BytesIO(),
        np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (12, 12, *channels), dtype, endpoint=True),
    )
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def within_gzip(change: Change) -> Change:
    return lambda rng, content: gzip.compress(change(rng, gzip.decompress(content)), 1)


def kinds() -> dict[str, Kind]:
    def training(path):
        return read_checkpoint(path, write=True)

    models = {s: written(with_every_layer().save, s) for s in (".npz", ".safetensors")}
    trainings = {s: written(training, s) for s in (".npz", ".safetensors")}
    structure, both = (partial(zip_changed, texts=("structure",)), partial(zip_changed, texts=("structure", "training")))
    array = written(lambda path: np.save(path, rows()[0]), ".npy")
    idx = idx_bytes(rows()[0])
    of_idx, of_picture = partial(read_array, read_idx), partial(read_array, read_image)
    found = {
        "model npz": Kind(".npz", models[".npz"], read_model, (structure, zip_changed), True),
        "model safetensors": Kind(".safetensors", models[".safetensors"], read_model, (safetensors_changed,)),
        "checkpoint npz": Kind(".npz", trainings[".npz"], read_checkpoint, (both, zip_changed), True),
        "checkpoint safetensors": Kind(".safetensors", trainings[".safetensors"], read_checkpoint, (safetensors_changed,)),
        "npy": Kind(".npy", array, partial(read_array, partial(load_npy, "load")), (npy_changed,)),
        "idx": Kind("", idx, of_idx, (idx_changed,)),
        "idx gzip": Kind(".gz", gzip.compress(idx), of_idx, (within_gzip(idx_changed),), True),
    }
    for name in ("STORED", "DEFLATED", "BZIP2", "LZMA"):
        compression = getattr(zipfile, f"ZIP_{name}")
        found[f"data {name.lower()}"] = Kind(".npz", data_npz(compression), read_data, (zip_changed,), True)
    for mode in ("L", "RGBA", "I;16"):
        found[f"png {mode}"] = Kind(".png", picture("PNG", mode), of_picture, (png_changed,), most=PICTURE_MEBIBYTES)
    for form, options in (("JPEG", {}), ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_adobe_deflate"})):
        found[" ".join([form.lower(), *options.values()])] = Kind(
            f".{form.lower()}", picture(form, **options), of_picture, most=PICTURE_MEBIBYTES
        )
    return found


class Fuzz:
    """Breaks and reads files of one kind in a folder."""

    def __init__(self, name: str, kind: Kind, others: list[bytes], folder: Path, seed: int):
        self.name, self.kind, self.others, self.seed = name, kind, others, seed
        self.path = folder / f"broken{kind.suffix}"
        self.path.write_bytes(kind.content)
        self.expected, self.refused = kind.read(self.path), 0

    def broken(self, number: int) -> tuple[bytes, bool]:
        """Return a broken file, and whether it is so in the bytes of the good one."""
        rng = random.Random(f"{self.seed} {self.name} {number}")
        if self.kind.changes and rng.random() < 0.5:
            return rng.choice(self.kind.changes)(rng, self.kind.content), False
        return bytes_changed(rng, self.kind.content, self.others), True

    def run(self, number: int) -> str | None:
        """Read a broken file; return what broke the rules, or None."""
        content, by_bytes = self.broken(number)
        self.path.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            problem = self._read(by_bytes)
        foreign = [str(w.message) for w in caught if not str(w.message).startswith(OURS) and "PIL" not in Path(w.filename).parts]
        return problem or (f"a warning: {foreign[0]}" if foreign else None)

    def _read(self, by_bytes: bool) -> str | None:
        try:
            found = self.kind.read(self.path)
        except (ValueError, OSError) as error:
            self.refused += 1
            return None if str(self.path) in str(error) else f"the error doesn't name the file: {error!r}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{type(error).__name__}: {error}"
        return "another result" if by_bytes and self.kind.checked and found != self.expected else None


def main(count: int, seed: int = 0, only: str = "", first: int | None = None) -> int:
    """Break and read so many files of each kind; print what broke the rules and the figures; return how many did."""
    start, broken, every = time.perf_counter(), 0, kinds()
    numbers = range(count) if first is None else range(first, first + 1)
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as folder:
        for name, kind in every.items():
            if only not in ("", name):
                continue
            fuzz, began, found = Fuzz(name, kind, [k.content for k in every.values()], Path(folder), seed), time.perf_counter(), 0
            peak = peak_mebibytes()
            for number in numbers:
                problem, higher = fuzz.run(number), peak_mebibytes()
                if problem is None and higher > peak + kind.most:
                    problem = f"{higher - peak:.0f} MiB"
                peak = higher
                if problem is not None:
                    found += 1
                    if found <= 20:
                        print(f"{name} {number}: {problem[:300]}")
            broken += found
            seconds = time.perf_counter() - began
            print(f"{name}: {len(numbers)} files, {fuzz.refused} refused, {found} broke the rules, {seconds:.1f} s", flush=True)
    print(f"{broken} broke the rules, {time.perf_counter() - start:.1f} s")
    return broken


if __name__ == "__main__":
    sys.exit(min(1, main(*(int(a) if a.isdigit() else a for a in sys.argv[1:]))))
