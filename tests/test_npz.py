"""load_npz: its first rows, every compression, headers as others write them, and promises that take no memory."""

import bz2
import io
import lzma
import struct
import zipfile
import zlib

import numpy as np
import pytest

from fastconv.datasets import load_npz
from fastconv.files import npz as npz_module
from fastconv.files.npy import load_npy

from .test_idx import memory_below

COMPRESSIONS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
RNG = np.random.default_rng(3)
ARRAYS = {
    "x_train": RNG.integers(0, 256, (50, 6, 5), np.uint8),
    "y_train": RNG.integers(0, 10, 50),
    "x_test": RNG.integers(0, 256, (7, 6, 5), np.uint8),
    "y_test": RNG.integers(0, 10, 7),
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write(path, compression=zipfile.ZIP_STORED, **changes):
    """Write the arrays, some of them changed, or parts given as bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in (ARRAYS | changes).items():
            archive.writestr(f"{name}.npy", array if isinstance(array, bytes) else npy(array))
    return path


def assert_same(arrays, expected):
    for array, other in zip(arrays, expected):
        assert (array.dtype, array.shape) == (other.dtype, other.shape)
        assert np.array_equal(array, other)


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest.mark.parametrize("limit", [None, 1, 10, 50, 51, 10**9])
def test_every_compression_and_the_first_rows(tmp_path, compression, limit):
    path = write(tmp_path / "data.npz", compression)
    assert_same(
        load_npz(path, limit), [*(ARRAYS[name][:limit] for name in ("x_train", "y_train")), ARRAYS["x_test"], ARRAYS["y_test"]]
    )


def test_the_first_rows_of_arrays_by_columns_and_of_none(tmp_path):
    changes = {"x_train": np.asfortranarray(ARRAYS["x_train"]), "x_test": np.zeros((0, 6, 5)), "y_test": np.zeros(0)}
    expected = [ARRAYS["x_train"], ARRAYS["y_train"], changes["x_test"], changes["y_test"]]
    path = write(tmp_path / "data.npz", zipfile.ZIP_DEFLATED, **changes)
    assert_same(load_npz(path), expected)
    assert_same(load_npz(path, 10), [expected[0][:10], expected[1][:10], *expected[2:]])


@pytest.mark.parametrize("limit, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_limit_that_is_none(tmp_path, limit, error):
    with pytest.raises(error, match="^load_npz: limit must be "):
        load_npz(write(tmp_path / "data.npz"), limit)


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_a_wrong_checksum_is_refused(tmp_path, compression):
    path = write(tmp_path / "data.npz", compression)
    content = bytearray(path.read_bytes())
    place = content.find(b"PK\1\2")
    content[place + 16] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^load_npz: .*data\.npz is no readable \.npz file: .*(CRC|checksum)"):
        load_npz(path)


# Headers


HEADERS = [
    "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }",
    "{'shape': (2, 3), 'fortran_order': False, 'descr': '<i2'}",
    '{"descr": "<i2", "fortran_order": False, "shape": (2, 3)}',
    "{'descr':'<i2','fortran_order':False,'shape':(2,3,),}\n",
    "{'descr': '<i2', 'fortran_order': False, 'shape': (2L, 3L), }",
]
BROKEN_HEADERS = [
    "",
    "{}",
    "[]",
    '{"shape": (((((',
    HEADERS[0].replace("}", ""),
    "{'descr': '<i2', 'shape': (2, 3)}",
    HEADERS[0].replace("}", "'more': 1}"),
    HEADERS[0].replace("{", "{'descr': '<i2', "),
    HEADERS[0].replace("False", "0"),
    *(
        HEADERS[0].replace("(2, 3)", shape)
        for shape in (
            "6",
            "(6)",
            "(-2, -3)",
            "(2 3)",
            "(2.0, 3)",
            "(True, 6)",
            f"({'1, ' * 70})",
            f"({'9' * 5000},)",
            "(2, 3",
            "2, 3",
        )
    ),
    *(HEADERS[0].replace("(2, 3)", f"({2**power}, 0)") for power in (63, 64, 200)),
    *(
        HEADERS[0].replace("<i2", descr)
        for descr in ("<i3", "<U0", "|O", "<M8[ns]", "\\d", "i", "", "<i", "<i999999999999999", "V4")
    ),
    HEADERS[0].replace("'<i2'", "[('a', '<i2')]"),
    "(" * 5000,
    "{'a':" * 1500,
    "0" * 9999,
    "1_" * 4000,
    "'\\",
    "\n\t\0",
]


def with_header(path, header, version=1):
    text, data = header.encode("latin-1"), np.arange(6, dtype="<i2").tobytes()
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data)
    return path


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_as_others_write_them(tmp_path, header, version):
    """NumPy warns of some of them; this must not."""
    array = load_npy("read", with_header(tmp_path / "a.npy", header, version=version))
    assert_same([array], [np.arange(6, dtype=np.int16).reshape(2, 3)])


@pytest.mark.parametrize("header", BROKEN_HEADERS, ids=lambda header: header[:60])
def test_broken_headers_are_refused_by_name(tmp_path, header):
    with memory_below(2**20), pytest.raises(ValueError, match=r"^read: .*a\.npy is no readable \.npy file: \S"):
        load_npy("read", with_header(tmp_path / "a.npy", header))


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUM", b"\x93NUMPY\4\0\0\0", b"\x93NUMPY\1\0", b"\x93NUMPY\2\0\xff\xff\xff\xff{}"], ids=str
)
def test_so_are_broken_starts(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"^read: .*a\.npy is no readable \.npy file: its? "):
        load_npy("read", tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", ["?", "<i1", ">i2", "<u8", "<f2", ">f4", "<f8", "<c8", "<U3", "S5"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_writes_is_read_as_numpy_reads_it(tmp_path, dtype, shape, order):
    path = tmp_path / "a.npy"
    np.save(path, np.asarray(RNG.integers(0, 9, shape), dtype=dtype, order=order))
    array, expected = load_npy("read", path), np.load(path)
    assert_same([array], [expected])
    assert array.flags.f_contiguous == expected.flags.f_contiguous
    assert array.flags.writeable


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"x", lambda c: c[:-12]], ids=["less", "more", "none"])
def test_data_of_another_size_are_refused(tmp_path, change):
    path = with_header(tmp_path / "a.npy", HEADERS[0])
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=r"it must have 12 bytes of data for an array of \(2, 3\) int16, but has (only \d+|more)$"):
        load_npy("read", path)


# Promises


def packed(compression, start, zeros):
    """Return bytes and then millions of zeros, as a zip file has them."""
    chunk = bytes(2**20)
    if compression == zipfile.ZIP_STORED:
        return start
    if compression == zipfile.ZIP_DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    elif compression == zipfile.ZIP_BZIP2:
        packer = bz2.BZ2Compressor()
    else:
        packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 2**16}])
        lead = b"\5\0\5\0" + bytes([93]) + struct.pack("<I", 2**16)
        return lead + packer.compress(start) + b"".join(packer.compress(chunk) for _ in range(zeros)) + packer.flush()
    return packer.compress(start) + b"".join(packer.compress(chunk) for _ in range(zeros)) + packer.flush()


def with_bomb(path, compression, name, shape, mebibytes):
    """Write the arrays, one of them of so many zeros that only its compressed form is small."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    content = packed(compression, header.getvalue(), mebibytes)
    checksum = zlib.crc32(header.getvalue())
    for _ in range(mebibytes):
        checksum = zlib.crc32(bytes(2**20), checksum)
    with zipfile.ZipFile(path, "w") as archive:
        for other, array in ARRAYS.items():
            if other == name:
                archive.writestr(f"{name}.npy", content)
                member = archive.filelist[-1]
                member.compress_type, member.CRC = compression, checksum
                member.file_size = len(header.getvalue()) + int(np.prod(shape, dtype=object))
            else:
                archive.writestr(f"{other}.npy", npy(array))
    raw = bytearray(path.read_bytes())
    place = raw.find(f"{name}.npy".encode()) - 30
    raw[place + 8 : place + 10] = struct.pack("<H", compression)
    path.write_bytes(raw)
    return path


PACKED = {name: kind for name, kind in COMPRESSIONS.items() if name != "stored"}


@pytest.mark.parametrize("compression", PACKED.values(), ids=PACKED)
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, compression, monkeypatch):
    monkeypatch.setattr(npz_module, "AMPLE", 2**24)
    path = with_bomb(tmp_path / "data.npz", compression, "x_train", (50, 2**20), 50)
    assert path.stat().st_size < 100_000
    with (
        memory_below(3 * 2**20),
        pytest.raises(ValueError, match=r"x_train must be at most 250 times as large as its \d+ packed bytes"),
    ):
        load_npz(path)
    monkeypatch.setattr(npz_module, "AMPLE", 2**30)
    assert load_npz(path)[0].shape == (50, 2**20)


@pytest.mark.parametrize("compression", PACKED.values(), ids=PACKED)
def test_of_one_only_the_first_rows_take_memory(tmp_path, compression):
    path = with_bomb(tmp_path / "data.npz", compression, "x_train", (50, 2**20), 50)
    with memory_below(12 * 2**20):
        x_train, y_train, *_ = load_npz(path, limit=2)
    assert (x_train.shape, x_train.any()) == ((2, 2**20), False)
    assert y_train.tolist() == ARRAYS["y_train"][:2].tolist()


@pytest.mark.parametrize("compression", PACKED.values(), ids=PACKED)
def test_what_is_more_than_it_says_is_not_unpacked(tmp_path, compression):
    path = with_bomb(tmp_path / "data.npz", compression, "x_train", (50, 10), 50)
    with memory_below(3 * 2**20), pytest.raises(ValueError, match=r"^load_npz: .*data\.npz is no readable \.npz file: "):
        load_npz(path)


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_what_is_less_than_it_says_takes_no_memory(tmp_path, compression):
    path = with_bomb(tmp_path / "data.npz", compression, "x_train", (50, 2**22), 0)
    with memory_below(3 * 2**20), pytest.raises(ValueError, match=r"^load_npz: .*data\.npz is no readable \.npz file: "):
        load_npz(path)


def test_more_than_8_gigabytes_are_refused(tmp_path):
    path = with_bomb(tmp_path / "data.npz", zipfile.ZIP_STORED, "x_train", (50, 2**28), 0)
    with pytest.raises(
        ValueError, match=r"it must have at most 8589934592 bytes, but is to be an array of \(50, 268435456\) uint8"
    ):
        load_npz(path)


def test_a_directory_of_more_than_4_megabytes_is_not_read(tmp_path):
    path = write(tmp_path / "data.npz")
    content = path.read_bytes()
    place = content.rfind(b"PK\5\6")
    size, offset = struct.unpack("<II", content[place + 12 : place + 20])
    longer = content[:offset] + bytes(2**23) + content[offset:]
    end = content[place : place + 12] + struct.pack("<II", size + 2**23, offset) + content[place + 20 :]
    path.write_bytes(longer[: len(longer) - len(end)] + end)
    with memory_below(2**20), pytest.raises(ValueError, match="its directory must have at most 4194304 bytes, but has 8"):
        load_npz(path)


def test_dictionaries_of_gigabytes_are_refused(tmp_path):
    path = write(tmp_path / "data.npz", zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    place = content.find(b"x_train.npy") + len("x_train.npy")
    assert content[place : place + 4] == b"\t\4\5\0"
    content[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match="LZMA must have 5 bytes of options, a dictionary of at most 134217728, but has 5, 4294967295"
    ):
        load_npz(path)
