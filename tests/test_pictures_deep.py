"""Pictures of more than 8 bits a pixel, or of signed numbers or floats: white is white whatever its number, or they are refused."""

import struct
import zlib

import numpy as np
import PIL
import pytest

from fastconv.datasets import read_image

from .test_pictures import DIGIT, as_bytes, write


def tiff(path, rows, bits, sample_format=1, photometric=1, order="<"):
    """Write a TIFF file of one strip by hand, of kinds that Pillow reads and doesn't write."""
    height, width = DIGIT.shape
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: photometric,
        273: 0,
        277: 1,
        278: height,
        279: len(rows),
        339: sample_format,
    }
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack(f"{order}HHII", t, 4, 1, start if t == 273 else v) for t, v in sorted(tags.items()))
    magic = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(magic + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4) + rows)
    return path


def packed_12_bits(array):
    """Two numbers in three bytes, high bits first."""
    first, second = array.reshape(-1, 2).T.astype(int)
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8).tobytes()


WIDE = DIGIT.astype(np.float64) / 255
DEEP = {
    "16 bits": (np.rint(WIDE * 65535).astype("<u2").tobytes(), 16),
    "16 bits, big-endian": (np.rint(WIDE * 65535).astype(">u2").tobytes(), 16, 1, 1, ">"),
    "16 bits, 0 is white": (np.rint((1 - WIDE) * 65535).astype("<u2").tobytes(), 16, 1, 0),
    "16 bits, signed": (np.rint(WIDE * 32767).astype("<i2").tobytes(), 16, 2),
    "16 bits, signed, of bytes": (DIGIT.astype("<i2").tobytes(), 16, 2),
    "12 bits": (packed_12_bits(np.rint(WIDE * 4095)), 12),
    "8 bits, signed": (np.rint(WIDE * 127).astype("i1").tobytes(), 8, 2),
    "32 bits": (np.rint(WIDE * (2**32 - 1)).astype("<u4").tobytes(), 32),
    "32 bits, signed": (np.rint(WIDE * (2**31 - 1)).astype("<i4").tobytes(), 32, 2),
    "32 bits, signed, big-endian": (np.rint(WIDE * (2**31 - 1)).astype(">i4").tobytes(), 32, 2, 1, ">"),
    "32 bits, of 16": (np.rint(WIDE * 65535).astype("<u4").tobytes(), 32),
    "32 bits, of bytes": (DIGIT.astype("<i4").tobytes(), 32, 2),
    "floats": (WIDE.astype("<f4").tobytes(), 32, 3),
    "floats, big-endian": (WIDE.astype(">f4").tobytes(), 32, 3, 1, ">"),
    "floats, 0 is white": ((1 - WIDE).astype("<f4").tobytes(), 32, 3, 0),
    "floats to 255": (DIGIT.astype("<f4").tobytes(), 32, 3),
    "floats to 65535": ((WIDE * 65535).astype("<f4").tobytes(), 32, 3),
}


@pytest.mark.parametrize("kind", DEEP)
def test_every_type_is_scaled_to_white(tmp_path, kind):
    path = tiff(tmp_path / "digit.tif", *DEEP[kind])
    found = read_image(path)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    np.testing.assert_allclose(found, WIDE, rtol=0, atol=1 / 250 if kind.startswith("8") else 1.3e-4)
    np.testing.assert_array_equal(read_image(path, "RGB"), np.dstack([found] * 3))


@pytest.mark.parametrize("kind", ["png", "tif", "jp2", "pgm", "ico"])
def test_16_bits_in_other_formats(tmp_path, kind):
    path = write(tmp_path / f"digit.{kind}", DIGIT.astype(np.uint16) * 257, **({"sizes": [(28, 28)]} if kind == "ico" else {}))
    np.testing.assert_allclose(read_image(path), WIDE, rtol=0, atol=1e-6)


def grey_png(numbers, bits, transparent):
    """A grey PNG of 2 or 4 bits, which Pillow doesn't write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = numbers.reshape(len(numbers), -1, 8 // bits)
    lines = sum(pixels[..., i] << (8 - bits * (i + 1)) for i in range(8 // bits)).astype(np.uint8)
    header = struct.pack(">IIBBBBB", *numbers.shape[::-1], bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    chunks = {b"IHDR": header, b"tRNS": struct.pack(">H", transparent), b"IDAT": body, b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks.items())


@pytest.mark.parametrize("bits", [2, 4])
def test_the_transparent_colour_of_few_bits(tmp_path, bits):
    numbers = DIGIT.astype(int) >> (8 - bits)
    for transparent in (0, 1, 2**bits - 1):
        (tmp_path / "digit.png").write_bytes(grey_png(numbers, bits, transparent))
        expected = np.where(numbers == transparent, 130, numbers * 255 // (2**bits - 1))
        np.testing.assert_array_equal(read_image(tmp_path / "digit.png", background=130), expected)


@pytest.mark.parametrize("largest", [255, 1023, 65535])
@pytest.mark.parametrize("plain", [True, False])
def test_a_portable_graymap_says_itself_what_is_white(tmp_path, largest, plain):
    numbers = np.rint(WIDE * largest).astype(int)
    body = " ".join(map(str, numbers.ravel())).encode() if plain else numbers.astype(">u2" if largest > 255 else "u1").tobytes()
    (tmp_path / "digit.pgm").write_bytes(f"P{2 if plain else 5} 28 28 {largest}\n".encode() + body)
    np.testing.assert_allclose(as_bytes(read_image(tmp_path / "digit.pgm")) / 255, WIDE, rtol=0, atol=1 / 500)


@pytest.mark.parametrize("bits, white", [(16, 255), (16, 32767), (32, 255), (32, 65535), (-32, 1), (-64, 255)])
def test_fits(tmp_path, bits, white):
    cards = {"SIMPLE": "T", "BITPIX": bits, "NAXIS": 2, "NAXIS1": 28, "NAXIS2": 28}
    header = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in cards.items()) + "END".ljust(80)
    kind = {16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}[bits]
    numbers = (WIDE * white if bits < 0 else np.rint(WIDE * white))[::-1].astype(kind).tobytes()
    (tmp_path / "digit.fits").write_bytes(header.ljust(2880).encode() + numbers)
    if int(PIL.__version__.split(".")[0]) < 13:
        with pytest.raises(ValueError, match="before version 13 Pillow takes the bytes"):
            read_image(tmp_path / "digit.fits")
    else:
        np.testing.assert_allclose(read_image(tmp_path / "digit.fits"), WIDE, rtol=0, atol=1 / 500)


@pytest.mark.parametrize(
    "numbers, sample_format, text",
    [
        (WIDE - 1, 3, "its numbers must be from 0 to 65535, but are from -1 to "),
        (WIDE * 1e6, 3, r"from 0 to 1e\+06"),
        (np.where(WIDE > 0.5, np.nan, WIDE), 3, "must be from 0 to 65535, but are from nan to nan"),
        (np.where(WIDE > 0.5, np.inf, WIDE), 3, "to inf"),
        (DIGIT.astype(int) - 1, 2, "its numbers must be from 0 to 2147483647, but are from -1 to "),
    ],
)
def test_numbers_without_a_known_white_are_refused(tmp_path, numbers, sample_format, text):
    path = tiff(tmp_path / "digit.tif", numbers.astype("<f4" if sample_format == 3 else "<i4").tobytes(), 32, sample_format)
    with pytest.raises(ValueError, match=rf"^read_image: .*digit\.tif is no readable picture: .*{text}"):
        read_image(path)


def test_numbers_of_another_range_than_their_types_draw_a_warning(tmp_path):
    path = write(tmp_path / "digit.png", DIGIT.astype(np.uint16))
    with pytest.warns(
        UserWarning, match=r"^read_image: .*/digit\.png is taken as almost black: its brightest pixel is 25[0-9], where 65535"
    ):
        assert read_image(path).max() < 0.004
    assert read_image(write(tmp_path / "black.png", np.zeros((2, 2), np.uint16))).max() == 0
