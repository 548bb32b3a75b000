"""Fashion-MNIST and CIFAR-10: where they are looked for, the download that isn't made here, and what is refused."""

import gzip
import io
import os
import sys
import tarfile
import types
from pathlib import Path

import numpy as np
import pytest

from fastconv.datasets import cifar10, load_cifar10, load_fashion_mnist, mnist, sources

from .files import MNIST_FILES, tiny_pictures, write_mnist_folder

ARRAYS = tiny_pictures(width=28, train=3, test=2)


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """An empty home, no FASTCONV_DATA, system places that are empty, and no pooch."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for name in ("FASTCONV_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for module, name in ((mnist, "FASHION_PLACES"), (cifar10, "PLACES")):
        monkeypatch.setattr(module, name, ("~/elsewhere", str(tmp_path / "system")))
    monkeypatch.setitem(sys.modules, "pooch", None)


def user_cache():
    return Path(sources.user_cache()).expanduser()


def assert_same(arrays, expected):
    assert len(arrays) == len(expected)
    for array, other in zip(arrays, expected):
        assert array.dtype == other.dtype
        assert np.array_equal(array, other)


# Where the files may lie


@pytest.mark.parametrize("kind", [str, Path])
def test_a_given_folder(tmp_path, kind):
    folder = write_mnist_folder(tmp_path / "given", ARRAYS)
    assert_same(load_fashion_mnist(kind(folder)), ARRAYS)
    assert_same(load_fashion_mnist(path=kind(folder)), ARRAYS)


@pytest.mark.parametrize("inside", ["fashion-mnist", "."])
def test_the_folder_of_the_environment(monkeypatch, tmp_path, inside):
    write_mnist_folder(tmp_path / "mine" / inside, ARRAYS)
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "mine"))
    assert_same(load_fashion_mnist(), ARRAYS)


@pytest.mark.parametrize("place", ["home/elsewhere", "system", "cache"])
def test_other_places(tmp_path, place):
    write_mnist_folder(user_cache() / "fashion-mnist" if place == "cache" else tmp_path / place, ARRAYS)
    assert_same(load_fashion_mnist(), ARRAYS)


def test_the_environment_goes_before_the_cache_and_that_before_the_system(monkeypatch, tmp_path):
    first, second, third = (tuple(array + n for array in ARRAYS[::2]) for n in (1, 2, 3))
    for folder, images in ((tmp_path / "mine", first), (user_cache() / "fashion-mnist", second), (tmp_path / "system", third)):
        write_mnist_folder(folder, (images[0], ARRAYS[1], images[1], ARRAYS[3]))
    assert np.array_equal(load_fashion_mnist()[0], second[0])
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "mine"))
    assert np.array_equal(load_fashion_mnist()[0], first[0])


def test_a_folder_with_some_of_the_files_is_not_taken(monkeypatch, tmp_path):
    write_mnist_folder(tmp_path / "system", ARRAYS)
    half = write_mnist_folder(tmp_path / "mine", (ARRAYS[0] + 1, *ARRAYS[1:]))
    (half / f"{MNIST_FILES[3]}.gz").unlink()
    monkeypatch.setenv("FASTCONV_DATA", str(half))
    assert_same(load_fashion_mnist(), ARRAYS)


# Where they don't


@pytest.mark.parametrize("load", [load_fashion_mnist, load_cifar10])
def test_missing_files_name_every_place_and_the_extra(monkeypatch, tmp_path, load):
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError, match=rf"^{load.__name__}: .* must be in one folder, but none of these") as caught:
        load()
    text = str(caught.value)
    dataset = "fashion-mnist" if load is load_fashion_mnist else "cifar-10"
    for place in (tmp_path / "mine" / dataset, user_cache() / dataset, tmp_path / "home" / "elsewhere", tmp_path / "system"):
        assert str(place) in text
    assert f"{tmp_path / 'mine'}, " in text
    assert text.endswith("install pooch: pip install pooch")


@pytest.mark.parametrize("load", [load_fashion_mnist, load_cifar10])
def test_a_given_folder_is_the_only_place(monkeypatch, tmp_path, load):
    monkeypatch.setenv("FASTCONV_DATA", str(write_mnist_folder(tmp_path / "mine", ARRAYS)))
    with pytest.raises(FileNotFoundError, match=rf"^{load.__name__}: .* none of these has them: {tmp_path / 'given'}$"):
        load(tmp_path / "given")


def test_without_a_home_directory_the_other_places_remain(monkeypatch, tmp_path):
    def homeless(path):
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(FileNotFoundError, match=f"none of these has them: {tmp_path / 'system'}$"):
        load_fashion_mnist()
    write_mnist_folder(tmp_path / "system", ARRAYS)
    assert_same(load_fashion_mnist(), ARRAYS)


# The download


def fake_pooch(monkeypatch, retrieve):
    monkeypatch.setitem(sys.modules, "pooch", types.SimpleNamespace(retrieve=retrieve))


@pytest.fixture
def shared_by_the_group():
    """The umask of systems where each user has a group."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def test_the_download_has_an_address_a_hash_and_a_place(monkeypatch, shared_by_the_group):
    calls = []

    def retrieve(url, known_hash, *, fname, path, progressbar):
        calls.append((url, known_hash, fname, Path(path)))
        assert not progressbar
        assert Path(path).parent.parent.stat().st_mode & 0o022 == 0
        return str(write_mnist_folder(Path(path), ARRAYS) / fname)

    fake_pooch(monkeypatch, retrieve)
    assert_same(load_fashion_mnist(), ARRAYS)
    base, cache = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        user_cache() / "fashion-mnist",
    )
    hashes = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
    assert calls == [(base + name, f"sha256:{digest}", name, cache) for name, digest in hashes.items()]
    assert_same(load_fashion_mnist(), ARRAYS)
    assert len(calls) == 4  # the second time they are there


def test_the_download_of_cifar10_has_its_hash(monkeypatch):
    def retrieve(url, known_hash, **options):
        raise ValueError(f"asked for {url} with {known_hash}")

    fake_pooch(monkeypatch, retrieve)
    asked = (
        "asked for https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz with "
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    )
    with pytest.raises(FileNotFoundError, match=rf"^load_cifar10: .*the download from https://.*/ failed: {asked}$"):
        load_cifar10()


@pytest.mark.parametrize("error", [OSError("no network"), ValueError("SHA256 hash of downloaded file doesn't match")], ids=str)
def test_a_failed_download_names_the_places_too(monkeypatch, tmp_path, error):
    def retrieve(url, known_hash, **options):
        raise error

    fake_pooch(monkeypatch, retrieve)
    with pytest.raises(FileNotFoundError, match=f"{tmp_path / 'system'}, and the download from https://.* failed: {error}$"):
        load_fashion_mnist()


# What is refused


@pytest.mark.parametrize(
    "index, wrong, text",
    [
        (1, np.array([3, 10, 1], np.uint8), "the largest label is 10$"),
        (3, np.array([3], np.uint8), r"but the shapes are \(2, 28, 28\) and \(1,\)"),
        (1, np.zeros((3, 1), np.uint8), r"but the shapes are \(3, 28, 28\) and \(3, 1\)"),
        (2, np.zeros((2, 28), np.uint8), r"but the shapes are \(2, 28\) and \(2,\)"),
    ],
)
def test_images_and_labels_must_match(tmp_path, index, wrong, text):
    arrays = [*ARRAYS[:index], wrong, *ARRAYS[index + 1 :]]
    with pytest.raises(ValueError, match=f"^load_fashion_mnist: each of .* images must have a label from 0 to 9, .*{text}"):
        load_fashion_mnist(write_mnist_folder(tmp_path / "given", arrays))


RECORDS = {f"data_batch_{i}.bin": 2 for i in range(1, 6)} | {"test_batch.bin": 3}


def cifar_records():
    rng = np.random.default_rng(2)
    return {
        name: np.hstack([rng.integers(0, 10, (n, 1)), rng.integers(0, 256, (n, 3072))]).astype(np.uint8)
        for name, n in RECORDS.items()
    }


def write_cifar(folder, members, finish=lambda content: content):
    """Write a tar.gz of the members (bytes, or the name that a symbolic link points to) and return its folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(b"" if isinstance(content, str) else content))
    (folder / "cifar-10-binary.tar.gz").write_bytes(finish(file.getvalue()))
    return folder


def cifar_bytes(**changes):
    records = {name: array.tobytes() for name, array in cifar_records().items()} | {f"{k}.bin": v for k, v in changes.items()}
    return {name: content for name, content in records.items() if content is not None}


def test_cifar10_has_its_pixels_and_labels_in_order(tmp_path):
    x_train, y_train, x_test, y_test = load_cifar10(write_cifar(tmp_path, cifar_bytes()))
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == ((10, 32, 32, 3), (10,), (3, 32, 32, 3), (3,))
    records = list(cifar_records().values())
    for images, labels, rows in ((x_train, y_train, np.concatenate(records[:5])), (x_test, y_test, records[5])):
        assert images.dtype == labels.dtype == np.uint8
        assert images.flags.c_contiguous
        for image, label, row in zip(images, labels, rows):
            assert label == row[0]
            for channel in range(3):
                for line in (0, 5, 31):
                    start = 1 + channel * 1024 + line * 32
                    assert np.array_equal(image[line, :, channel], row[start : start + 32])


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"data_batch_3": None}, "must hold cifar-10-batches-bin/data_batch_3.bin, but doesn't"),
        ({"test_batch": bytes(3074)}, "test_batch.bin must be up to 10000 records of 3073 bytes, but has 3074"),
        ({"data_batch_1": bytes([10]) + bytes(3072)}, "labels in data_batch_1.bin must be from 0 to 9, but one is 10"),
        ({"data_batch_2": bytes(3073 * 10001)}, "must be up to 10000 records of 3073 bytes, but has 30733073"),
        ({"data_batch_2": "data_batch_1.bin"}, "data_batch_2.bin must be up to 10000 records of 3073 bytes, but has 0"),
    ],
    ids=["missing", "size", "label", "too many", "link"],
)
def test_cifar10_refuses_wrong_members(tmp_path, changes, text):
    with pytest.raises(ValueError, match=f"^load_cifar10: .*{text}"):
        load_cifar10(write_cifar(tmp_path, cifar_bytes(**changes)))


@pytest.mark.parametrize(
    "finish",
    [
        lambda c: b"",
        lambda c: b"no archive",
        lambda c: c[: len(c) // 2],
        lambda c: c[:9000] + b"\xff" * 50 + c[9050:],
        gzip.decompress,
    ],
    ids=["empty", "text", "truncated", "damaged", "not compressed"],
)
def test_cifar10_refuses_a_broken_archive(tmp_path, finish):
    with pytest.raises(ValueError, match=r"^load_cifar10: .*cifar-10-binary\.tar\.gz is no readable tar\.gz file of CIFAR-10: "):
        load_cifar10(write_cifar(tmp_path, cifar_bytes(), finish))
