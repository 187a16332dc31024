"""TensorFlow's sorted tables (LevelDB's format): the ``.index`` file of a checkpoint as keys and values.

Everything is bounded by the file itself: no table, however broken, makes this read for long or keep
much more than the file's own size.
"""

import struct
from collections.abc import Iterator

from twofold.errors import require

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5
"""Behind each block: how it is compressed (1 byte) and its checksum (4)."""
MAX_KEY_BYTES = 1 << 24
"""Of all keys together: keys share their beginnings, so a small file can spell out long ones."""


class MalformedError(ValueError):
    """Bytes that cannot be what they should be; the caller knows the file and says so."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned number of 7 bits a byte, of 64 bits at most; returns it and where it ends."""
    value = 0
    for index in range(10):
        if at + index >= len(data):
            raise MalformedError("a number is cut off")
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at + index + 1
    raise MalformedError("a number is longer than 64 bits")


def crc32c(data: bytes) -> int:
    """CRC-32C of some bytes, masked as TensorFlow stores it.

    Raises:
        MissingExtraError: if the library for it is not installed.
    """
    library = require("google_crc32c", "a TensorFlow checkpoint", "convert", package="google-crc32c")
    plain: int = library.value(data)
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


def table_items(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a whole table file, in the order of the keys.

    Raises:
        MalformedError: as soon as something cannot be: checksums, places outside the file, keys out of order.
    """
    if len(data) < FOOTER_BYTES:
        raise MalformedError(f"it has {len(data)} bytes, fewer than the {FOOTER_BYTES} of a table's end")
    footer = data[-FOOTER_BYTES:]
    if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise MalformedError("it does not end as a table does")
    _, _, at = _handle(footer, 0)  # of the meta index, which TensorFlow leaves empty
    offset, size, _ = _handle(footer, at)
    spelled, end, last = 0, 0, None
    for _, handle in _block_items(_block(data, offset, size)):
        offset, size, _ = _handle(handle, 0)
        if offset < end:  # else a small file could name one block over and over
            raise MalformedError("its blocks overlap")
        end = offset + size
        for key, value in _block_items(_block(data, offset, size)):
            if last is not None and key <= last:
                raise MalformedError("its keys are out of order")
            spelled += len(key)
            if spelled > MAX_KEY_BYTES:
                raise MalformedError(f"its keys are longer than {MAX_KEY_BYTES} bytes together")
            yield key, value
            last = key


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """A block's offset and size, and where the handle ends."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return offset, size, at


def _block(data: bytes, offset: int, size: int) -> bytes:
    """The content of a block, checked."""
    end = offset + size
    if end + TRAILER_BYTES > len(data) - FOOTER_BYTES:
        raise MalformedError(f"a block is said to end at byte {end}, outside the file of {len(data)}")
    compression, checksum = struct.unpack("<BI", data[end : end + TRAILER_BYTES])
    if crc32c(data[offset : end + 1]) != checksum:
        raise MalformedError(f"the checksum of the block at byte {offset} is wrong")
    if compression:
        name = "Snappy" if compression == 1 else f"unknown method {compression}"
        raise MalformedError(f"it is compressed ({name}), and only uncompressed tables are read")
    return data[offset:end]


def _block_items(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key is spelled by what differs from the one before."""
    if len(block) < 4:
        raise MalformedError("a block is too short")
    restarts = struct.unpack("<I", block[-4:])[0]
    limit = len(block) - 4 * (restarts + 1)
    if limit < 0:
        raise MalformedError("a block is too short for its restart points")
    at, key = 0, b""
    while at < limit:
        shared, at = varint(block, at)
        fresh, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or at + fresh + length > limit:
            raise MalformedError("an entry reaches out of its block")
        key = key[:shared] + block[at : at + fresh]
        at += fresh + length
        yield key, block[at - length : at]
