"""Small valid picture files of every format, and ways to break them."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

from pixels.crafted import chunk, gif_of_frames, noise, png, png_of, tiff_of_pages
from twofold.pixels.opening import HAS_AVIF

HEIGHT, WIDTH = 6, 7


def valid_pictures() -> dict[str, bytes]:
    """Files that can be read, 6 rows by 7 columns, by name."""
    image = Image.fromarray(noise(HEIGHT, WIDTH, 3, "uint8"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 3, "Maker"
    exif[0x8769] = {0x9003: "2024:05:01 10:00:00"}
    exif[0x8825] = {1: "N"}
    block = exif.tobytes()
    writers: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "jpeg": (image, "JPEG", {"exif": block, "quality": 60}),
        "progressive": (image, "JPEG", {"progressive": True, "quality": 60}),
        "png": (image, "PNG", {"exif": block}),
        "palette": (image.quantize(5), "PNG", {"transparency": 1}),
        "webp": (image, "WEBP", {"lossless": True, "exif": block}),
        "lossy": (image.convert("RGBA"), "WEBP", {"quality": 50}),
        "gif": (image, "GIF", {}),
        "bmp": (image, "BMP", {}),
        "tiff": (image, "TIFF", {"exif": block}),
        "lzw": (image, "TIFF", {"compression": "tiff_lzw"}),
        "fax": (image.convert("1"), "TIFF", {"compression": "group4"}),
        "moving": (image, "GIF", {"save_all": True, "append_images": [image.rotate(180)]}),
    }
    if HAS_AVIF:
        writers["avif"] = (image, "AVIF", {"exif": block, "quality": 20, "speed": 10})
    files = {}
    for name, (picture, kind, options) in writers.items():
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)  # type: ignore[arg-type]
        files[name] = buffer.getvalue()
    for channels in (0, 2, 3, 4):
        files[f"deep{channels}"] = png_of(noise(HEIGHT, WIDTH, channels, "uint16"), 16)
    return files


def truncations(data: bytes, count: int) -> Iterator[bytes]:
    """The file cut off at so many places, evenly spread."""
    for length in np.linspace(0, len(data) - 1, count).astype(int):
        yield data[:length]


def flips(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The file with a few bytes changed, most of them in its first part, where headers are."""
    generator = random.Random(seed)
    for _ in range(count):
        broken = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            reach = len(broken) if generator.random() < 0.4 else min(len(broken), 120)
            broken[generator.randrange(reach)] = generator.choice(
                [0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)]
            )
        if generator.random() < 0.2:
            at = generator.randrange(len(broken))
            broken[at:at] = generator.randbytes(generator.randint(1, 9))
        yield bytes(broken)


@cache
def bombs() -> dict[str, bytes]:
    """Files of at most some hundred kilobytes that claim to be huge."""
    zeros = bytes(10**8)
    grey = (1, 1, 8, 0, 0, 0, 0)
    files = {
        "png of 60000x60000": png((60_000, 60_000, 1, 0, 0, 0, 0), b"\0"),
        "png of 13000x13000": png((13_000, 13_000, 8, 6, 0, 0, 0), b"\0"),
        "png of 13000x13000 and 16 bits": png((13_000, 13_000, 16, 6, 0, 0, 0), b"\0"),
        "png of 13000x13000 with alpha and 16 bits": png((13_000, 13_000, 16, 4, 0, 0, 0), b"\0"),
        "png that is high and thin": png((1, 178_000_000, 8, 0, 0, 0, 0), b"\0"),
        "png that is high, thin and interlaced": png((1, 178_000_000, 8, 0, 0, 0, 1), b"\0"),
        "png that is wide": png((178_000_000, 1, 8, 0, 0, 0, 0), b"\0"),
        "png without height": png((5, 0, 8, 0, 0, 0, 0), b"\0"),
        "png of text": png(grey, b"\0\0", chunk(b"zTXt", b"a\0\0" + zlib.compress(zeros, 9))),
        "png of a profile": png(grey, b"\0\0", chunk(b"iCCP", b"a\0\0" + zlib.compress(zeros, 9))),
        "png of billions of frames": png(grey, b"\0\0", chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        "tiff of pages": tiff_of_pages(3000),
        "gif of frames": gif_of_frames(3000),
        "gif of 65535x65535": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"\x2c" + bytes(20),
        "bmp of 2^31": bmp(2**31 - 1, 2**31 - 1),
        "bmp that is low": bmp(1, -(2**31)),
    }
    for name, changes in TIFF_BOMBS.items():
        files[f"tiff with {name}"] = tiff(changes)
    for side in (16_000, 16_383, 1 << 24):
        for flags in (0, 2):  # a still picture, an animation
            files[f"webp of {side} with flags {flags}"] = webp(side, min(side, 11_000), flags)
    return files


TIFF_BOMBS: dict[str, dict[int, tuple[int, int, int]]] = {
    "a huge side": {256: (4, 1, 2**32 - 1)},
    "huge sides": {256: (4, 1, 13_000), 257: (4, 1, 13_000)},
    "billions of strips": {273: (4, 2**32 - 1, 8)},
    "millions of strips": {257: (4, 1, 2**31), 278: (4, 1, 1)},
    "strips beyond the file": {273: (4, 1, 2**32 - 2)},
    "billions of channels": {277: (4, 1, 2**32 - 1)},
    "thousands of channels": {277: (3, 1, 60_000)},
    "no strips": {273: (4, 0, 0), 279: (4, 0, 0)},
    "a huge byte count": {279: (4, 1, 2**32 - 1)},
    "tiles of no size": {322: (4, 1, 0), 323: (4, 1, 0), 324: (4, 1, 8)},
    "tiles of huge size": {322: (4, 1, 2**31), 323: (4, 1, 2**31), 324: (4, 1, 8)},
    "an unknown type": {256: (99, 1, 1)},
    "sides that are text": {256: (2, 1, 65)},
    "a fraction by zero": {256: (5, 1, 0)},
    "itself as its Exif folder": {34665: (4, 1, 12)},
}


def tiff(changes: dict[int, tuple[int, int, int]]) -> bytes:
    """A TIFF of one grey pixel with some tags changed to other types, counts and values."""
    plain = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    tags = {tag: (4, 1, value) for tag, value in plain.items()} | changes
    if 322 in changes:  # tiles instead of strips
        tags = {tag: value for tag, value in tags.items() if tag not in (273, 278, 279)}
    folder = struct.pack("<H", len(tags))
    folder += b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags)) + bytes(4)
    return b"II*\x00" + struct.pack("<I", 12) + b"grey" + folder


def webp(width: int, height: int, flags: int) -> bytes:
    """A WebP of 4x4 pixels on a canvas that is said to be larger."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "WEBP", lossless=True)
    body = buffer.getvalue()[12:]
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + size
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(body)) + b"WEBP" + canvas + body


def bmp(width: int, height: int) -> bytes:
    """The header of a BMP of 24 bits, and nothing behind it."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header
