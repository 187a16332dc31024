"""Read what an exported network says of itself, before any library is loaded.

``twofold export`` writes one ``.onnx`` file, or a folder of several with a ``manifest.json``. Either holds
one JSON document, in the file's metadata under ``twofold`` or as the manifest::

    {"format": "twofold-onnx/1", "family": "medfe", "name": "medfe-small", "weights": "9f86d081884c7d65",
     "size_multiple": 64, "native_size": 256, "largest_size": 512, "parameters": 11980000, ...}
"""

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.checkpoints.document import read_document
from twofold.checkpoints.protobuf import parse
from twofold.engine.fingerprints import file_digest
from twofold.errors import CheckpointError
from twofold.pixels.regular import open_regular

FORMAT = "twofold-onnx/1"
KEY = "twofold"
"""Of the metadata of an ONNX file that holds the document."""
MANIFEST = "manifest.json"
"""Name of the document in a folder."""
_MESSAGES = """
message_type { name: "Model"
  field { name: "metadata_props" number: 14 type: TYPE_MESSAGE type_name: "Entry" label: LABEL_REPEATED } }
message_type { name: "Entry"
  field { name: "key" number: 1 type: TYPE_BYTES }
  field { name: "value" number: 2 type: TYPE_BYTES } }
"""
"""What is read of ``onnx.proto``."""
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
    text = _document_in(path)
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
    document = read_document(text, source, version=FORMAT, needed=_NEEDED, again="export it again")
    wrong = [key for key, kind in _NEEDED.items() if kind is int and not 0 < document[key] < 2**40]
    if wrong:
        raise CheckpointError(f"{source} says no usable {', '.join(wrong)}; export it again")
    return document


def _document_in(file: Path) -> str:
    """Our document in the metadata of an ONNX file; empty where there is none or no ONNX.

    The file is mapped, not read: of 200 megabytes this takes a tenth of a second.

    Raises:
        MissingExtraError: if protobuf is not installed, which onnxruntime needs as well.
    """
    try:
        with (
            open_regular(file) as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
            memoryview(content) as data,
        ):
            model = parse(_MESSAGES, "Model", data, source=str(file), extra="onnx")
    except (OSError, ValueError):  # of an empty file, or not of this kind
        return ""
    entries = {entry.key: entry.value for entry in model.metadata_props}
    return str(entries.get(KEY.encode(), b"").decode("utf-8", "replace"))
