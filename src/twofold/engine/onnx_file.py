"""Open a model file of ONNX with onnxruntime."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twofold.devices import choose_device
from twofold.engine.conventions import Arrays, Slot, choose_convention
from twofold.engine.fingerprints import file_digest, twofold_version
from twofold.engine.foreign import ForeignModel, cause_of
from twofold.errors import CheckpointError, InputError, MissingExtraError

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

    It runs on CUDA if the device says so and this onnxruntime can, else on the CPU with as many
    threads as PyTorch has.

    Args:
        file: the model; weights kept in files beside it are found by onnxruntime.
        family: ``lama`` or ``migan`` where its inputs do not tell.
        device: see ``twofold.devices.choose_device``.
        name: for reports; None: that of the file.

    Raises:
        CheckpointError: if it is damaged, or of no known kind.
        InputError: if the device cannot be used.
        MissingExtraError: if onnxruntime is not installed.
    """
    library = _onnxruntime(file)
    providers = _providers(library, device)
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what goes wrong is raised; warnings of its optimiser help nobody
    try:
        digest = file_digest(file, *_weights_beside(file))
        session = library.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # onnxruntime raises a class of its own for each status
        raise CheckpointError(
            f"{file} is damaged or not a model in ONNX ({cause_of(error)}); fetch or export it again"
        ) from error
    inputs = session.get_inputs()
    slots = [Slot(one.name, _KINDS.get(one.type, one.type), _shape(one.shape)) for one in inputs]
    convention = choose_convention(slots, family, str(file))
    output = session.get_outputs()[0].name

    def run(arrays: Arrays) -> npt.NDArray[Any]:
        named = dict(zip([slot.name for slot in slots], arrays, strict=True))
        return np.asarray(session.run([output], named)[0])

    used = session.get_providers()[0].removesuffix("ExecutionProvider")
    versions = f"{twofold_version()}, onnxruntime {library.__version__}, {used.lower()}"
    fingerprint = f"{convention.family} {file.name} {digest}, {versions}"
    return ForeignModel(file, convention, run, name=name, fingerprint=fingerprint)


def _onnxruntime(file: Path) -> ModuleType:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError(
            f"{file} needs onnxruntime, which cannot be imported ({error}); pip install 'twofold[onnx]'"
        ) from error


def _providers(library: ModuleType, device: str) -> list[Any]:
    """What runs the model, the preferred first."""
    chosen = choose_device(device)
    if chosen.type == "cuda" and "CUDAExecutionProvider" in library.get_available_providers():
        cuda = ("CUDAExecutionProvider", {"device_id": chosen.index or 0})
        return [cuda, "CPUExecutionProvider"]
    if device != "auto" and chosen.type != "cpu":
        raise InputError(
            f"device {device!r} cannot be used by this onnxruntime, which runs on "
            f"{', '.join(library.get_available_providers())}; use cpu, or install onnxruntime-gpu for CUDA"
        )
    return ["CPUExecutionProvider"]


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
