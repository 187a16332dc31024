"""Image files written from their specifications, where no library at hand writes them."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SEVEN_PASSES = [
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
]
"""Of an interlaced PNG: first row, first column, and the steps down and across."""


def noise(
    height: int, width: int, channels: int, dtype: str, seed: int = 0, most: int | None = None
) -> np.ndarray:
    """Any levels; no third axis for 0 channels."""
    shape = (height, width) if channels == 0 else (height, width, channels)
    top = np.iinfo(dtype).max if most is None else most
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A piece of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(header: tuple[int, ...], rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG of a header (width, height, bits, colour type, 0, 0, interlaced) and rows with filter bytes."""
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    return start + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_of(levels: np.ndarray, bits: int, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A PNG of grey [h w], grey with alpha [h w 2], RGB or RGBA in as many bits."""
    height, width = levels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if levels.ndim == 2 else levels.shape[2]]
    passes = SEVEN_PASSES if interlaced else [(0, 0, 1, 1)]
    parts = [levels[top::down, left::across] for top, left, down, across in passes]
    rows = b"".join(_rows(part, bits) for part in parts if part.size)
    return png((width, height, bits, kind, 0, 0, int(interlaced)), rows, extra)


def _rows(levels: np.ndarray, bits: int) -> bytes:
    """Rows without filtering, each behind its filter byte; small levels share bytes, the first highest."""
    if bits >= 8:
        return b"".join(b"\x00" + row.astype(f">u{bits // 8}").tobytes() for row in levels)
    spread = (levels[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return b"".join(b"\x00" + np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in spread)


def tiff_of_pages(count: int, *, loop: bool = False) -> bytes:
    """A TIFF of so many pages of one grey pixel; the last points back to the first if it is a loop."""
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (278, 1), (279, 1)]
    size = 2 + 12 * len(tags) + 4
    body = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags
    )
    places = [12 + size * (page + 1) for page in range(count - 1)] + [12 if loop else 0]
    return (
        b"II*\x00" + struct.pack("<I", 12) + b"grey" + b"".join(body + struct.pack("<I", at) for at in places)
    )


def gif_of_frames(count: int) -> bytes:
    """A GIF of so many frames of one pixel."""
    start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return start + frame * count + b";"
