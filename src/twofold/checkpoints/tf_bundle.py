"""TensorFlow 1 checkpoints (``Saver``, format V2) without TensorFlow.

A checkpoint ``model.ckpt`` is a table ``model.ckpt.index`` (see ``tf_table``) that says what lies where
in ``model.ckpt.data-00000-of-00001`` and so on; ``model.ckpt.meta`` is the graph and is not needed.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.checkpoints.protobuf import UnreadableError, parse
from twofold.checkpoints.tf_table import MalformedError, crc32c, table_items
from twofold.errors import CheckpointError
from twofold.pixels.regular import open_regular

MAX_INDEX_BYTES = 1 << 22
"""Read in seconds, whatever it holds; a tensor takes about 100."""
MAX_TENSORS = 100_000
MAX_NAME_BYTES = 1 << 12
MAX_VALUES = 1 << 40
MAX_RECORD_BYTES = 1 << 16
"""Of what is said of one tensor."""
_MAX_AXES = 32
_MAX_POINTER_BYTES = 1 << 16
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
"""TensorFlow's number of a type -> numpy's name of it in a checkpoint."""
_MESSAGES = """
message_type { name: "Header"
  field { name: "num_shards" number: 1 type: TYPE_INT32 }
  field { name: "endianness" number: 2 type: TYPE_INT32 } }
message_type { name: "Axis" field { name: "size" number: 1 type: TYPE_INT64 } }
message_type { name: "Shape"
  field { name: "dim" number: 2 type: TYPE_MESSAGE type_name: "Axis" label: LABEL_REPEATED } }
message_type { name: "Entry"
  field { name: "dtype" number: 1 type: TYPE_INT32 }
  field { name: "shape" number: 2 type: TYPE_MESSAGE type_name: "Shape" }
  field { name: "shard_id" number: 3 type: TYPE_INT32 }
  field { name: "offset" number: 4 type: TYPE_INT64 }
  field { name: "size" number: 5 type: TYPE_INT64 }
  field { name: "crc32c" number: 6 type: TYPE_FIXED32 }
  field { name: "slices" number: 7 type: TYPE_BYTES label: LABEL_REPEATED } }
"""
"""What is read of ``tensorflow/core/protobuf/tensor_bundle.proto`` and ``tensor_shape.proto``."""
_ENDINGS = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")
_POINTER = re.compile(r'^\s*model_checkpoint_path\s*:\s*"([^"\n]*)"', re.MULTILINE)


@dataclass(frozen=True)
class BundleEntry:
    """Where a tensor lies."""

    dtype: int  # TensorFlow's number of its type; 1 is float32
    shape: tuple[int, ...]
    shard: int  # which data file
    offset: int  # of its first byte there
    size: int  # in bytes
    checksum: int  # masked CRC-32C of the bytes
    sliced: bool  # whether it is stored in parts, as partitioned variables are


class TensorBundle:
    """A TensorFlow checkpoint, opened: the list of its tensors, and their values on demand.

    Args:
        path: ``model.ckpt``, any file of it (``model.ckpt.index``), or a folder with a ``checkpoint`` file
            that names one or with one checkpoint only.

    Attributes:
        prefix: the checkpoint's path without ``.index``.
        entries: where each tensor lies, by name.

    Raises:
        CheckpointError: if there is no checkpoint, or its index is damaged or of another kind.
        MissingExtraError: if google-crc32c or protobuf is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.prefix = find_prefix(path)
        self._index = Path(f"{self.prefix}.index")
        try:
            if self._index.stat().st_size > MAX_INDEX_BYTES:
                raise MalformedError(f"it is larger than {MAX_INDEX_BYTES} bytes")
            with open_regular(self._index) as file:
                self._shards, entries = _parse_index(file.read())
        except OSError as error:
            raise CheckpointError(f"cannot read {self._index}: {error}; give another checkpoint") from error
        except MalformedError as error:
            raise CheckpointError(
                f"{self._index} cannot be read as a checkpoint's index: {error}; fetch or save it again"
            ) from error
        self.entries: Mapping[str, BundleEntry] = entries

    def data_file(self, shard: int) -> Path:
        """The data file of this number."""
        return Path(f"{self.prefix}.data-{shard:05d}-of-{self._shards:05d}")

    def read(self, name: str) -> NDArray[Any]:
        """The values of a tensor, checked against its checksum.

        Returns:
            float16, float32, float64, int32 or int64, as it was stored.

        Raises:
            CheckpointError: if there is no such tensor, it is of another type, or its bytes are not there
                or not what was written.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise CheckpointError(f"{self._index} has no tensor {name}; give another checkpoint")
        if entry.dtype not in _DTYPES or entry.sliced:
            kind = "in parts" if entry.sliced else f"as TensorFlow's type {entry.dtype}"
            raise CheckpointError(f"{self._index} holds {name} {kind}; whole numeric tensors are needed")
        dtype = np.dtype(_DTYPES[entry.dtype])
        if math.prod(entry.shape) * dtype.itemsize != entry.size:
            raise CheckpointError(
                f"{self._index} gives {name} {entry.size} bytes, which {entry.shape} of {dtype.name} "
                "do not have; fetch it again"
            )
        data = self._bytes(name, entry)
        return np.frombuffer(data, dtype).reshape(entry.shape).astype(dtype.newbyteorder("="))

    def _bytes(self, name: str, entry: BundleEntry) -> bytes:
        path = self.data_file(entry.shard)
        try:
            with open_regular(path) as file:
                held = os.fstat(file.fileno()).st_size
                if entry.offset + entry.size > held:
                    raise CheckpointError(
                        f"{path} has {held} bytes, but {name} ends at byte {entry.offset + entry.size}; "
                        "fetch it again"
                    )
                file.seek(entry.offset)
                data = file.read(entry.size)
        except OSError as error:
            raise CheckpointError(
                f"cannot read {name} from {path} ({error.strerror}); keep all files of a checkpoint together"
            ) from error
        if len(data) != entry.size or crc32c(data) != entry.checksum:
            raise CheckpointError(f"{path} is damaged: the checksum of {name} is wrong; fetch it again")
        return data


def find_prefix(path: str | os.PathLike[str]) -> Path:
    """The prefix of a checkpoint, from any of the ways to name it (see ``TensorBundle``).

    Raises:
        CheckpointError: if there is none, or a folder holds several and does not say which one.
    """
    given = Path(path)
    match = _ENDINGS.fullmatch(given.name)
    prefix = given.with_name(match[1]) if match else given
    try:
        if Path(f"{given}.index").is_file():
            return given
        if given.is_dir():
            return _prefix_in(given)
        if match and Path(f"{prefix}.index").is_file():
            return prefix
        alone = given.is_file() and not match
    except OSError:  # a name too long for this disk
        alone = False
    if alone:
        raise CheckpointError(
            f"{given} has no {given.name}.index beside it; give a TensorFlow checkpoint of format V2 "
            "(model.ckpt.index and model.ckpt.data-00000-of-00001)"
        )
    raise CheckpointError(f"there is no {prefix}.index; give a TensorFlow checkpoint, such as model.ckpt")


def _prefix_in(folder: Path) -> Path:
    """The checkpoint that a folder's ``checkpoint`` file names, else the only one in it."""
    try:
        with open_regular(folder / "checkpoint") as file:
            text = file.read(_MAX_POINTER_BYTES).decode(errors="replace")
    except OSError:
        text = ""
    if match := _POINTER.search(text):
        # An absolute name is often of the machine that trained: the file beside it is meant.
        for named in (folder / match[1], folder / re.split(r"[/\\]", match[1])[-1]):
            if Path(f"{named}.index").is_file():
                return named
    try:
        found = sorted(file for file in folder.iterdir() if file.suffix == ".index")
    except OSError as error:
        raise CheckpointError(f"cannot look into {folder}: {error}; give another folder") from error
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:4]) or "none"
        raise CheckpointError(
            f"{folder} holds {len(found)} .index files ({names}); name one checkpoint in it"
        )
    return found[0].with_suffix("")


def _parse_index(data: bytes) -> tuple[int, dict[str, BundleEntry]]:
    """The number of data files, and the tensors."""
    shards = 0
    entries: dict[str, BundleEntry] = {}
    for key, value in table_items(data):
        if not key:
            shards = _parse_header(value)
            continue
        try:
            name = key.decode()
        except UnicodeDecodeError as error:
            raise MalformedError(f"the name {key[:40]!r} is not text") from error
        if len(key) > MAX_NAME_BYTES:
            raise MalformedError(f"the name {name[:40]!r}... has {len(key)} bytes")
        if not name.isprintable():
            raise MalformedError(f"the name {name[:40]!r} cannot be printed")
        entries[name] = entry = _parse_entry(name, value)
        if not 0 <= entry.shard < shards:
            raise MalformedError(f"{name} lies in data file {entry.shard} of {shards}")
        if len(entries) > MAX_TENSORS:
            raise MalformedError(f"it lists more than {MAX_TENSORS} tensors")
    if not shards:
        raise MalformedError("it has no header")
    return shards, entries


def _parse(name: str, record: bytes) -> Any:
    if len(record) > MAX_RECORD_BYTES:
        raise MalformedError(f"a record has {len(record)} bytes")
    try:
        return parse(_MESSAGES, name, record, source="a TensorFlow checkpoint", extra="convert")
    except UnreadableError as error:
        raise MalformedError(f"a record is damaged ({error})") from error


def _parse_header(record: bytes) -> int:
    """The number of data files."""
    header = _parse("Header", record)
    if header.endianness:
        raise MalformedError("it was written on a big-endian machine, and only little-endian ones are read")
    if not 1 <= header.num_shards <= 99_999:
        raise MalformedError(f"its header says {header.num_shards} data files")
    return int(header.num_shards)


def _parse_entry(name: str, record: bytes) -> BundleEntry:
    entry = _parse("Entry", record)
    shape = tuple(axis.size for axis in entry.shape.dim)
    values = math.prod(max(side, 1) for side in shape)
    if len(shape) > _MAX_AXES or min(shape, default=0) < 0 or values > MAX_VALUES:
        shown = ", ".join(map(str, shape[:8]))
        raise MalformedError(f"{name} has the impossible shape ({shown}{', ...' if len(shape) > 8 else ''})")
    if not (0 <= entry.offset < 1 << 62 and 0 <= entry.size < 1 << 62):
        raise MalformedError(f"{name} has the impossible place {entry.offset} and size {entry.size}")
    sliced = len(entry.slices) > 0
    return BundleEntry(entry.dtype, shape, entry.shard_id, entry.offset, entry.size, entry.crc32c, sliced)
