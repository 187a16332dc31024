"""Open an ONNX file with onnxruntime, on the device that is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from twofold.devices import choose_device
from twofold.engine.external.model_file import cause_of
from twofold.errors import CheckpointError, InputError, MissingExtraError


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
