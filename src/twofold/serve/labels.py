"""What a model's name and the header of its file tell of it, long before it is loaded and without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import twofold
from twofold.engine.model_name import Kind, read_name
from twofold.errors import CheckpointError
from twofold.pixels.regular import open_regular

LIMITS: dict[str, tuple[float, float]] = {"temperature": (0, 2), "top_k": (0, 512), "top_p": (0.01, 1)}
"""Sampling options that clients may choose, and what a page offers of each."""
_LARGEST_HEADER = 1 << 20
_DIVERSE = ("dsi",)
_NOTES: dict[Kind, str] = {
    "classical": "a classical method, without learning",
    "command": "another program",
    "onnx": "a network of another project (ONNX)",
    "torchscript": "a network of another project (TorchScript)",
}
_ONE = "one best answer"
_MANY = "many different answers"


@dataclass(frozen=True)
class Label:
    """What is known of a model.

    Attributes:
        kind: what opens it.
        diverse: whether another seed gives another answer.
        native_size: side in pixels of the squares that it was made for, or None.
        options: the model's own values of what clients may choose of how it samples.
        note: for people.
    """

    kind: Kind
    diverse: bool = False
    native_size: int | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def read_label(model: str) -> Label:
    """What is known of a model, as ``twofold.load`` takes it; a damaged file tells nothing.

    Raises:
        CheckpointError: if there is no such file.
    """
    name = read_name(model)
    if name.kind not in ("classical", "command"):
        path = _file_of(str(name.target)) if name.kind == "network" else Path(name.target)
        if not (path.is_file() or (path.is_dir() and name.kind == "onnx")):
            raise CheckpointError(
                f"there is no model {str(name.target)!r}; give a bundled one such as medfe-small, a folder "
                "with model.safetensors, or a file that exists"
            )
    if name.kind != "network":
        diverse = name.kind == "command" and "{seed}" in str(name.target)
        return Label(name.kind, diverse, note=_NOTES[name.kind])
    header = _header(path)
    config = header.get("config")
    config = config if isinstance(config, dict) else {}
    size = config.get("native_size")
    diverse = header.get("family") in _DIVERSE
    own = config.get("sampling") if diverse else None
    return Label(
        name.kind,
        diverse,
        size if isinstance(size, int) else None,
        chosen(own if isinstance(own, dict) else {}) if diverse else {},
        note_of(diverse),
    )


def note_of(diverse: bool) -> str:
    """What people are told of a network of ours."""
    return _MANY if diverse else _ONE


def chosen(options: Mapping[str, Any]) -> dict[str, float]:
    """Those of a network's options that clients may choose."""
    return {name: options[name] for name in LIMITS if isinstance(options.get(name), int | float)}


def _file_of(target: str) -> Path:
    """Where the weights of a network lie, if they are there."""
    bundled = Path(twofold.__file__).parent / "weights" / target / "model.safetensors"
    if "/" not in target and bundled.is_file():
        return bundled
    path = Path(target)
    return path / "model.safetensors" if path.is_dir() else path


def _header(path: Path) -> dict[str, Any]:
    """Our document in the header of a safetensors file; empty where there is none."""
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _LARGEST_HEADER else {}
        document = json.loads(header["__metadata__"]["twofold"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
