"""The saved network: what comes back is what was saved, saving is atomic, and foreign or broken files are refused."""

import io
import os
import random

import numpy as np
import pytest

from fastconv.engine import model_file
from fastconv.engine.model_file import load_network, save_network
from fastconv.engine.online import OnlineNetwork

from .files import Malice


@pytest.fixture
def network():
    return OnlineNetwork(filters=3, kernel_size=2, classes=4, width=7, seed=9)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.npz"


def arrays_of(network):
    sizes = {name: np.int64(getattr(network, name)) for name in ("filters", "kernel_size", "classes", "width")}
    return {"format": np.array("fastconv notebook network 1"), **sizes, **network.get_weights()}


def write(path, **arrays):
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("kind", [str, os.fspath, lambda path: path])
def test_what_is_saved_comes_back(network, path, kind):
    save_network(network, kind(path))
    comp = load_network(kind(path))
    assert comp.weights_hash() == network.weights_hash()
    assert (comp.filters, comp.kernel_size, comp.classes, comp.width) == (3, 2, 4, 7)
    for name, weights in network.get_weights().items():
        assert np.array_equal(comp.get_weights()[name], weights)
        assert comp.get_weights()[name].dtype == np.float32


def test_a_name_without_npz_is_kept(network, tmp_path):
    save_network(network, tmp_path / "network.dat")
    assert [item.name for item in tmp_path.iterdir()] == ["network.dat"]
    assert load_network(tmp_path / "network.dat").weights_hash() == network.weights_hash()


@pytest.mark.parametrize("place", ["savez", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_failure_leaves_the_old_file_and_nothing_else(network, path, monkeypatch, place, error):
    save_network(network, path)
    before = path.read_bytes()
    network.set_weights(**{name: array + 1 for name, array in network.get_weights().items()})

    def fail(*arguments, **options):
        if place == "savez":
            arguments[0].write(b"half of it")
        raise error

    monkeypatch.setattr(model_file.np if place == "savez" else model_file.os, place, fail)
    with pytest.raises(type(error)):
        save_network(network, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_named(network, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_network(network, tmp_path / "nowhere" / "network.npz")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_network(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"bias": None}, r"must hold \('format', .*, but holds \["),
        ({"more": np.zeros(1)}, r"must hold \('format', .*'more'"),
        ({"format": np.array("fastconv notebook network 2")}, "of the format 'fastconv notebook network 1'"),
        ({"filters": np.int64(4)}, r"kernels in .* must be float32 of \(4, 2, 2\), but is float32 of \(3, 2, 2\)"),
        ({"width": np.int64(9)}, r"weight in .* must be float32 of \(48, 4\), but is float32 of \(27, 4\)"),
        ({"bias": np.zeros(4)}, r"bias in .* must be float32 of \(4,\), but is float64 of \(4,\)"),
        ({"kernels": np.zeros((3, 4), np.float32)}, r"kernels in .* but is float32 of \(3, 4\)"),
        ({"classes": np.array([4])}, "the sizes in .* must be single integers"),
        ({"classes": np.float64(4)}, "the sizes in .* must be single integers"),
        ({"classes": np.array("4")}, "the sizes in .* must be single integers"),
        ({"filters": np.int64(0)}, "filters must be at least 1, but is 0"),
        ({"width": np.int64(5000)}, "sizes in .* must be at most 4096, but are .*5000"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_arrays_that_are_no_network_are_refused(network, path, changes, text):
    write(path, **arrays_of(network) | changes)
    with pytest.raises(ValueError, match=f"^load_network: .*{text}"):
        load_network(path)


@pytest.mark.parametrize("kept", [0, 10, 300, -30])
def test_a_truncated_file_is_refused(network, path, kept):
    save_network(network, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"^load_network: .*network\.npz is no readable \.npz file: "):
        load_network(path)


def test_too_large_a_promise_is_refused(network, path, monkeypatch):
    save_network(network, path)
    monkeypatch.setattr(model_file, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="^load_network: .* must have at most 1000 bytes, but promises "):
        load_network(path)


def test_nothing_is_unpickled(network, path, tmp_path):
    trap = tmp_path / "pickle was run"
    write(path, **arrays_of(network) | {"bias": np.array([Malice(trap)], object)})
    with pytest.raises(ValueError, match="^load_network: .*Object arrays cannot be loaded"):
        load_network(path)
    assert not trap.exists()


def test_random_damage_is_refused_by_name(network, path):
    save_network(network, path)
    rng, content, refused = random.Random(4), path.read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            load_network(path)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(("load_network: ", "OnlineNetwork: ")), error
    assert refused > 100


def test_the_file_is_read_without_fastconv(network, path):
    save_network(network, path)
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        assert sorted(file.files) == sorted(arrays_of(network))
        assert np.array_equal(file["kernels"], network.get_weights()["kernels"])
