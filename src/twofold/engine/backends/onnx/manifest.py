"""Read what an exported network says of itself, before any library is loaded.

``twofold export`` writes one ``.onnx`` file, or a folder of several with a ``manifest.json``. Either holds
one JSON document, in the file's metadata under ``twofold`` or as the manifest::

    {"format": "twofold-onnx/1", "family": "medfe", "name": "medfe-small", "weights": "9f86d081884c7d65",
     "size_multiple": 64, "native_size": 256, "largest_size": 512, "parameters": 11980000, ...}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from twofold.engine.fingerprints import file_digest
from twofold.errors import CheckpointError
from twofold.pixels.regular import open_regular

FORMAT = "twofold-onnx/1"
KEY = "twofold"
"""Of the metadata of an ONNX file that holds the document."""
MANIFEST = "manifest.json"
"""Name of the document in a folder."""
_METADATA_FIELD = 14  # of ONNX's ModelProto
_MOST_METADATA = 1 << 20
_NEEDED = {
    "family": str,
    "name": str,
    "weights": str,
    "size_multiple": int,
    "native_size": int,
    "largest_size": int,
    "parameters": int,
}


@dataclass(frozen=True)
class Exported:
    """An exported network as it lies on disk.

    Attributes:
        path: the file or the folder.
        document: see the module; all that it must hold is there.
        files: the ONNX files by the name of their graph; a single one is called ``network``.
    """

    path: Path
    document: Mapping[str, Any]
    files: Mapping[str, Path]

    @property
    def paths(self) -> list[Path]:
        """All files in the order of their graphs' names."""
        return [self.files[name] for name in sorted(self.files)]


def read_exported(path: Path) -> Exported | None:
    """What lies at ``path``; None if it is not one of our exports.

    Raises:
        CheckpointError: if it is one, but damaged, incomplete, a part of one, or of a newer twofold.
    """
    if path.is_dir() and not (path / MANIFEST).is_file():
        return None
    manifest = path / MANIFEST if path.is_dir() else path
    if manifest.name == MANIFEST:
        text = manifest.read_text("utf-8", errors="replace")
        return _from_folder(manifest.parent, _document(text, manifest))
    text = read_metadata(path).get(KEY, "")
    if not text:
        return None
    document = _document(text, path)
    if "graph" in document:
        raise CheckpointError(
            f"{path} is one of the files of an exported network; give its folder {path.parent}"
        )
    return Exported(path, document, {"network": path})


def _from_folder(folder: Path, document: Mapping[str, Any]) -> Exported:
    listed = document.get("files")
    if not isinstance(listed, dict) or not listed:
        raise CheckpointError(f"{folder / MANIFEST} is damaged: it names no files; export the network again")
    files = {}
    for name, digest in listed.items():
        # Only the plain name of a file beside the manifest: a manifest may come from anywhere.
        files[name] = folder / f"{Path(name).name}.onnx"
        if not files[name].is_file():
            raise CheckpointError(f"{folder} lacks {files[name].name}; export the network again")
        if file_digest(files[name]) != digest:
            raise CheckpointError(
                f"{files[name]} is not the file that {MANIFEST} was written for; export the network again"
            )
    return Exported(folder, document, files)


def _document(text: str, source: Path) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source} has a damaged document ({error}); export it again") from error
    version = document.get("format") if isinstance(document, dict) else None
    if version != FORMAT:
        raise CheckpointError(
            f"{source} is of format {version!r}, not {FORMAT!r}; update twofold or export it again"
        )
    wrong = [key for key, kind in _NEEDED.items() if not isinstance(document.get(key), kind)]
    wrong += (
        [key for key, kind in _NEEDED.items() if kind is int and not 0 < document.get(key, 0) < 2**40]
        if not wrong
        else []
    )
    if wrong:
        raise CheckpointError(f"{source} says no usable {', '.join(wrong)}; export it again")
    return dict(document)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file, without reading its weights; empty where there is none or no ONNX."""
    try:
        with open_regular(path) as file:
            return dict(_entries(file, path.stat().st_size))
    except (OSError, ValueError):
        return {}


def _entries(file: BinaryIO, size: int) -> list[tuple[str, str]]:
    """Walk over the outermost fields of a protobuf message."""
    found = []
    while file.tell() < size:
        tag = _number(file)
        kind, field = tag & 7, tag >> 3
        if kind == 0:
            _number(file)
        elif kind == 2:
            length = _number(file)
            if field == _METADATA_FIELD and length <= _MOST_METADATA:
                found.append(_entry(file.read(length)))
            else:
                file.seek(length, 1)
        elif kind in (1, 5):
            file.seek(8 if kind == 1 else 4, 1)
        else:
            raise ValueError(f"wire type {kind}")
    return found


def _entry(message: bytes) -> tuple[str, str]:
    """Key and value of one entry."""
    texts, place = {1: "", 2: ""}, 0
    while place < len(message):
        tag, place = _number_at(message, place)
        length, place = _number_at(message, place)
        if tag & 7 != 2:
            raise ValueError("an entry holds texts")
        texts[tag >> 3] = message[place : place + length].decode("utf-8", "replace")
        place += length
    return texts[1], texts[2]


def _number(file: BinaryIO) -> int:
    """A protobuf number of variable length."""
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("the file ends inside a number")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("a number is too long")


def _number_at(message: bytes, place: int) -> tuple[int, int]:
    """The same in memory, and where the next one begins."""
    value = 0
    for shift in range(0, 64, 7):
        if place >= len(message):
            break
        byte, place = message[place], place + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("an entry ends inside a number")
