"""Colours of 16 bits: read without loss although Pillow keeps 8, and write them as PNG.

Pillow's decoders understand 16-bit colour files and keep one byte of each two. Which byte is a
matter of the byte order that they are told, so decoding twice, once in each order, gives both. Of AVIF it
decodes all to 8 bits and does not say how many there were.
"""

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import ImageError
from twofold.pixels.opening import load_picture, open_picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# TIFF tags, and one value of each that matters.
_BITS, _CHANNELS, _PHOTOMETRIC, _KIND = 258, 277, 262, 339
_MIN_IS_WHITE, _SIGNED = 0, 2
_LARGEST_BOX = 1 << 24  # bytes of the description of an AVIF file; pixels lie elsewhere


def stored_bits(image: Image.Image, file: io.BufferedReader | io.BytesIO) -> int:
    """Bits a channel in the file of an image that is opened and not yet loaded; at least 8."""
    if image.format == "PNG":
        return 16 if any(_raw_mode(tile).endswith(";16B") for tile in _tiles(image)) else 8
    if image.format == "AVIF":
        return avif_bits(file)
    return max((8, *_tag(image, _BITS)))


def is_negative(image: Image.Image) -> bool:
    """Whether the levels of 16-bit grey mean darkness; Pillow turns those of 8 bits over by itself."""
    return image.mode.startswith("I;16") and _MIN_IS_WHITE in _tag(image, _PHOTOMETRIC)


def unkept(image: Image.Image) -> str:
    """What of an opened TIFF file would be lost without a word, in words; nothing if all is kept."""
    channels = max(_tag(image, _CHANNELS), default=1)
    if channels > len(image.getbands()):
        return f"has {channels} channels, of which {len(image.getbands())} could be kept"
    return "holds signed levels" if _SIGNED in _tag(image, _KIND) else ""


def _tag(image: Image.Image, number: int) -> tuple[int, ...]:
    """The numbers of a TIFF file's tag; none where there is no such tag."""
    value = getattr(image, "tag_v2", {}).get(number, ())
    values = value if isinstance(value, tuple) else (value,)
    return tuple(entry for entry in values if isinstance(entry, int))


def read_deep(image: Image.Image, file: io.BufferedReader | io.BytesIO, name: str) -> npt.NDArray[np.uint16]:
    """Decode a 16-bit RGB, RGBA or grey-with-alpha file: [h w 3] or [h w 4], not yet upright.

    Args:
        image: opened from ``file`` and not yet loaded; it is loaded afterwards.
        file: can be read again from its start.
        name: of the file, for messages.

    Raises:
        ImageError: if the file is damaged or stores its colours in planes or premultiplied.
    """
    raw_modes = {_raw_mode(tile) for tile in _tiles(image)}
    load_picture(image, name)
    if raw_modes == {"LA;16B"}:
        return _read_grey_alpha(file, name)
    if len(raw_modes) != 1 or raw_modes.isdisjoint(f"{m};16{o}" for m in ("RGB", "RGBA") for o in "BLN"):
        raise ImageError(f"{name} stores its 16-bit colours in a rare way; save it as a 16-bit PNG")
    file.seek(0)
    low = open_picture(file, name)
    low.tile = [_told(tile, _other_order(_raw_mode(tile))) for tile in _tiles(low)]  # type: ignore[attr-defined]
    load_picture(low, name)
    levels: npt.NDArray[np.uint16] = np.asarray(image).astype(np.uint16) << 8 | np.asarray(low)
    key = image.info.get("transparency")
    if isinstance(key, tuple) and levels.shape[2] == 3:  # one colour is transparent
        opaque = (levels != np.array(key, np.uint16)).any(axis=2, keepdims=True)
        levels = np.concatenate([levels, np.where(opaque, 65535, 0).astype(np.uint16)], axis=2)
    return levels


def encode_png(
    pixels: npt.NDArray[np.uint16],
    *,
    exif: bytes | None = None,
    icc_profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode 16-bit grey [h w] or [h w 1], RGB [h w 3] or RGBA [h w 4] as a PNG file."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    color_type = {1: 0, 3: 2, 4: 6}[channels]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))]
    if icc_profile:
        chunks.append((b"iCCP", b"ICC Profile\x00\x00" + zlib.compress(icc_profile)))
    if dpi:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1)))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\x00\x00")))
    chunks += [(b"IDAT", _filtered_rows(pixels)), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _filtered_rows(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Rows as differences to the row above (PNG filter 2), compressed."""
    height = pixels.shape[0]
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)  # h (w c 2)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256, as PNG wants it
    return zlib.compress(filtered.tobytes(), level=4)


def _read_grey_alpha(file: io.BufferedReader | io.BytesIO, name: str) -> npt.NDArray[np.uint16]:
    """Decode a PNG of 16-bit grey with alpha as RGBA.

    Two channels of two bytes lie in the file like four channels of one byte, so the file is read
    as 8-bit RGBA by changing those two bytes of its header.
    """
    file.seek(0)
    data = bytearray(file.read())
    data[24:26] = b"\x08\x06"  # bit depth and colour type, in the IHDR chunk that always comes first
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    relabelled = open_picture(io.BytesIO(bytes(data)), name)
    load_picture(relabelled, name)
    levels = np.asarray(relabelled).view(">u2").astype(np.uint16)  # h w (grey, alpha)
    return np.ascontiguousarray(levels[..., [0, 0, 0, 1]])


def _tiles(image: Image.Image) -> list[Any]:
    return list(getattr(image, "tile", []))


def _raw_mode(tile: Any) -> str:
    """How the bytes of one tile are laid out, in Pillow's words: the first decoder argument."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _told(tile: Any, raw_mode: str) -> Any:
    """The same tile with another byte layout."""
    arguments = (raw_mode, *tile[3][1:]) if isinstance(tile[3], tuple) else raw_mode
    # A named tuple in newer Pillows.
    return tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments)


def _other_order(raw_mode: str) -> str:
    """``RGB;16B`` for ``RGB;16L`` and the other way; N is this machine's own order."""
    order = raw_mode[-1]
    if order == "N":
        order = "L" if sys.byteorder == "little" else "B"
    return raw_mode[:-1] + {"L": "B", "B": "L"}[order]


def avif_bits(file: io.BufferedReader | io.BytesIO) -> int:
    """The most bits a channel that a picture in an AVIF file has: 8, 10 or 12; 8 if it is damaged."""
    held = file.seek(0, io.SEEK_END)
    file.seek(0)
    described = b""
    while len(header := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        if size == 1:  # the size follows, for boxes of many gigabytes
            size = int.from_bytes(file.read(8), "big") - 8
        if kind == b"meta" and 12 <= size <= _LARGEST_BOX:
            described = file.read(size - 8)[4:]  # behind version and flags
            break
        if not 8 <= size <= held:  # 0: to the end of the file
            break
        file.seek(size - 8, io.SEEK_CUR)
    properties = [body for kind, body in _boxes(described) if kind == b"iprp"]
    tables = [body for part in properties for kind, body in _boxes(part) if kind == b"ipco"]
    codings = [body for table in tables for kind, body in _boxes(table) if kind == b"av1C" and len(body) > 2]
    # The third byte of a codec configuration: high bit depth, and twelve bits.
    bits = (8 if not coding[2] & 0x40 else 12 if coding[2] & 0x20 else 10 for coding in codings)
    return max(bits, default=8)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kinds and contents of the boxes that lie one behind the other in ``data``."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size
