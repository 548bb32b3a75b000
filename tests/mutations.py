"""Ways to break files: of any kind, byte by byte, and of the kinds that fastconv reads, in the fields that readers believe."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib

VALUES = [
    None, True, False, 0, -1, 1, 2, 3, 1.5, -0.0, 1e308, 1e-320, 2**31, 2**32, 2**62, 2**63, 2**64, 10**30, 10**400, "", "x", "0",
    "float64", "mean_squared_error", "Dense", "Own", "\ud800", "\0", [], [1], [[]], [0, 0], {}, {"a": 1}, [2] * 99, [[1, 2], [3]],
    float("nan"), float("inf"), "nan", "1e999", "ZeroPad2D", "9" * 5000,
]  # fmt: skip
"""What may stand in the place of another value in JSON."""
RAW = [
    "9" * 5000,
    "1e999",
    "NaN",
    "-Infinity",
    "[" * 3000,
    '{"a":' * 3000,
    "'x'",
    "",
    "00",
    "1_0",
    "\\u12",
    "\x00",
    "/**/",
    "2.",
    ".5",
]
SHAPES = [
    "()", "(-1,)", "(0,)", "(2**63,)", "(9223372036854775808, 0)", f"({2**62}, {2**62})", "(1e3,)", "(True,)", "((((((", "(3", "3",
    f"({2**40},)", f"({'9' * 4500},)", f"({'1, ' * 65})", "(5, 6,)", "(5L,)", "('5',)",
]  # fmt: skip
TYPES = [
    "|O", "<f4", ">f4", "<f8", "|u1", "<i8", "|b1", "<U5", "|S5", "<U0", "<c16", "<f16", "|V8", "<M8[ns]", "<i3", "<U999999999",
    "x", "\\d", "|i1", "<f2",
]  # fmt: skip
BOMB = zlib.compress(bytes(2**21))
NUMBERS = [0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1]


def bytes_changed(rng, content, others):
    """Break some content anywhere: bits, bytes, lengths, parts in other places, parts of other files."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        if not data:
            break
        window = min(len(data), rng.choice([16, 64, 300, 2000, 10**9]))
        place = rng.randrange(window) if rng.random() < 0.6 else len(data) - 1 - rng.randrange(window)
        change = rng.randrange(9)
        if change <= 2:
            data[place] ^= 1 << rng.randrange(8)
        elif change == 3:
            data[place] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif change == 4:
            del data[place:]
        elif change == 5:
            size = rng.choice([1, 2, 4, 8])
            data[place : place + size] = (rng.choice(NUMBERS) % 256**size).to_bytes(size, rng.choice(["big", "little"]))
        elif change == 6:
            other, start = rng.choice(others), rng.randrange(100)
            data[place : place + rng.choice([0, 16])] = other[start : start + rng.choice([1, 20, 200])]
        elif change == 7:
            start = rng.randrange(len(data))
            data[place:place] = data[start : start + rng.choice([1, 4, 50, 500])]
        else:
            del data[place : place + rng.choice([1, 2, 4, 16, 200])]
    return bytes(data)


# JSON


def json_changed(rng, text):
    """Return JSON with another value, key or structure, or text that is JSON no more."""
    value, change = json.loads(text), rng.randrange(8)
    if change == 0:
        place = rng.randrange(len(text))
        return text[:place] + rng.choice(RAW) + text[place + rng.randrange(3) :]
    if change == 1:
        numbers = [*re.finditer(r"-?\d+(\.\d+)?", text)]
        found = rng.choice(numbers)
        return text[: found.start()] + rng.choice([*RAW[:6], "-1", "0", "1e5", "2147483648"]) + text[found.end() :]
    if change == 2:  # a key twice
        found = rng.choice([*re.finditer(r'\{"\w+"', text)])
        return text[: found.end()] + f": {json.dumps(rng.choice(VALUES))}, " + found[0][1:] + text[found.end() :]
    places = []

    def walk(item):
        for key in item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
            places.append((item, key))
            walk(item[key])

    walk(value)
    item, key = rng.choice(places)
    if change == 3:
        del item[key]
    elif change == 4 and isinstance(item, dict):
        item[rng.choice(["more", "units", "padding", "stride", "kernel_size", "activation", "self", "__class__"])] = rng.choice(
            VALUES
        )
    elif change == 4:
        item.insert(key, rng.choice([item[key], rng.choice(VALUES)]))
    else:
        item[key] = rng.choice(VALUES)
    return json.dumps(value)


# Arrays


def npy_changed(rng, content):
    """Return a .npy file with another header, of the length that it tells."""
    length = struct.unpack("<H", content[8:10])[0]
    text = content[10 : 10 + length].decode("latin-1")
    change = rng.randrange(4)
    if change == 0:
        text = re.sub(r"\([^)]*\)", lambda _: rng.choice(SHAPES), text, count=1)
    elif change == 1:
        text = re.sub(r"'[<>|=]\w+'", lambda _: f"'{rng.choice(TYPES)}'", text, count=1)
    elif change == 2:
        text = text.replace("False", rng.choice(["True", "0", "None", "(", "'"]))
    else:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(["(", "[" * 200, "'", "\\", "\n", "0", "L", ",", "}", "{", "#", "é"]) + text[place + 1 :]
    header = text.encode("latin-1")
    return content[:8] + struct.pack("<H", len(header)) + header + content[10 + length :]


def text_changed(rng, content, change):
    """Return a .npy file of one text with another text."""
    import numpy as np

    text = str(np.load(io.BytesIO(content)))
    file = io.BytesIO()
    np.save(file, np.array(change(rng, text)))
    return file.getvalue()


def zip_changed(rng, content, texts=()):
    """Return a .npz file whose directory is right and whose parts aren't: one is broken, missing, renamed, or there twice."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = [(member, archive.read(member)) for member in archive.infolist()]
    number, change = rng.randrange(len(parts)), rng.randrange(10)
    if texts and change < 7:
        number = [member.filename for member, _ in parts].index(f"{rng.choice(texts)}.npy")
    member, part = parts[number]
    if texts and change < 7:
        parts[number] = member, text_changed(rng, part, json_changed)
    elif change < 8:
        parts[number] = member, npy_changed(rng, part)
    elif change == 8:
        del parts[number]
    else:
        parts[number] = member, bytes_changed(rng, part, [content])
    file = io.BytesIO()
    kind = rng.choice([member.compress_type] * 9 + [zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(file, "w") as archive:
        for place, (member, part) in enumerate(parts):  # to compress one is work enough
            archive.writestr(member.filename, part, kind if place == number else zipfile.ZIP_STORED)
    return file.getvalue()


def safetensors_changed(rng, content):
    """Return a .safetensors file with other JSON at its start, of the length that it tells, or in its texts."""
    length = struct.unpack("<Q", content[:8])[0]
    text = content[8 : 8 + length].decode()
    if rng.random() < 0.7:
        header = json.loads(text)
        texts = header["__metadata__"]
        name = rng.choice([name for name in texts if name != "format"])
        texts[name] = json_changed(rng, texts[name])
        text = json.dumps(header)
    else:
        text = json_changed(rng, text)
    header = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


# IDX and pictures


def idx_changed(rng, content):
    """Return an IDX file with another type or size."""
    data = bytearray(content)
    if rng.random() < 0.3:
        data[rng.choice([2, 3])] = rng.randrange(256)
    else:
        place = 4 + 4 * rng.randrange(data[3])
        data[place : place + 4] = (rng.choice(NUMBERS) % 2**32).to_bytes(4, "big")
    return bytes(data)


def png_changed(rng, content):
    """Return a PNG file in which a chunk is another, its checksum right."""
    chunks, place = [], 8
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    number, change = rng.randrange(len(chunks)), rng.randrange(5)
    name, data = chunks[number]
    if change <= 1:
        chunks[number] = name, bytes_changed(rng, data, [content])
    elif change == 2:
        chunks.insert(number, rng.choice([
            (b"zTXt", b"a\0\0" + BOMB), (b"tEXt", b"a\0b"), (b"acTL", struct.pack(">II", 2**31, 0)),
            (b"tRNS", b"\0\1"), (b"eXIf", b"MM\0*" + bytes(9)),
            (b"iCCP", b"a\0\0" + zlib.compress(b"x")), (b"IDAT", b"x"), (b"Xxxx", b""),
            (b"fcTL", bytes(26)), (b"PLTE", bytes(9)), (b"pHYs", bytes(9)), (b"IHDR", data), (b"\0\0\0\0", b""),
        ]))  # fmt: skip
    elif change == 3:
        del chunks[number]
    else:
        sizes = [rng.choice(NUMBERS) % 2**32 if rng.random() < 0.5 else 12 for _ in range(2)]
        chunks[0] = (
            b"IHDR",
            struct.pack(">II", *sizes) + bytes(rng.choice([[8, 0], [16, 0], [8, 2], [1, 3], [8, 6], [3, 7]])) + bytes(3),
        )
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
