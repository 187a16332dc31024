"""TensorFlow checkpoints: what TensorFlow wrote is read; what is broken, absurd or hostile is refused."""

from __future__ import annotations

import shutil
import struct
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from checkpoints.bundle_writer import (
    block,
    bytes_field,
    entry,
    finished,
    header,
    number_field,
    sealed,
    table,
    table_of_blocks,
    varint,
    write_bundle,
)
from twofold.checkpoints import tf_bundle
from twofold.checkpoints.tf_bundle import TensorBundle, find_prefix
from twofold.checkpoints.tf_table import MAX_KEY_BYTES, crc32c
from twofold.errors import CheckpointError, MissingExtraError

DATA = Path(__file__).parent / "data"
FLOAT = 1


def expected(file: str) -> dict[str, np.ndarray]:
    with np.load(DATA / file) as arrays:
        return {name.replace("|", "/"): arrays[name] for name in arrays.files}


def read_all(path: Path) -> dict[str, np.ndarray]:
    bundle = TensorBundle(path)
    return {name: bundle.read(name) for name in bundle.entries}


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    return ours.keys() == theirs.keys() and all(
        value.dtype == theirs[name].dtype
        and value.shape == theirs[name].shape
        and value.tobytes() == theirs[name].tobytes()
        for name, value in ours.items()
    )


def copied(name: str, folder: Path) -> Path:
    """Copy a checkpoint of ``data`` and return its prefix."""
    for file in DATA.glob(f"{name}.*"):
        shutil.copy(file, folder)
    return folder / Path(name).name


# --- what TensorFlow wrote ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "values"), [("one.ckpt", "one.npz"), ("two.ckpt", "one.npz"), ("saver", "saver.npz")]
)
def test_tensors_that_tensorflow_wrote_are_read_bit_for_bit(prefix, values):
    theirs = expected(values)
    assert same(read_all(DATA / prefix), theirs)
    shapes = {name: entry.shape for name, entry in TensorBundle(DATA / prefix).entries.items()}
    assert shapes == {name: value.shape for name, value in theirs.items()}


def test_every_type_is_among_what_tensorflow_wrote():
    kinds = {value.dtype.name for value in expected("one.npz").values()}
    assert kinds == {"float16", "float32", "float64", "int32", "int64"}
    assert {file.name for file in DATA.glob("two.ckpt.data*")} == {
        "two.ckpt.data-00000-of-00002",
        "two.ckpt.data-00001-of-00002",
    }


def test_a_table_of_several_blocks_that_tensorflow_wrote_is_read(tmp_path):
    with zipfile.ZipFile(DATA / "blocks.zip") as archive:
        archive.extractall(tmp_path)
    assert (tmp_path / "blocks.ckpt.index").stat().st_size > 3 * 2**18  # its blocks have 256 KiB
    values = read_all(tmp_path / "blocks.ckpt")
    assert len(values) == 200
    assert all(value.tolist() == [int(name[:3])] for name, value in values.items())


def test_what_is_read_may_be_written_to():
    value = TensorBundle(DATA / "one.ckpt").read("types/float32")
    value += 1


def test_the_checksum_is_crc_32c():
    def unmasked(value: int) -> int:
        rotated = (value - 0xA282EAD8) & 0xFFFFFFFF
        return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF

    assert unmasked(crc32c(b"123456789")) == 0xE3069283  # the check value of the standard
    assert unmasked(crc32c(bytes(32))) == 0x8A9136AA  # RFC 3720


# --- our own writer, any content ---------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
ARRAYS = st.sampled_from(["float16", "float32", "float64", "int32", "int64"]).flatmap(
    lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)


@given(
    tensors=st.dictionaries(NAMES, ARRAYS, max_size=30),
    shards=st.integers(1, 3),
    per_block=st.integers(1, 10),
)
@settings(max_examples=60)
def test_any_tensors_come_back(tmp_path_factory, tensors, shards, per_block):
    prefix = tmp_path_factory.mktemp("any") / "model.ckpt"
    write_bundle(prefix, tensors, shards=shards, per_block=per_block)
    assert same(read_all(prefix), tensors)


# --- the ways to name a checkpoint -------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_any_file_of_a_checkpoint_names_it(ending):
    assert find_prefix(f"{DATA / 'one.ckpt'}{ending}") == DATA / "one.ckpt"


def test_a_folder_names_what_its_checkpoint_file_says(tmp_path):
    for name in ("model.ckpt-10", "model.ckpt-20"):
        write_bundle(tmp_path / name, {"step": np.int64(name[-2:])[None]})
    pointer = tmp_path / "checkpoint"
    pointer.write_text(
        'model_checkpoint_path: "model.ckpt-10"\nall_model_checkpoint_paths: "model.ckpt-20"\n'
    )
    assert TensorBundle(tmp_path).read("step") == 10
    pointer.write_text('model_checkpoint_path: "/home/someone/elsewhere/model.ckpt-20"\n')
    assert TensorBundle(tmp_path).read("step") == 20
    pointer.write_text(f'model_checkpoint_path: "{tmp_path}/model.ckpt-10"\n')
    assert TensorBundle(tmp_path).read("step") == 10


@pytest.mark.parametrize("text", [None, b"", b"\xff\x00", b'model_checkpoint_path: "gone"', b'model_"\0"'])
def test_a_folder_with_one_checkpoint_names_it_whatever_its_checkpoint_file_says(tmp_path, text):
    write_bundle(tmp_path / "model.ckpt", {"a": np.ones(2)})
    if text is not None:
        (tmp_path / "checkpoint").write_bytes(text)
    assert find_prefix(tmp_path) == tmp_path / "model.ckpt"


@pytest.mark.parametrize(
    ("files", "named", "words"),
    [
        (["a.index", "b.index"], "", r"holds 2 .index files \(a.index, b.index\)"),
        ([], "", r"holds 0 .index files \(none\)"),
        ([], "model.ckpt", r"there is no .*model.ckpt.index"),
        (["model.ckpt"], "model.ckpt", "format V2"),
        (["model.ckpt.meta"], "model.ckpt.meta", r"there is no .*model.ckpt.index"),
        ([], "x" * 5000, "there is no"),
        ([], "nul\0nul", "there is no"),
    ],
)
def test_what_names_no_checkpoint_is_refused(tmp_path, files, named, words):
    for file in files:
        (tmp_path / file).write_bytes(b"?")
    with pytest.raises(CheckpointError, match=words):
        TensorBundle(tmp_path / named)


@pytest.mark.parametrize("library", ["google_crc32c", "google.protobuf.message"])
def test_without_a_library_the_way_out_is_said(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[convert\]'"):
        TensorBundle(DATA / "one.ckpt")


# --- damage ------------------------------------------------------------------------------------


def test_an_index_cut_off_anywhere_is_refused(tmp_path):
    prefix = copied("two.ckpt", tmp_path)
    index = Path(f"{prefix}.index")
    whole = index.read_bytes()
    for length in range(0, len(whole), 3):
        index.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"two\.ckpt\.index"):
            TensorBundle(prefix)


def test_no_flipped_byte_of_an_index_changes_what_is_read(tmp_path):
    prefix, theirs = copied("saver/model.ckpt-1", tmp_path), expected("saver.npz")
    index = Path(f"{prefix}.index")
    whole = index.read_bytes()
    refused = 0
    for position in range(len(whole)):
        index.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            assert same(read_all(prefix), theirs)
        except CheckpointError as error:
            assert "model.ckpt-1" in str(error)  # noqa: PT017 - either is right
            refused += 1
    assert refused > 0.8 * len(whole)  # all but the empty meta index and the footer's padding


def test_every_flipped_byte_of_the_data_is_noticed_and_its_tensor_named(tmp_path):
    prefix = copied("saver/model.ckpt-1", tmp_path)
    bundle = TensorBundle(prefix)
    data = bundle.data_file(0)
    whole = data.read_bytes()
    for position in range(len(whole)):
        data.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        owner = next(n for n, e in bundle.entries.items() if e.offset <= position < e.offset + e.size)
        with pytest.raises(CheckpointError, match=f"the checksum of {owner} is wrong"):
            read_all(prefix)


def test_data_that_is_cut_off_or_gone_is_refused_with_the_tensor(tmp_path):
    prefix = copied("one.ckpt", tmp_path)
    bundle = TensorBundle(prefix)
    data = bundle.data_file(0)
    data.write_bytes(data.read_bytes()[:-1])
    last = max(bundle.entries, key=lambda name: bundle.entries[name].offset)
    with pytest.raises(CheckpointError, match=f"{data.name} has .* bytes, but {last} ends"):
        bundle.read(last)
    data.unlink()
    with pytest.raises(CheckpointError, match=rf"cannot read {last} from .*{data.name} \(No such file"):
        bundle.read(last)
    data.mkdir()
    with pytest.raises(CheckpointError, match=last):
        bundle.read(last)


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(CheckpointError, match="has no tensor net/nothing"):
        TensorBundle(DATA / "one.ckpt").read("net/nothing")


# --- crafted -----------------------------------------------------------------------------------


def refused(folder: Path, index: bytes, data: bytes = b"", name: str = "a") -> str:
    """What is said of an index, or else of reading one of its tensors."""
    (folder / "bad.ckpt.index").write_bytes(index)
    (folder / "bad.ckpt.data-00000-of-00001").write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        TensorBundle(folder / "bad.ckpt").read(name)
    assert "bad.ckpt" in str(caught.value)
    return str(caught.value)


ENTRIES = {
    "size without shape": (entry(FLOAT, [], size=2**40), "gives a 1099511627776 bytes"),
    "size that is not the shape's": (entry(FLOAT, [3], size=16), "gives a 16 bytes"),
    "shape beyond the file": (entry(FLOAT, [2**20, 2**18], size=2**40), "has 0 bytes, but a ends"),
    "offset beyond the file": (entry(FLOAT, [1], offset=2**61, size=4), "has 0 bytes, but a ends"),
    "offset beyond 63 bits": (entry(FLOAT, [1], offset=-1, size=4), "impossible place"),
    "size beyond 63 bits": (entry(FLOAT, [1], size=-4), "impossible place"),
    "a negative side": (entry(FLOAT, [-1], size=4), "impossible shape"),
    "sides that overflow": (entry(FLOAT, [2**32, 2**32], size=0), "impossible shape"),
    "no values, yet a huge shape": (entry(FLOAT, [0, 2**62], size=0), "impossible shape"),
    "too many sides": (entry(FLOAT, [1] * 33, size=4), "impossible shape"),
    "a data file that is not": (entry(FLOAT, [1], shard=1, size=4), "data file 1 of 1"),
    "text": (entry(7, [1], size=4), "as TensorFlow's type 7"),
    "no type": (entry(0, [1], size=4), "as TensorFlow's type 0"),
    "parts": (entry(FLOAT, [1], size=4) + bytes_field(7, b""), "in parts"),
    "a wrong checksum": (entry(FLOAT, [], checksum=1), "gives a 0 bytes"),
    "an unknown kind of field": (varint(5 << 3 | 3), "a record is damaged"),
    "a cut record": (bytes_field(2, b"1234")[:-1], "a record is damaged"),
    "a record said to be huge": (varint(2 << 3 | 2) + varint(2**60), "a record is damaged"),
    "an endless number": (varint(1 << 3) + b"\xff" * 30, "a record is damaged"),
    "a number of 70 bits": (varint(1 << 3) + b"\xff" * 9 + b"\x7f", "as TensorFlow's type -1"),
    "a number cut off": (varint(1 << 3) + b"\xff", "a record is damaged"),
    "a record that is long": (bytes_field(2, bytes_field(2, b"") * 40_000), "a record has 80004 bytes"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_entries_that_cannot_be_are_refused(tmp_path, case):
    record, words = ENTRIES[case]
    said = refused(tmp_path, table({b"": header(), b"a": record}))
    assert words in said


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({b"a": entry(FLOAT, [1])}, "data file 0 of 0"),
        ({}, "no header"),
        ({b"": b""}, "0 data files"),
        ({b"": header(100_000)}, "100000 data files"),
        ({b"": header(-1)}, "data files"),
        ({b"": header(1, endianness=1)}, "big-endian"),
        ({b"": header(), b"\xff": b""}, "is not text"),
        ({b"": header(), b"a\nb": b""}, "cannot be printed"),
    ],
)
def test_headers_and_names_that_cannot_be_are_refused(tmp_path, items, words):
    assert words in refused(tmp_path, table(items))


def test_tables_that_cannot_be_are_refused(tmp_path):
    good = [(b"", header()), (b"a", entry(FLOAT, []))]
    content = block(good)
    assert "compressed (Snappy)" in refused(tmp_path, table_of_blocks([content], compression=1))
    assert "unknown method 9" in refused(tmp_path, table_of_blocks([content], compression=9))
    assert "out of order" in refused(tmp_path, table_of_blocks([block([*good, good[0]])]))
    assert "out of order" in refused(tmp_path, table_of_blocks([content, content]))
    twice = block([(b"0", varint(0) + varint(len(content))), (b"1", varint(0) + varint(len(content)))])
    assert "blocks overlap" in refused(tmp_path, finished(sealed(content), twice))
    outside = block([(b"0", varint(2**63) + varint(2**63))])
    assert "outside the file" in refused(tmp_path, finished(sealed(content), outside))
    assert "a number is cut off" in refused(tmp_path, finished(b"", block([(b"0", b"\x80")])))
    assert "too short" in refused(tmp_path, table_of_blocks([b"abc"]))
    assert "restart points" in refused(tmp_path, table_of_blocks([struct.pack("<I", 2**32 - 1)]))
    reaching = varint(0) + varint(2**60) + varint(0) + struct.pack("<2I", 0, 1)
    assert "out of its block" in refused(tmp_path, table_of_blocks([reaching]))
    shared = varint(5) + varint(0) + varint(0) + struct.pack("<2I", 0, 1)
    assert "out of its block" in refused(tmp_path, table_of_blocks([shared]))
    assert "fewer than the 48" in refused(tmp_path, b"short")
    assert "does not end as a table" in refused(tmp_path, bytes(48))


def test_small_files_that_would_unfold_to_huge_ones_are_refused_at_once(tmp_path, monkeypatch):
    # Each key repeats nearly all of the one before: 400 kB that would spell out 200 MB.
    entries = bytearray(varint(0) + varint(0) + varint(len(header())) + header())
    entries += varint(0) + varint(4000) + varint(0) + b"k" * 3995 + b"00000"
    for index in range(1, 50_000):
        entries += varint(3995) + varint(5) + varint(0) + b"%05x" % index
    unfolding = table_of_blocks([bytes(entries) + struct.pack("<2I", 0, 1)])
    tracemalloc.start()
    start = time.process_time()
    said = refused(tmp_path, unfolding)
    elapsed, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "longer than" in said
    assert peak < 6 * MAX_KEY_BYTES
    assert elapsed < 10

    monkeypatch.setattr(tf_bundle, "MAX_TENSORS", 5)
    many = {b"": header()} | {b"%d" % i: entry(FLOAT, []) for i in range(6)}
    assert "more than 5 tensors" in refused(tmp_path, table(many))
    monkeypatch.setattr(tf_bundle, "MAX_INDEX_BYTES", 20)
    assert "larger than 20 bytes" in refused(tmp_path, table({b"": header()}))


@given(content=st.binary(max_size=80), value=st.binary(max_size=40), tail=st.binary(max_size=8))
@settings(max_examples=100)
def test_nothing_behind_a_right_checksum_breaks_the_reader(tmp_path_factory, content, value, tail):
    folder = tmp_path_factory.getbasetemp() / "behind"
    folder.mkdir(exist_ok=True)
    (folder / "bad.ckpt.data-00000-of-00001").write_bytes(b"12345678")
    indices = [
        table_of_blocks([content]),
        table_of_blocks([block([(b"", header())]), content + struct.pack("<I", 0)]),
        finished(b"", content),
        finished(sealed(content), block([(b"", value)])),
        table({b"": value}),
        table({b"": header(), b"a": value}),
        table({b"": header(), b"a": entry(FLOAT, [1], size=4) + value}),
        table({b"": header(), b"a": number_field(1, FLOAT) + bytes_field(2, value) + tail}),
        table({b"": header(), value: entry(FLOAT, [2], size=8)}),
        content + table({b"": header()})[-48:],
        table({b"": header()})[:-48] + (content + bytes(40))[:40] + table({})[-8:],
    ]
    for index in indices:
        (folder / "bad.ckpt.index").write_bytes(index)
        try:
            read_all(folder / "bad.ckpt")
        except CheckpointError as error:
            assert "bad.ckpt" in str(error)  # noqa: PT017 - reading well is right, too
