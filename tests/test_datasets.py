"""MNIST as it is shipped, and .npz files: what is read and what is refused."""

import gzip
import hashlib
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastconv.datasets import load_mnist, load_npz, mnist

from .files import Malice
from .processes import run_code

MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}


def test_importing_the_datasets_imports_no_numba():
    assert run_code("import sys, fastconv.datasets; print('numba' in sys.modules, 'pooch' in sys.modules)") == "False False\n"


def test_mnist_has_its_known_shapes_and_values():
    arrays = load_mnist()
    assert [array.shape for array in arrays] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}
    assert np.bincount(arrays[1]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert arrays[3][:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]


@pytest.mark.parametrize("name", MD5)
def test_mnist_is_the_published_one(name):
    content = gzip.decompress((Path(mnist.__file__).with_name("mnist") / name).read_bytes())
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == MD5[name]


def tiny_arrays():
    images = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
    return {"x_train": images, "y_train": np.arange(5), "x_test": images[:2] + 100, "y_test": np.array([3, 1])}


def npz(compress=False, **changes):
    """Return the tiny arrays, with the changes made (None: left out), as the bytes of a .npz file."""
    file = io.BytesIO()
    arrays = {name: array for name, array in {**tiny_arrays(), **changes}.items() if array is not None}
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


@pytest.fixture
def file_of(tmp_path):
    def write(content):
        (tmp_path / "data.npz").write_bytes(content)
        return tmp_path / "data.npz"

    return write


@pytest.mark.parametrize("compress", [False, True])
def test_load_npz_returns_the_arrays_of_the_file(file_of, compress):
    for array, expected in zip(load_npz(file_of(npz(compress, other=np.zeros(2)))), tiny_arrays().values()):
        assert array.dtype == expected.dtype
        assert np.array_equal(array, expected)


@pytest.mark.parametrize("missing", tiny_arrays())
def test_load_npz_refuses_a_file_without_one_of_the_arrays(file_of, missing):
    with pytest.raises(ValueError, match=rf"^load_npz: .*must hold \('x_train'.*, but has no \['{missing}'\]"):
        load_npz(file_of(npz(**{missing: None})))


def test_load_npz_unpickles_nothing(file_of, tmp_path):
    trap = tmp_path / "pickle was run"
    content = npz(x_train=np.array([Malice(trap)] * 5, object).reshape(5, 1))
    with pytest.raises(
        ValueError, match="^load_npz: .*no readable .npz file: arrays must be of numbers or texts, but one is of objects"
    ):
        load_npz(file_of(content))
    assert not trap.exists()
    with np.load(io.BytesIO(content), allow_pickle=True) as arrays:
        assert arrays["x_train"].size == 5
    assert trap.exists()  # the trap works


@pytest.mark.parametrize("changes", [{"y_train": np.arange(4)}, {"y_test": np.array(3)}, {"x_test": np.arange(2)}], ids=str)
def test_load_npz_refuses_images_without_labels(file_of, changes):
    with pytest.raises(ValueError, match="^load_npz: (train|test) images and labels must be as many, but are"):
        load_npz(file_of(npz(**changes)))


def with_array_header(shape):
    """Return a .npz whose first array's own header promises a shape that isn't there."""
    array, file = io.BytesIO(), io.BytesIO(npz(x_train=None))
    np.lib.format.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("x_train.npy", array.getvalue() + b"data")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip file",
        npz()[:-30],
        npz(compress=True)[:300] + b"\xff" * 9 + npz(compress=True)[309:],
        with_array_header((2**50,)),
        with_array_header((2**70,)),
        with_array_header((7, 4, 4)),
        with_array_header((-1,)),
    ],
    ids=["empty", "text", "truncated", "damaged", "huge header", "overflowing header", "lying header", "negative size"],
)
def test_load_npz_refuses_what_it_cannot_read(file_of, content):
    with pytest.raises(ValueError, match=r"^load_npz: .*data\.npz is no readable \.npz file: "):
        load_npz(file_of(content))


def test_load_npz_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing here"):
        load_npz(tmp_path / "nothing here")


@pytest.mark.parametrize("compress", [False, True])
def test_load_npz_refuses_random_damage_by_name(file_of, compress):
    rng, content, refused = random.Random(7), npz(compress), 0
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            load_npz(file_of(bytes(damaged)))
        except ValueError as error:
            refused += 1
            assert str(error).startswith("load_npz: "), error
    assert refused > 100
