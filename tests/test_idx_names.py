"""MNIST's four files under the names that people have them by."""

import gzip

import pytest

from fastconv.commands import train_model as training
from fastconv.datasets import load_fashion_mnist

from .files import MNIST_FILES, idx_bytes, tiny_pictures, write_mnist_folder
from .test_dataset_places import assert_same, user_cache

ARRAYS = tiny_pictures(width=28, train=3, test=2)


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("place", ["given", "environment", "cache", "train"])
@pytest.mark.parametrize("name", ["{}", "{}.gz", "dot", "dot.gz", "{}/{}", "dot/dot", "mixed"])
def test_names_as_others_have_them(monkeypatch, tmp_path, name, place):
    """Kaggle's are train-images.idx3-ubyte, or train-images-idx3-ubyte in a folder of that name; browsers unpack what they load."""
    names = {item: (name if name != "mixed" else ["{}", "dot.gz", "{}/{}", "dot"][i]) for i, item in enumerate(MNIST_FILES)}
    folder = {"cache": user_cache() / "fashion-mnist", "environment": tmp_path / "mine"}.get(place, tmp_path / "given")
    for (item, form), array in zip(names.items(), ARRAYS):
        path = folder / form.replace("dot", "{}").format(*[item.replace("-idx", ".idx") if "dot" in form else item] * 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(idx_bytes(array)) if form.endswith(".gz") else idx_bytes(array))
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "mine"))
    if place == "train":
        assert_same(training.load_data(str(folder)), ARRAYS)
        assert_same(training.load_data(str(folder), limit=2), (ARRAYS[0][:2], ARRAYS[1][:2], *ARRAYS[2:]))
    else:
        assert_same(load_fashion_mnist(folder if place == "given" else None), ARRAYS)


def test_a_folder_named_as_a_file_is_none(tmp_path):
    folder = write_mnist_folder(tmp_path / "given", ARRAYS)
    (folder / MNIST_FILES[0]).mkdir()
    assert_same(training.load_data(str(folder)), ARRAYS)
    (folder / f"{MNIST_FILES[0]}.gz").unlink()
    (folder / f"{MNIST_FILES[3]}.gz").unlink()
    with pytest.raises(
        FileNotFoundError, match=f"^evaluate: {folder} must have {MNIST_FILES[0]}, {MNIST_FILES[3]} .*, but hasn't$"
    ):
        training.load_data(str(folder), "evaluate")
