"""What the name of a model says: a label for reports, what kind it is, and the file behind it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twofold.engine.backends.onnx.manifest import MANIFEST
from twofold.engine.external.classical import CLASSICAL
from twofold.engine.external.conventions import CONVENTIONS
from twofold.errors import InputError

Kind = Literal["classical", "command", "exported", "onnx", "torchscript", "network"]
"""``exported`` is one of ours in ONNX: only a look into the file tells it from ``onnx``."""

ENDINGS: dict[str, Kind] = {
    ".onnx": "onnx",
    ".pt": "torchscript",
    ".jit": "torchscript",
    ".torchscript": "torchscript",
}
"""Endings of model files of other projects, and of what ``twofold export`` writes; in lower case."""
COMMAND = "cmd:"
_LABEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)", re.DOTALL)


class Typed(str):
    """A model's name as a person typed it on our command line: the only text that may name a program to run.

    Names that came from elsewhere (a request, a manifest, a file of settings) are plain text, and so is what
    is made of this one.
    """

    __slots__ = ()


@dataclass(frozen=True)
class ModelName:
    """The name of a model, taken apart.

    Attributes:
        kind: what opens it.
        target: a classical method, a command line, a file, or what ``find_weights`` takes.
        label: name for reports; None: the model's own.
        family: ``lama`` or ``migan`` where the user says so.
    """

    kind: Kind
    target: str | os.PathLike[str]
    label: str | None = None
    family: str | None = None


def read_name(name: str | os.PathLike[str]) -> ModelName:
    """Take a model's name apart: ``[LABEL=](METHOD | cmd: ... | [FAMILY:]FILE | BUNDLED | FOLDER)``.

    A path that exists is never cut into label and rest, and a path object is never a method.

    Raises:
        InputError: if a name that nobody typed on our command line asks for a command.
    """
    if not isinstance(name, str):
        return ModelName(_file_kind(Path(name)), name)
    label, rest = None, name
    cut = _LABEL.fullmatch(name)
    if cut and not Path(name).exists():
        label, rest = cut.groups()
    if rest in CLASSICAL:
        return ModelName("classical", rest, label)
    if rest.startswith(COMMAND):
        if not isinstance(name, Typed):
            raise InputError(
                f"model {name!r} is a command, and commands run only where they are asked for as such: use "
                "twofold.Command('TOOL {image} {mask} {out}') in Python, or --model on the command line"
            )
        return ModelName("command", rest.removeprefix(COMMAND).strip(), label)
    family, colon, file = rest.partition(":")
    if colon and family in CONVENTIONS and _file_kind(Path(file)) != "network":
        return ModelName(_file_kind(Path(file)), file, label, family)
    return ModelName(_file_kind(Path(rest)), rest, label)


def _file_kind(path: Path) -> Kind:
    """What opens a file, by its ending; a folder, which may be called as it likes, by what it holds."""
    if path.is_dir():
        return "onnx" if (path / MANIFEST).is_file() else "network"
    return ENDINGS.get(path.suffix.lower(), "network")
