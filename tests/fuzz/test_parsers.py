"""Our own parsers and any bytes at all: an answer, or our error."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fuzz.limits import within
from pixels.crafted import chunk
from twofold.checkpoints.format import build_network, load_weights
from twofold.errors import CheckpointError, ImageError
from twofold.pixels import read_photo
from twofold.pixels.deep import avif_bits
from twofold.pixels.metadata import rebuilt_exif, without_orientation

BOXES = st.recursive(
    st.binary(max_size=12),
    lambda inner: st.lists(
        st.tuples(st.sampled_from([b"ftyp", b"meta", b"iprp", b"ipco", b"av1C"]), st.integers(-8, 20), inner),
        max_size=4,
    ).map(
        lambda boxes: b"".join(
            struct.pack(">I", max(0, 8 + len(body) + off)) + kind + body for kind, off, body in boxes
        )
    ),
    max_leaves=8,
)


@given(data=st.one_of(BOXES, st.binary(max_size=60)))
def test_bits_of_any_boxes_are_8_10_or_12(data: bytes) -> None:
    with within(2):
        assert avif_bits(io.BytesIO(data)) in (8, 10, 12)


def box(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I", 8 + len(body) if size is None else size) + kind + body


@pytest.mark.parametrize(("flags", "bits"), [(0x00, 8), (0x40, 10), (0x60, 12), (0x20, 8)])
def test_bits_are_read_from_the_coding_of_the_pictures(flags: int, bits: int) -> None:
    coding = box(b"av1C", bytes([0x81, 0, flags, 0]))
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", box(b"pixi", bytes(8)) + coding)))
    assert avif_bits(io.BytesIO(box(b"ftyp", b"avif") + meta)) == bits
    large = struct.pack(">I4sQ", 1, b"free", 24) + bytes(8)  # a box that says its size in eight bytes
    assert avif_bits(io.BytesIO(large + meta)) == bits
    endless = struct.pack(">I4sQ", 1, b"free", 2**64 - 1)
    assert avif_bits(io.BytesIO(endless + meta)) == 8


ENTRIES = st.dictionaries(
    st.sampled_from([0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x013B, 0x8298]), st.integers(0, 2**16 - 1)
)


@given(entries=ENTRIES, order=st.sampled_from("<>"), tail=st.binary(max_size=9))
def test_only_the_orientation_leaves_an_exif_block(entries: dict[int, int], order: str, tail: bytes) -> None:
    folder = struct.pack(order + "H", len(entries))
    for tag in sorted(entries):
        folder += struct.pack(order + "HHIHH", tag, 3, 1, entries[tag], 0)
    block = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8) + folder + bytes(4) + tail
    kept = without_orientation(b"Exif\0\0" + block)
    assert len(kept) == 6 + len(block)
    assert kept.endswith(tail)
    read = Image.Exif()
    read.load(kept)
    assert dict(read) == {tag: value for tag, value in entries.items() if tag != 0x0112}


@given(block=st.binary(max_size=80), order=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
@pytest.mark.filterwarnings("ignore")
def test_any_block_is_rebuilt_into_one_that_can_be_written_or_left_out(block: bytes, order: bytes) -> None:
    with within(2):
        rebuilt = rebuilt_exif(b"Exif\0\0" + order + block)
        if rebuilt is not None:
            Image.new("L", (1, 1)).save(io.BytesIO(), "TIFF", exif=rebuilt)


HEADS = st.tuples(
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([1, 2, 4, 8, 16, 3]),
    st.sampled_from([0, 2, 3, 4, 6, 1]),
)
CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"pHYs", b"acTL", b"fcTL", b"gAMA", b"abCd"]
        ),
        st.binary(max_size=30),
    ),
    max_size=5,
)


@given(head=HEADS, interlaced=st.integers(0, 2), chunks=CHUNKS)
@settings(max_examples=150)
def test_any_png_of_right_checksums_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    head: tuple[int, ...],
    interlaced: int,
    chunks: list[tuple[bytes, bytes]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.png"
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", *head, 0, 0, interlaced))
    body += b"".join(chunk(kind, content) for kind, content in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    with within(2):
        try:
            assert read_photo(path).pixels.size
        except ImageError as error:
            said = str(error)
            assert "\n" not in said


NUMBERS = st.one_of(
    st.integers(-2, 20), st.integers(-(2**65), 2**65), st.floats(), st.none(), st.text(max_size=2)
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(
            ["F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E5M2", "C64", "F4", "X", 1]
        ),
        "shape": st.lists(NUMBERS, max_size=3),
        "data_offsets": st.lists(NUMBERS, max_size=3),
    },
)


@given(
    tensors=st.dictionaries(st.text(max_size=3), st.one_of(TENSOR, NUMBERS), max_size=3),
    config=st.dictionaries(
        st.sampled_from(["fill_depth", "norm", "x"]), st.one_of(NUMBERS, st.lists(NUMBERS))
    ),
    data=st.binary(max_size=40),
)
@settings(max_examples=150)
def test_any_header_of_weights_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Any], config: dict[str, Any], data: bytes
) -> None:
    document = {"format": "twofold/1", "family": "medfe", "name": "x", "config": config, "about": {}}
    header = json.dumps({"__metadata__": {"twofold": json.dumps(document)}} | tensors).encode()
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    with within(2), pytest.raises(CheckpointError) as caught:
        build_network(load_weights(path))
    assert "\n" not in str(caught.value)
