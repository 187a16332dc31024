"""Open a model file of ONNX with onnxruntime."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.engine.backends.onnx.session import open_session, runtime_of
from twofold.engine.external.conventions import Arrays, Slot, choose_convention
from twofold.engine.external.model_file import ForeignModel
from twofold.engine.fingerprints import file_digest, twofold_version

_KINDS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
# How ONNX names a file that holds weights beside it: key "location" and its value, as protobuf
# writes them (names of up to 127 bytes).
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])", re.DOTALL)


def open_onnx(file: Path, *, family: str | None, device: str, name: str | None) -> ForeignModel:
    """Open an ``.onnx`` file as an inpainter.

    Args:
        file: the model; weights kept in files beside it are found by onnxruntime.
        family: ``lama`` or ``migan`` where its inputs do not tell.
        device: see ``open_session``.
        name: for reports; None: that of the file.

    Raises:
        CheckpointError: if it is damaged, or of no known kind.
        InputError: if the device cannot be used.
        MissingExtraError: if onnxruntime is not installed.
    """
    session = open_session(file, device)
    digest = file_digest(file, *_weights_beside(file))
    inputs = session.get_inputs()
    slots = [Slot(one.name, _KINDS.get(one.type, one.type), _shape(one.shape)) for one in inputs]
    convention = choose_convention(slots, family, str(file))
    output = session.get_outputs()[0].name

    def run(arrays: Arrays) -> npt.NDArray[Any]:
        named = dict(zip([slot.name for slot in slots], arrays, strict=True))
        return np.asarray(session.run([output], named)[0])

    fingerprint = f"{convention.family} {file.name} {digest}, {twofold_version()}, {runtime_of(session)}"
    return ForeignModel(file, convention, run, name=name, fingerprint=fingerprint)


def _shape(shape: list[int | str | None]) -> tuple[int | None, ...]:
    """Lengths of axes; names and numbers below 1 stand for lengths that may vary."""
    return tuple(length if isinstance(length, int) and length > 0 else None for length in shape)


def _weights_beside(file: Path) -> list[Path]:
    """The files that a model keeps weights in, sorted; without the packages of ONNX."""
    content = file.read_bytes()
    names = set()
    for found in _LOCATION.finditer(content):
        length = found.group(1)[0]
        names.add(content[found.end() : found.end() + length].decode("utf-8", "replace"))
    return sorted(path for name in names if (path := file.parent / name).is_file())
