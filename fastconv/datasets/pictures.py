"""Pictures in files, read by Pillow: turned upright, laid on a background, and scaled from whatever their pixels are."""

from __future__ import annotations

import os
import warnings
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..files.content import reading
from ..files.paths import as_path

MODES = ("L", "RGB")
SEQUENCES = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")
"""Formats whose frames are all pictures; in another's, what follows the first is its preview, or its layers."""
MOST_FRAMES = 10_000
AMPLE, AMPLIFIED = 2**24, 1000
"""More than AMPLE pixels may be only AMPLIFIED times as many as the file has bytes: else it's a bomb."""
ALMOST_BLACK = 1 / 16
"""Numbers that go no further than this part of white are probably of another range than their type's."""
BITS, WHITE_IS_ZERO, SAMPLE_FORMAT = 258, 262, 339
"""TIFF tags: bits of a pixel, whether 0 is white (if the tag is 0), and what kind of number it is (2: signed)."""
GUESSED = {"i2": (255, 2**15 - 1), "i4": (255, 2**16 - 1, 2**31 - 1), "u4": (255, 2**16 - 1, 2**32 - 1), "f4": (1, 255, 2**16 - 1)}
"""What white may be where neither type nor format tells: the least that no pixel exceeds."""


def read_image(path: str | os.PathLike[str], mode: str = "L", *, background: int = 0) -> np.ndarray:
    """Read a picture from a file, in any format that Pillow reads.

    Parameters
    ----------
    path : path to the file
        Of an animation or a file of several pages, the first frame is read.
    mode : "L" or "RGB"
        Shades of grey, or colours.
    background : int
        From 0 (black) to 255 (white): the grey on which a picture with transparent parts is laid. Black is what MNIST's digits
        are on; for dark ink on transparent paper take 255.

    Returns
    -------
    (h, w) or (h, w, 3) ndarray
        Upright, as the file's EXIF orientation says. uint8 from 0 (black) to 255 (white) if the file has up to 8 bits a colour,
        else float32 from 0 to 1.

    Raises
    ------
    ValueError
        If the file is no picture that Pillow knows, or broken, or too large for Pillow, or has over 16 million pixels and over a
        thousand for each byte; or if its numbers have no range in which white is known (see Notes); or if an argument can't be.
    OSError
        If the file can't be read.
    ImportError
        If Pillow isn't installed.

    Notes
    -----
    Unsigned integers of up to 16 bits are divided by their type's largest: 65535 is white. Integers of 32 bits, signed ones, and
    floats have no agreed white. It is the least of 1 (for floats only), 255, 65535 (32767 for signed integers of 16 bits) and
    the integer type's largest that no pixel exceeds. Numbers below zero, floats above 65535, and NaN are refused. A picture of
    more than 8 bits that isn't all black, but goes no further than a sixteenth of white, draws a warning, as its numbers are
    probably of another range. Colours of 16 bits are read as 8 bits, as Pillow does. Colour profiles are passed over.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> from fastconv.datasets import read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGBA", (3, 2), (255, 255, 255, 51)).save(f"{folder}/picture.png")
    ...     read_image(f"{folder}/picture.png"), read_image(f"{folder}/picture.png", background=155)
    (array([[51, 51, 51],
           [51, 51, 51]], dtype=uint8), array([[175, 175, 175],
           [175, 175, 175]], dtype=uint8))
    """
    return read_frames("read_image", path, mode, background, most=1)[0]


def read_frames(
    operation: str,
    path: str | os.PathLike[str],
    mode: str,
    background: int,
    size: tuple[int, int] | None = None,
    most: int = MOST_FRAMES,
) -> list[np.ndarray]:
    """Return up to `most` frames as `read_image` does; with a size (h, w), which all must have, others are refused unread."""
    if mode not in MODES:
        raise ValueError(f"{operation}: mode must be one of {MODES}, but is {mode!r}")
    if isinstance(background, bool) or not isinstance(background, (int, np.integer)) or not 0 <= background <= 255:
        raise ValueError(f"{operation}: background must be an integer from 0 to 255, but is {background!r}")
    name = as_path(operation, path)
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError(f"{operation}: to read {name}, install Pillow: pip install Pillow") from None
    with open(name, "rb") as file, reading(operation, name, "picture"):
        try:
            picture = Image.open(file)
        except UnidentifiedImageError:
            raise ValueError("Pillow knows no such format") from None
        with picture:
            found = _found(picture, mode, int(background), size, most, os.fstat(file.fileno()).st_size)
    if found.refused:
        raise ValueError(f"{operation}: {name} {found.refused}")
    for text in found.dark:
        warnings.warn(f"{operation}: {name} is taken as almost black: {text}", stacklevel=3)
    return found.frames


class Found(NamedTuple):
    """A file's frames, what is strange about those that are almost black, and what of a good file is refused."""

    frames: list[np.ndarray]
    dark: list[str]
    refused: str


def _found(picture: Any, mode: str, background: int, size: tuple[int, int] | None, most: int, length: int) -> Found:
    if size is not None and picture.format == "ICO" and size[::-1] in picture.info["sizes"]:
        picture.size = size[::-1]
    count = getattr(picture, "n_frames", 1) if most > 1 and picture.format in SEQUENCES else 1
    if count > most:
        return Found([], [], f"must have at most {most} frames, but has {count}")
    frames: list[np.ndarray] = []
    dark: list[str] = []
    for number in range(count):
        if count > 1:
            picture.seek(number)
        found = picture.size[::-1]
        if size is None or sorted(found) == sorted(size):
            if count * prod(found) > max(AMPLE, AMPLIFIED * length):
                raise ValueError(f"its {count * prod(found)} pixels are over {AMPLIFIED} times as many as its {length} bytes")
            frames.append(_upright(picture, mode, background, dark))
            found = frames[-1].shape[:2]
        if size is not None and found != size:
            wanted_text, found_text = (" x ".join(map(str, shape)) for shape in (size, found))
            which = f"its frame {number}" if count > 1 else "it"
            return Found([], [], f"must be {wanted_text} pixels (height x width), but {which} is {found_text}")
    if len({frame.dtype for frame in frames}) > 1:  # else who stacks them would get bytes among numbers up to 1
        frames = [frame if frame.dtype == np.float32 else frame.astype(np.float32) / 255 for frame in frames]
    return Found(frames, dark, "")


def _upright(picture: Any, mode: str, background: int, dark: list[str]) -> np.ndarray:
    from PIL import Image, ImageOps

    tags = getattr(picture, "tag_v2", {})
    kind, inverted = _kind(picture, tags), tags.get(WHITE_IS_ZERO) == 0
    transparent = _scale_transparent(picture)
    picture.load()
    if picture.format != "TIFF":  # Pillow turns those while it loads them
        picture = ImageOps.exif_transpose(picture)
    if kind is not None:
        grey = _scaled(np.asarray(picture), *kind, dark)
        if inverted:
            grey = 1 - grey
        if isinstance(transparent, int):
            grey[np.asarray(picture) == transparent] = background / 255
        grey = grey.astype(np.float32)
        return np.stack([grey] * 3, axis=-1) if mode == "RGB" else grey
    if transparent is not None or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or _palette_has_alpha(picture):
        if picture.mode in ("La", "RGBa"):
            picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[picture.mode])
        sheet = Image.new("RGBA", picture.size, (background, background, background, 255))
        picture = Image.alpha_composite(sheet, picture.convert("RGBA"))
    if picture.mode == "LAB":
        picture = _from_lab(picture)
    if picture.mode not in ("1", "L"):
        picture = picture.convert("RGB")  # other modes don't all become grey at once
    return np.asarray(picture.convert(mode))


def _scale_transparent(picture: Any) -> Any:
    """Return the colour that is transparent, if any; of grey PNGs of 2 or 4 bits it is scaled to bytes, as Pillow scales pixels."""
    transparent = picture.info.get("transparency")
    largest = {"L;2": 3, "L;4": 15}.get(picture.tile[0][3]) if picture.format == "PNG" and picture.tile else None
    if largest and isinstance(transparent, int) and transparent <= largest:  # else an earlier frame's, which is scaled already
        picture.info["transparency"] = transparent * 255 // largest
    return picture.info.get("transparency")


def _palette_has_alpha(picture: Any) -> bool:
    return picture.mode == "P" and picture.palette is not None and picture.palette.mode.endswith("A")


def _from_lab(picture: Any) -> Any:
    from PIL import ImageCms

    lab, colours = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.applyTransform(picture, ImageCms.buildTransform(lab, colours, "LAB", "RGB"))


def _kind(picture: Any, tags: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return the type of a picture's numbers and what may be white, or None if they are bytes from 0 to 255."""
    if picture.format == "FITS" and picture.mode != "L" and _pillow_version() < 13:
        raise ValueError("before version 13 Pillow takes the bytes of FITS files for another order than theirs")
    signed = 2 in np.atleast_1d(tags.get(SAMPLE_FORMAT, 1))
    bits = int(np.atleast_1d(tags.get(BITS, 0))[0])
    if picture.mode == "F":
        return "f4", GUESSED["f4"]
    if picture.mode == "L" and signed:
        return "i1", (127,)
    if picture.mode.startswith("I;16"):
        return ("i2", GUESSED["i2"]) if picture.format == "FITS" else ("u2", (2**bits - 1 if bits else 65535,))
    if picture.mode != "I":
        return None
    if picture.format in ("PNG", "PPM", "JPEG2000"):  # of 16 bits, whatever there is in the file
        return "i4", (65535,)
    if bits == 16:
        return "i4", GUESSED["i2"]
    kind = "i4" if signed or picture.format != "TIFF" else "u4"
    return kind, GUESSED[kind]


def _pillow_version() -> int:
    import PIL

    return int(PIL.__version__.split(".")[0])


def _scaled(numbers: np.ndarray, kind: str, whites: tuple[int, ...], dark: list[str]) -> np.ndarray:
    """Return a picture's numbers as floats from 0 (black) to 1 (white), whatever type Pillow has taken for theirs."""
    numbers = numbers.astype(numbers.dtype.newbyteorder("=")).view(f"={kind}").astype(np.float64)
    least, largest = numbers.min(initial=0), numbers.max(initial=0)
    if not (np.isfinite(numbers).all() and least >= 0 and largest <= whites[-1]):
        raise ValueError(f"its numbers must be from 0 to {whites[-1]}, but are from {least:g} to {largest:g}")
    white = next(white for white in whites if largest <= white)
    if 0 < largest <= white * ALMOST_BLACK:
        dark.append(f"its brightest pixel is {largest:g}, where {white} is white")
    return numbers / white
