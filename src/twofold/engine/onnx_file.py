"""Open a model file of ONNX with onnxruntime."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

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


def open_session(file: Path, device: str) -> Any:
    """Open an ``.onnx`` file with onnxruntime: on CUDA if the device says so and it can, else on the CPU.

    With as many threads as PyTorch has where that is at work; else as ``OMP_NUM_THREADS`` says, or all cores.
    PyTorch is never imported.

    Args:
        file: the model.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; where PyTorch is at work, all names that it knows.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        CheckpointError: if the file is damaged.
        InputError: if the device cannot be used.
        MissingExtraError: if onnxruntime is not installed.
    """
    library = _onnxruntime(file)
    providers = _providers(library, device)
    options = library.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what goes wrong is raised; warnings of its optimiser help nobody
    try:
        return library.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # onnxruntime raises a class of its own for each status
        raise CheckpointError(
            f"{file} is damaged or not a model in ONNX ({cause_of(error)}); fetch or export it again"
        ) from error


def runtime_of(session: Any) -> str:
    """What computes a session's answers, such as ``onnxruntime 1.31.1, cpu``."""
    used = session.get_providers()[0].removesuffix("ExecutionProvider")
    return f"onnxruntime {importlib.import_module('onnxruntime').__version__}, {used.lower()}"


def _threads() -> int:
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _onnxruntime(file: Path) -> ModuleType:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError(
            f"{file} needs onnxruntime, which cannot be imported ({error}); pip install 'twofold[onnx]'"
        ) from error


def _providers(library: ModuleType, device: str) -> list[Any]:
    """What runs the model, the preferred first."""
    available = library.get_available_providers()
    kind, index = _place(device, available)
    if kind == "cuda" and "CUDAExecutionProvider" in available:
        return [("CUDAExecutionProvider", {"device_id": index}), "CPUExecutionProvider"]
    if device != "auto" and kind != "cpu":
        raise InputError(
            f"device {device!r} cannot be used by this onnxruntime, which runs on "
            f"{', '.join(available)}; use cpu, or install onnxruntime-gpu for CUDA"
        )
    return ["CPUExecutionProvider"]


def _place(device: str, available: list[str]) -> tuple[str, int]:
    """Kind and number of a device."""
    if "torch" in sys.modules:
        chosen = choose_device(device)
        return chosen.type, chosen.index or 0
    if device == "auto":
        return ("cuda" if "CUDAExecutionProvider" in available else "cpu"), 0
    kind, _, index = device.partition(":")
    return kind, int(index) if index.isdigit() else 0


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
