"""How many bits a channel of an AVIF file has: Pillow decodes all of them to 8 and does not say."""

import io
import struct
from collections.abc import Iterator

_LARGEST_BOX = 1 << 24  # bytes of a description; pixels lie elsewhere


def avif_bits(file: io.BufferedReader | io.BytesIO) -> int:
    """The most bits a channel that a picture in an AVIF file has: 8, 10 or 12.

    Args:
        file: can be read from its start; a damaged one has 8.
    """
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
    return max((_bits(coding[2]) for coding in codings), default=8)


def _bits(flags: int) -> int:
    """Bits a channel, from the third byte of a codec configuration: high bit depth, and twelve bits."""
    if not flags & 0x40:
        return 8
    return 12 if flags & 0x20 else 10


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kinds and contents of the boxes that lie one behind the other in ``data``."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size
