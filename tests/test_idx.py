"""read_idx: every element type and number of axes, gzip or not, and every way in which a file can be broken or hostile."""

import gzip
import os
import random
import threading
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from fastconv.datasets import read_idx

from .files import IDX_CODES, idx_bytes, idx_header

ONE = b"\0\0\0\1"
PACK = {"raw": bytes, "gzip": gzip.compress}


def sample(dtype, shape):
    """Return values that use every byte of the type."""
    values = np.random.default_rng(5).integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
    array = values.view(dtype)[..., 0]
    return np.nan_to_num(array, nan=1.5, posinf=2.5, neginf=-2.5) if array.dtype.kind == "f" else array


@pytest.fixture
def file_of(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (0, 3), (1,) * 32], ids=str)
@pytest.mark.parametrize("dtype", IDX_CODES)
def test_reads_what_was_written(file_of, dtype, shape, pack):
    array = sample(dtype, shape)
    comp = read_idx(file_of(pack(idx_bytes(array))))
    assert comp.dtype == np.dtype(dtype)
    assert comp.dtype.isnative
    assert comp.shape == shape
    assert comp.tobytes() == array.tobytes()


def test_a_large_file_is_read_in_pieces(file_of):
    array = np.arange(3 * 2**20, dtype=np.uint32).astype(np.uint8)
    assert np.array_equal(read_idx(file_of(gzip.compress(idx_bytes(array), 1))), array)


def test_the_result_can_be_written_to(file_of):
    array = read_idx(file_of(idx_bytes(np.zeros(3, np.uint8))))
    array[0] = 7
    assert array[0] == 7


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\x93NUMPY" + bytes(20),
        b"\1\0\x08\1" + ONE + b"x",
        b"\0\1\x08\1" + ONE + b"x",
        b"\0\0\x0a\1" + ONE + b"x",
        b"\0\0\x08\0x",
        idx_header(0x08, *[1] * 33) + b"x",
        idx_header(0x08, *[1] * 255) + b"x",
    ],
    ids=["empty", "3 bytes", "npy", "byte 0", "byte 1", "unknown type", "no axes", "33 axes", "255 axes"],
)
def test_refuses_a_wrong_magic_number(file_of, content, pack):
    with pytest.raises(
        ValueError, match=r"^read_idx: .*file is no readable IDX file: it must start with the magic number 0, 0, a type"
    ):
        read_idx(file_of(pack(content)))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("left", [0, 3, 11])
def test_refuses_a_truncated_header(file_of, left, pack):
    with pytest.raises(ValueError, match=f"^read_idx: .*must have 3 sizes in its header, but ends after {left} bytes"):
        read_idx(file_of(pack(idx_header(0x08, 2, 3, 4)[: 4 + left])))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_refuses_too_little_and_too_much(file_of, dtype, pack):
    content = idx_bytes(sample(dtype, (3, 4)))
    promised = 12 * np.dtype(dtype).itemsize
    with pytest.raises(ValueError, match=rf"must have {promised} bytes of data .*\(3, 4\), but has only {promised - 1}$"):
        read_idx(file_of(pack(content[:-1])))
    with pytest.raises(ValueError, match=rf"must have {promised} bytes of data .*\(3, 4\), but has more$"):
        read_idx(file_of(pack(content + b"x")))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize(
    "shape", [(2**32 - 1,) * 3, (2**32 - 1, 2**32 - 1), (2, 2**32 - 1, 2), (2**32 - 1,) * 32, (0, 2**32 - 1, 2**32 - 1)], ids=str
)
def test_refuses_sizes_of_more_than_8_gigabytes(file_of, shape, pack):
    with pytest.raises(ValueError, match=r"^read_idx: .*must have at most 8589934592 bytes, but its header's sizes are \("):
        read_idx(file_of(pack(idx_header(0x08, *shape) + b"data")))


@contextmanager
def memory_below(limit):
    """Fail if the block has more than so many bytes at a time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit


def test_the_measure_of_memory_sees_an_array():
    with pytest.raises(AssertionError), memory_below(3 * 2**20):
        np.zeros(5 * 2**20, np.uint8)


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_a_promise_allocates_nothing(file_of, pack):
    path = file_of(pack(idx_header(0x08, 2**31, 4) + b"data"))
    with memory_below(3 * 2**20), pytest.raises(ValueError, match="must have 8589934592 bytes of data .* but has only 4$"):
        read_idx(path)


def test_a_gzip_bomb_is_not_unpacked(file_of):
    path = file_of(gzip.compress(idx_header(0x08, 10) + bytes(64 * 2**20), 1))
    with memory_below(3 * 2**20), pytest.raises(ValueError, match="must have 10 bytes of data .* but has more$"):
        read_idx(path)


GZIP = gzip.compress(idx_bytes(np.random.default_rng(1).integers(0, 256, 5000, np.uint8)))


@pytest.mark.parametrize(
    "content",
    [
        GZIP[:5],
        GZIP[:1000],
        GZIP[:-8],
        GZIP[:-1],
        GZIP[:2000] + b"\xff\xff\xff" + GZIP[2003:],
        GZIP[:-6] + b"\0\0" + GZIP[-4:],
        GZIP + b"more",
        b"\x1f\x8b\x07" + GZIP[3:],
    ],
    ids=["header cut", "data cut", "no checksum", "checksum cut", "data changed", "checksum changed", "trailing", "unknown method"],
)
def test_refuses_a_broken_gzip_file(file_of, content):
    with pytest.raises(ValueError, match=r"^read_idx: .*file is no readable IDX file: "):
        read_idx(file_of(content))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_the_first_rows(file_of, dtype, pack):
    array = sample(dtype, (5, 3, 2))
    content = idx_bytes(array)
    for limit, read in ((1, content[: 16 + 6 * array.itemsize]), (4, content[:-1]), (5, content), (6, content)):
        comp = read_idx(file_of(pack(read)), limit)
        assert comp.dtype == array.dtype
        assert comp.tobytes() == array[:limit].tobytes()
    for limit in (5, 6, None):
        with pytest.raises(ValueError, match="bytes of data for its sizes .*, but has more$"):
            read_idx(file_of(pack(content + b"x")), limit)
    with pytest.raises(ValueError, match=r"bytes of data for the first 4 of its sizes \(5, 3, 2\), but has only"):
        read_idx(file_of(pack(content[:30])), 4)
    with pytest.raises(ValueError, match="^read_idx: limit must be at least 1, but is 0"):
        read_idx(file_of(pack(content)), 0)


def test_of_a_gzip_bomb_the_first_rows_take_no_more_memory(file_of):
    path = file_of(gzip.compress(idx_header(0x08, 64, 2**20) + bytes(64 * 2**20), 1))
    with memory_below(6 * 2**20):
        assert read_idx(path, 2).shape == (2, 2**20)


def test_a_pipe_is_read_too(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    array = sample("int16", (3, 4))
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(gzip.compress(idx_bytes(array)),))
    writer.start()
    assert np.array_equal(read_idx(tmp_path / "pipe"), array)
    writer.join()


def test_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing here"):
        read_idx(tmp_path / "nothing here")


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_random_damage_is_refused_by_name(file_of, pack):
    rng = random.Random(3)
    content = pack(idx_bytes(sample("int16", (3, 4, 5))))
    refused = 0
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            read_idx(file_of(bytes(damaged[: rng.choice([None, rng.randrange(len(damaged))])])))
        except ValueError as error:
            refused += str(error).startswith("read_idx: ")
            assert str(error).startswith("read_idx: "), error
    assert refused > 200
