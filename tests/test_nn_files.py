"""Models in files: what comes back is what was saved, saving is atomic, and broken, hostile or foreign files are refused."""

import json
import os
import random
import struct
import sys
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save as safetensors_bytes

from fastconv import nn
from fastconv.nn.files import container as files
from fastconv.nn.layers import LAYERS, Weight

from .files import Malice

SUFFIXES = (".npz", ".safetensors")


def model_with_everything(seed=3):
    layers = [
        nn.Conv2D(4, (3, 2), stride=(1, 2), padding=((1, 0), (0, 1)), activation="leaky_relu", kernel_initializer="he_normal"),
        nn.DepthwiseConv2D(3, padding="same", use_bias=False),
        nn.ReLU(),
        nn.MaxPool2D(2, np.int64(1), ties="all"),
        nn.AvgPool2D((2, 1), ceil_mode=True),
        nn.LeakyReLU(0.25),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Dense(3),
    ]
    model = nn.Sequential(layers, input_shape=(9, 8), dtype="float64", seed=seed)
    model.loss = "mean_squared_error"
    return model


def tiny():
    return nn.Sequential([nn.Dense(2)], input_shape=(3,))


STRUCTURE = {
    "layers": [{"layer": "Dense", "options": {"units": 2}}],
    "input_shape": [3],
    "dtype": "float32",
    "seed": 0,
    "loss": "cross_entropy",
}
WEIGHTS = {"0.kernel": np.zeros((3, 2), np.float32), "0.bias": np.zeros(2, np.float32)}


def write(path, structure=STRUCTURE, form="fastconv model 1", **arrays):
    """Write a file of one's own making."""
    text = structure if isinstance(structure, str) else json.dumps(structure)
    texts, weights = {"format": form, "structure": text}, {k: v for k, v in (WEIGHTS | arrays).items() if v is not None}
    if path.suffix == ".npz":
        np.savez(path, **texts, **weights)
    else:
        path.write_bytes(safetensors_bytes(weights, texts))
    return path


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    return tmp_path / f"model{request.param}"


def refused(path, text):
    with pytest.raises(ValueError, match=rf"^load: .*{path.name} .*{text}"):
        nn.load(path)


# There and back


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_what_is_saved_comes_back(path, kind):
    model = model_with_everything()
    model.parameters[:5] = np.nan, np.inf, -0.0, 1e-310, 7
    model.save(kind(path))
    with pytest.warns(RuntimeWarning, match=rf"^load: .*{path.name} has weights that are NaN or infinite: 2 of 24 in 0.kernel$"):
        comp = nn.load(kind(path))
    assert comp.weights_hash() == model.weights_hash()
    assert repr(comp.layers) == repr(model.layers).replace("np.int64(1)", "1")
    assert (comp.shapes, comp.dtype, comp.seed, comp.loss) == (model.shapes, model.dtype, model.seed, model.loss)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_buffers_are_saved_too(path, monkeypatch):
    class Own(nn.ReLU):
        def weights(self, shape):
            return [Weight("mean", (4,), "zeros", 1, 1, trained=False)]

    monkeypatch.setitem(LAYERS, "Own", Own)
    model = nn.Sequential([nn.Dense(4), Own()], input_shape=(3,))
    model.buffers[:] = 1, 2, 3, 4
    model.save(path)
    assert nn.load(path).buffers.tolist() == [1, 2, 3, 4]


def test_what_i_write_here_is_a_model(path):
    assert nn.load(write(path)).layers[0].units == 2


def test_npz_is_read_without_fastconv(tmp_path):
    model = tiny()
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["0.bias", "0.kernel", "format", "structure"]
        assert json.loads(str(file["structure"]))["layers"][0]["layer"] == "Dense"
        assert np.array_equal(file["0.kernel"], model.get_weights()["0.kernel"])


def test_saving_goes_through_a_link(tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    tiny().save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert nn.load(tmp_path / "real.npz").shapes == [(3,), (2,)]


@pytest.mark.parametrize("place", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_failure_leaves_the_old_file_and_nothing_else(path, monkeypatch, place, error):
    tiny().save(path)
    before = path.read_bytes()

    def fail(*arguments):
        raise error

    monkeypatch.setattr(files.os, place, fail)
    with pytest.raises(type(error)):
        model_with_everything().save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_names_and_folders_are_checked(tmp_path):
    for operation, call in (("save", tiny().save), ("load", nn.load)):
        with pytest.raises(
            ValueError, match=rf"^{operation}: the file's name must end in \.npz or \.safetensors, but is .*model\.h5"
        ):
            call(tmp_path / "model.h5")
        with pytest.raises(FileNotFoundError, match="nowhere"):
            call(tmp_path / "nowhere" / "model.npz")


def test_a_layer_of_ones_own_is_not_written(path):
    class Own(nn.ReLU):
        pass

    with pytest.raises(TypeError, match="^save: files hold the layers .*, but layer 1 is a Own"):
        nn.Sequential([nn.Dense(2), Own()], input_shape=(3,)).save(path)
    assert not path.exists()


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (tiny().save, nn.load):
        with pytest.raises(ImportError, match=r"pip install safetensors$"):
            call(tmp_path / "model.safetensors")


# What is refused


def changed(**changes):
    return STRUCTURE | changes


def layer(name, **options):
    return changed(layers=[{"layer": name, "options": options}])


@pytest.mark.parametrize(
    "structure, text",
    [
        ("", "Expecting value"),
        ("[" * 100_000, "must not be nested so deep"),
        ('{"a":' * 100_000, "must not be nested so deep"),
        ("[]", "its structure must have"),
        (json.dumps(STRUCTURE).replace("3", "NaN"), "numbers must be finite, but one is NaN"),
        (json.dumps(STRUCTURE).replace("[3]", "[1e999]"), "numbers must be finite, but one is 1e999"),
        (json.dumps(STRUCTURE).replace("3", "9" * 5000), "digits"),
        (changed(more=1), "its structure must have"),
        (changed(dtype="O"), "its dtype or loss is none of ours: O"),
        (changed(dtype=["float32"]), "its dtype or loss is none of ours"),
        (changed(loss="pickle"), "its dtype or loss is none of ours: float32, pickle"),
        (changed(seed=-1), "seed must be at least 0"),
        (changed(seed=1.5), "seed must be an integer"),
        (changed(classes=["a", "a"]), "classes must be 1 to 2 different names, but are 'a', 'a'"),
        (changed(classes=["a", 1]), "classes must be names, but one is 1"),
        (changed(classes="ab"), "classes must be a sequence of names, or None, but is 'ab'"),
        (changed(classes={"b": 1, "a": 0}), "classes must be a sequence of names, or None, but is {'b': 1"),
        (changed(input_shape=[3.0]), r"input_shape\[0\] must be an integer"),
        (changed(input_shape=[-3]), r"input_shape\[0\] must be at least 0"),
        (changed(input_shape=[0]), "one to three sizes of at least 1"),
        (changed(input_shape=[]), "one to three sizes of at least 1"),
        (changed(input_shape=7), "holds no model"),
        (changed(input_shape=[4]), r"0.kernel must be float32 of \(4, 2\), but is float32 of \(3, 2\)"),
        (changed(dtype="float64"), "must be float64 of .*, but is float32"),
        (changed(layers={}), "its layers must be a list"),
        (changed(layers=[{"layer": "Dense"}]), "layer 0 must have a name and options"),
        (changed(layers=[["Dense", {}]]), "layer 0 must have a name and options"),
        (changed(layers=STRUCTURE["layers"] * 10_001), "a list of at most 10000"),
        (changed(layers=STRUCTURE["layers"] * 2), r"\['1.bias', '1.kernel'\] are missing"),
        (layer("os.system", command="x"), "layer 0 must be one of .*, but is 'os.system'"),
        (layer("__init__"), "layer 0 must be one of"),
        (layer("Layer"), "layer 0 must be one of"),
        (layer("Dense"), "layer 0: .*missing 1 required positional argument"),
        (layer("Dense", units=2, more=1), "layer 0: .*unexpected keyword argument 'more'"),
        (layer("Dense", units=2**62), r"0.kernel must be float32 of \(3, 4611686018427387904\)|0.bias must be"),
        (layer("Dense", units="2"), "units must be an integer"),
        (layer("Dense", units=True), "units must be an integer"),
        (layer("Dense", units=2, activation={}), "activation must be one of"),
        (layer("Dense", units=2, kernel_initializer=[]), "layer 0: "),
        (layer("Dropout", rate={}), "layer 0: "),
        (layer("LeakyReLU", slope=10**400), "layer 0: "),
        (layer("Conv2D", filters=2, kernel_size=3), r"the input must be images \(h, w, c\)"),
        (layer("Flatten"), "are missing and .'0.bias', '0.kernel'. too many"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_structures_that_are_none_are_refused(tmp_path, structure, text):
    path = write(tmp_path / "model.npz", structure)
    refused(path, text)


@pytest.mark.parametrize(
    "arrays, text",
    [
        ({"0.bias": None}, r"\['0.bias'\] are missing"),
        ({"1.bias": np.zeros(1)}, r"\['1.bias'\] too many"),
        ({"0.bias": np.zeros(3, np.float32)}, r"0.bias must be float32 of \(2,\), but is float32 of \(3,\)"),
        ({"0.bias": np.zeros(2)}, "0.bias must be float32 .*, but is float64"),
        ({"0.bias": np.zeros(2, np.int32)}, "0.bias must be float32 .*, but is int32"),
        ({"0.kernel": np.zeros((2, 3), np.float32)}, r"0.kernel must be float32 of \(3, 2\), but is float32 of \(2, 3\)"),
    ],
)
def test_arrays_that_are_not_the_layers_are_refused(path, arrays, text):
    refused(write(path, **arrays), text)


@pytest.mark.parametrize("form", ["fastconv model 2", "", "x" * 10_000])
def test_another_format_is_refused(path, form):
    refused(write(path, form=form), "its format must be 'fastconv model 1', but is ")


def test_foreign_files_are_refused(path):
    for content in (
        b"",
        b"\0" * 100,
        b"PK\3\4" + b"x" * 99,
        b"\x80\x04\x95" * 20,
        b"\xff" * 8 + b"{}",
        struct.pack("<Q", 2**40) + b"{}",
    ):
        path.write_bytes(content)
        refused(path, "is no readable")
    if path.suffix == ".npz":
        np.savez(path, kernels=np.zeros(3))
    else:
        path.write_bytes(safetensors_bytes({"kernels": np.zeros(3)}))
    refused(path, "its format must be 'fastconv model 1', but is 'none'")


@pytest.mark.parametrize("kept", [0, 1, 10, 300, -1, -30])
def test_a_truncated_file_is_refused(path, kept):
    model_with_everything().save(path)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "is no readable")


def test_nothing_is_unpickled(tmp_path):
    path, trap = tmp_path / "model.npz", tmp_path / "pickle was run"
    write(path, **{"0.bias": np.array([Malice(trap)], object)})
    refused(path, "must be of numbers or texts, but one is of object")
    assert not trap.exists()


def npy(shape, content=b""):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (-2,), (True,), ("x",), (2.0,), (float("nan"),)])
def test_promises_are_not_believed(tmp_path, shape, compression):
    """Neither those of an array nor those of a compressed part; and none takes memory before it is found out."""
    path = tmp_path / "model.npz"
    with zipfile.ZipFile(write(path, **{"0.bias": None}), "a") as archive:
        archive.writestr("0.bias.npy", npy(shape, b"\0" * 1_000_000), compression)
    refused(path, "is no readable .npz file: (its parts must be stored as they are|it must have at most|its header must have)")


def test_parts_that_share_their_bytes_or_names_are_refused(tmp_path):
    path = write(tmp_path / "model.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("big.npy", npy((25_000,), b"\0" * 100_000))
        for number in range(20):
            member = zipfile.ZipInfo(f"again{number}.npy")
            member.header_offset = archive.getinfo("big.npy").header_offset
            member.CRC, member.file_size = 0, archive.getinfo("big.npy").file_size
            member.compress_size = archive.getinfo("big.npy").file_size
            archive.filelist.append(member)
            archive.NameToInfo[member.filename] = member
        archive._didModify = True
    refused(path, r"its parts must be in the file's \d+ bytes, but are said to have 2\d{6}")
    path = write(tmp_path / "twice.npz")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("0.bias.npy", npy((2,), b"\0" * 8))
    refused(path, "its parts must have different names")


def test_random_damage_is_refused_by_name(path):
    model_with_everything().save(path)
    rng, content, count = random.Random(4), path.read_bytes(), 0
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(min(len(damaged), rng.choice([200, 2000, 10**9])))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            nn.load(path)
        except ValueError as error:
            count += 1
            assert str(error).startswith(f"load: {path} "), error
    assert count > 100


def test_a_folder_is_no_file(path):
    os.mkdir(path)
    with pytest.raises(OSError, match="Is a directory"):
        nn.load(path)


def test_an_interrupt_as_a_member_is_begun_is_an_interrupt(tmp_path, monkeypatch):
    """zipfile says then that it can't be closed, which would hide it."""
    kept, real = [], zipfile.ZipFile.open

    def interrupted(self, name, mode="r", **options):
        handle = real(self, name, mode, **options)
        if mode == "w":
            kept.append(handle)
            raise KeyboardInterrupt
        return handle

    monkeypatch.setattr(zipfile.ZipFile, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny().save(tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []
    kept.clear()
