"""Write TensorFlow checkpoints, good ones and bad ones, piece by piece."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
MAGIC = 0xDB4775248B80FB57


def masked_crc(data: bytes) -> int:
    plain = google_crc32c.value(data)
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def header(shards: int = 1, endianness: int = 0) -> bytes:
    version = bytes_field(3, number_field(1, 1))
    return number_field(1, shards) + number_field(2, endianness) + version


def entry(
    dtype: int, shape: Iterable[int], *, shard: int = 0, offset: int = 0, size: int = 0, checksum: int = 0
) -> bytes:
    axes = b"".join(bytes_field(2, number_field(1, side)) for side in shape)
    numbers = number_field(1, dtype) + bytes_field(2, axes)
    numbers += number_field(3, shard) + number_field(4, offset) + number_field(5, size)
    return numbers + varint(6 << 3 | 5) + struct.pack("<I", checksum)


def block(items: Iterable[tuple[bytes, bytes]], interval: int = 16) -> bytes:
    """The content of a table's block, without its trailer."""
    out, restarts, last = bytearray(), [], b""
    for index, (key, value) in enumerate(items):
        shared = 0
        if index % interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        fresh = key[shared:]
        out += varint(shared) + varint(len(fresh)) + varint(len(value)) + fresh + value
        last = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def sealed(content: bytes, compression: int = 0) -> bytes:
    """A block with its trailer."""
    return content + bytes([compression]) + struct.pack("<I", masked_crc(content + bytes([compression])))


def table_of_blocks(contents: Iterable[bytes], compression: int = 0) -> bytes:
    """A table whose data blocks are these; the keys of its index do not matter to a reader."""
    out, handles = bytearray(), []
    for index, content in enumerate(contents):
        handles.append((struct.pack(">I", index), varint(len(out)) + varint(len(content))))
        out += sealed(content, compression)
    return finished(bytes(out), block(handles))


def finished(blocks: bytes, index: bytes) -> bytes:
    """Put the meta index, the index and the footer behind data blocks."""
    meta = block([])
    footer = varint(len(blocks)) + varint(len(meta))
    footer += varint(len(blocks) + len(meta) + 5) + varint(len(index))
    return blocks + sealed(meta) + sealed(index) + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def table(items: Mapping[bytes, bytes], per_block: int = 50) -> bytes:
    ordered = sorted(items.items())
    starts = range(0, len(ordered), per_block)
    return table_of_blocks(block(ordered[start : start + per_block]) for start in starts)


def write_bundle(
    prefix: Path, tensors: Mapping[str, np.ndarray], *, shards: int = 1, per_block: int = 50
) -> Path:
    """Write a checkpoint as TensorFlow does; tensors go to the data files in turn."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    files = [bytearray() for _ in range(shards)]
    items = {b"": header(shards)}
    for index, (name, value) in enumerate(sorted(tensors.items())):
        shard, data = index % shards, value.tobytes()
        place = {"shard": shard, "offset": len(files[shard]), "size": len(data)}
        checksum = masked_crc(data)
        items[name.encode()] = entry(NUMBERS[value.dtype.name], value.shape, checksum=checksum, **place)
        files[shard] += data
    for index, file in enumerate(files):
        Path(f"{prefix}.data-{index:05d}-of-{shards:05d}").write_bytes(file)
    Path(f"{prefix}.index").write_bytes(table(items, per_block))
    return prefix
