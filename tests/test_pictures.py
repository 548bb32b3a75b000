"""Pictures: the same digit in every format and kind of pixel that Pillow writes is read as the same picture, or refused by name."""

import struct
import sys

import numpy as np
import PIL
import pytest
from PIL import Image

from fastconv.datasets import load_mnist, read_image
from fastconv.datasets.pictures import read_frames

DIGIT = load_mnist()[2][3]
PICTURE = Image.fromarray(DIGIT)
FLAG = np.dstack([DIGIT, DIGIT[::-1], 255 - DIGIT])
ORIENT = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: np.transpose, 6: np.rot90, 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, -1),
}  # fmt: skip
"""What is stored for each EXIF orientation of a picture that is upright at 1; found by the standard's drawings."""


def as_bytes(array):
    return array if array.dtype == np.uint8 else np.rint(array * 255).astype(np.uint8)


def write(path, array, **options):
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    "kind, modes",
    [
        ("bmp", "L P RGB RGBA"), ("dds", "L LA RGB RGBA"), ("gif", "L P RGB"), ("ico", "L LA P RGB RGBA"),
        ("jp2", "L LA RGB RGBA"), ("pcx", "L P RGB"), ("png", "L LA P RGB RGBA"),
        ("ppm", "L RGB"), ("qoi", "RGB RGBA"), ("sgi", "L RGB RGBA"), ("spider", "L RGB F I"), ("tga", "L LA P RGB RGBA"),
        ("tif", "L LA P PA RGB RGBA RGBX CMYK I F"), ("pfm", "F"),
    ],
)  # fmt: skip
def test_a_lossless_file_gives_the_digit_itself(tmp_path, kind, modes):
    options = {"ico": {"sizes": [(28, 28)]}, "spider": {"format": "SPIDER"}, "pfm": {"format": "PPM"}}.get(kind, {})
    for mode in modes.split():
        path = write(tmp_path / f"{mode}.{kind}", PICTURE.convert(mode), **options)
        np.testing.assert_array_equal(as_bytes(read_image(path)), DIGIT, err_msg=mode)
        np.testing.assert_array_equal(as_bytes(read_image(path, "RGB")), np.dstack([DIGIT] * 3), err_msg=mode)


@pytest.mark.parametrize("kind", ["avif", "jpg", "webp", "jp2"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_lossy_file_gives_nearly_the_digit(tmp_path, kind, mode):
    path = write(tmp_path / f"digit.{kind}", PICTURE.convert(mode), quality=95)
    assert abs(read_image(path).astype(int) - DIGIT).mean() < 1.5


@pytest.mark.parametrize("kind", ["bmp", "gif", "ico", "msp", "pcx", "png", "pbm", "tga", "tif", "xbm"])
def test_one_bit_is_black_or_white(tmp_path, kind):
    picture = PICTURE.convert("1", dither=Image.Dither.NONE)
    path = write(tmp_path / f"digit.{kind}", picture, **({"sizes": [(28, 28)]} if kind == "ico" else {}))
    np.testing.assert_array_equal(read_image(path), np.where(DIGIT > 127, 255, 0))


@pytest.mark.parametrize("kind", ["png", "tif", "jp2", "ppm", "gif", "webp"])
def test_colours_stay_colours(tmp_path, kind):
    path = write(tmp_path / f"flag.{kind}", FLAG, **({"lossless": True} if kind == "webp" else {}))
    found = read_image(path, "RGB")
    assert abs(found.astype(int) - FLAG).max() <= (0 if kind != "gif" else 60)
    grey = np.rint(found @ [0.299, 0.587, 0.114])
    assert abs(read_image(path) - grey).max() <= 1


def test_cielab(tmp_path):
    pale = 160 + FLAG // 4  # the strongest colours aren't in CIELAB's bytes
    path = write(tmp_path / "flag.tif", Image.fromarray(pale).convert("LAB"))
    assert abs(read_image(path, "RGB").astype(int) - pale).max() <= 2


# Orientation


@pytest.mark.parametrize("orientation", ORIENT)
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp", "avif", "deep.png"])
def test_pictures_are_turned_upright(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    upright = DIGIT[:, 4:] if kind != "deep.png" else DIGIT[:, 4:] * np.uint16(257)
    options = {"lossless": True} if kind == "webp" else {"quality": 95} if kind in ("jpg", "avif") else {}
    path = write(tmp_path / f"digit.{kind}", np.ascontiguousarray(ORIENT[orientation](upright)), exif=exif, **options)
    found = read_image(path)
    assert found.shape == (28, 24)
    assert abs(as_bytes(found).astype(int) - DIGIT[:, 4:]).mean() < 1.5


# Transparency


def inked(ink, alpha):
    return Image.merge("LA", [Image.fromarray(np.broadcast_to(np.uint8(ink), alpha.shape).copy()), Image.fromarray(alpha)])


@pytest.mark.parametrize(
    "kind, mode", [("png", "LA"), ("png", "RGBA"), ("tif", "LA"), ("tga", "RGBA"), ("webp", "RGBA"), ("jp2", "LA")]
)
def test_transparent_paper_is_laid_on_the_background(tmp_path, kind, mode):
    options = {"lossless": True} if kind == "webp" else {}
    white = write(tmp_path / f"white.{kind}", inked(255, DIGIT).convert(mode), **options)
    black = write(tmp_path / f"black.{kind}", inked(0, DIGIT).convert(mode), **options)
    np.testing.assert_array_equal(read_image(white), DIGIT)
    np.testing.assert_array_equal(read_image(white, "RGB"), np.dstack([DIGIT] * 3))
    assert read_image(white, background=255).min() == 255
    np.testing.assert_array_equal(read_image(black, background=255), 255 - DIGIT)
    assert read_image(black).max() == 0


def test_colours_hidden_under_transparency_dont_show(tmp_path):
    ink = np.where(DIGIT > 0, DIGIT, 200).astype(np.uint8)
    alpha = np.where(DIGIT > 0, 255, 0).astype(np.uint8)
    picture = inked(ink, alpha)
    np.testing.assert_array_equal(read_image(write(tmp_path / "digit.png", picture)), DIGIT)
    for mode in ("RGBA", "PA"):
        np.testing.assert_array_equal(read_image(write(tmp_path / "digit.tif", picture.convert("RGBA").convert(mode))), DIGIT)
    expected = np.where(DIGIT > 0, DIGIT, 99)
    np.testing.assert_array_equal(read_image(tmp_path / "digit.tif", background=99), expected)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
@pytest.mark.parametrize("kind", ["png", "gif"])
def test_one_transparent_colour(tmp_path, kind, mode):
    """Pixels of 77 are transparent (of 255, in black and white)."""
    if kind == "gif" and mode not in ("L", "P"):
        return
    hole = np.where(DIGIT == 0, 77, DIGIT).astype(np.uint8)
    hidden, opaque, key = hole == 77, hole, 77
    if mode == "1":
        hidden, opaque, key = DIGIT > 127, np.where(DIGIT > 127, 255, 0), 255
    picture = Image.fromarray(opaque.astype(np.uint8))
    if mode == "I;16":
        picture, key = Image.fromarray(opaque * np.uint16(257)), 77 * 257
    picture = picture if picture.mode == mode else picture.convert(mode)
    path = write(tmp_path / f"digit.{kind}", picture, transparency=(77, 77, 77) if mode == "RGB" else key)
    for background in (0, 255, 130):
        np.testing.assert_array_equal(as_bytes(read_image(path, background=background)), np.where(hidden, background, opaque))


def test_a_palette_with_many_alphas(tmp_path):
    picture = Image.fromarray(DIGIT, "L").convert("P")
    picture.putpalette([255] * 768)
    path = write(tmp_path / "digit.png", picture, transparency=bytes(range(256)))
    np.testing.assert_array_equal(read_image(path), DIGIT)


@pytest.mark.parametrize("mode", ["LA", "RGBA"] if PIL.__version__ >= "13" else ["RGBA"])  # before, Pillow knows no such greys
def test_colours_that_are_multiplied_by_alpha_already(tmp_path, mode):
    path = write(tmp_path / "digit.tif", Image.merge(mode, [PICTURE] * len(mode)))
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<HHI", 338, 3, 1)) + 8] = 1  # what the sample besides colours is: alpha, and they have it
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), DIGIT)
    assert read_image(path, background=255).min() == 255


# Several frames


@pytest.mark.parametrize("kind", ["gif", "png", "tif", "webp"])
def test_every_frame_is_a_picture(tmp_path, kind):
    images = load_mnist()[2][:4]
    first, *others = map(Image.fromarray, images)
    options = {"lossless": True} if kind == "webp" else {}
    path = write(tmp_path / f"digits.{kind}", first, save_all=True, append_images=others, **options)
    frames = read_frames("predict", path, "L", 0, (28, 28))
    np.testing.assert_array_equal(frames, images)
    np.testing.assert_array_equal(read_image(path), images[0])
    with pytest.raises(ValueError, match="predict: .* at most 3 frames, but has 4$"):
        read_frames("predict", path, "L", 0, most=3)


def test_a_preview_is_no_frame(tmp_path):
    path = write(tmp_path / "digit.mpo", PICTURE, save_all=True, append_images=[PICTURE.resize((7, 7))])
    assert len(read_frames("predict", path, "L", 0, (28, 28))) == 1


def test_an_icon_has_the_size_that_is_asked_for(tmp_path):
    path = write(tmp_path / "digit.ico", PICTURE.resize((64, 64)), append_images=[PICTURE], sizes=[(28, 28), (64, 64)])
    np.testing.assert_array_equal(read_frames("predict", path, "L", 0, (28, 28)), [DIGIT])
    assert read_image(path).shape == (64, 64)


# What is refused


def test_another_size_is_refused_with_both(tmp_path):
    path = write(tmp_path / "wide.png", DIGIT[:20])
    with pytest.raises(ValueError, match=r"wide\.png must be 28 x 20 pixels \(height x width\), but it is 20 x 28$"):
        read_frames("predict", path, "L", 0, (28, 20))
    first, second = Image.fromarray(DIGIT), Image.fromarray(DIGIT[:20])
    path = write(tmp_path / "pages.tif", first, save_all=True, append_images=[second])
    with pytest.raises(ValueError, match=r"pages\.tif must be 28 x 28 pixels .*, but its frame 1 is 20 x 28$"):
        read_frames("predict", path, "L", 0, (28, 28))


def test_broken_pictures_name_the_file(tmp_path):
    whole = write(tmp_path / "whole.png", DIGIT).read_bytes()
    broken = {
        "empty": b"", "text": b"no picture", "cut": whole[:-40], "chunk": whole.replace(b"IDAT", b"ID\xff\0"),
        "huge": whole[:16] + struct.pack(">II", 60_000, 60_000) + whole[24:], "npz": b"PK\3\4" + bytes(90),
    }  # fmt: skip
    for name, content in broken.items():
        (tmp_path / f"{name}.png").write_bytes(content)
        with pytest.raises(ValueError, match=rf"^read_image: {tmp_path}/{name}\.png is no readable picture: ."):
            read_image(tmp_path / f"{name}.png")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        read_image(tmp_path)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["jpg", "tif", "bmp", "webp", "avif", "gif"])
def test_a_truncated_picture_names_the_file(tmp_path, kind, cut):
    path = write(tmp_path / f"digit.{kind}", PICTURE)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(ValueError, match=rf"^read_image: .*/digit\.{kind} is no readable picture: ."):
        read_image(path)


def test_wrong_arguments_are_refused_before_the_file_is_looked_for():
    with pytest.raises(ValueError, match="^read_image: mode must be one of .*, but is 'CMYK'$"):
        read_image("nowhere", "CMYK")
    for background in (-1, 256, 1.5, True, "white"):
        with pytest.raises(ValueError, match="^read_image: background must be an integer from 0 to 255, but is "):
            read_image("nowhere", background=background)


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="^read_image: to read digit.png, install Pillow: pip install Pillow$"):
        read_image("digit.png")
