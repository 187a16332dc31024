"""Open an ONNX file with onnxruntime, on the device that is asked for."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.devices import choose_device
from twofold.errors import CheckpointError, InputError, cause_of, require

Graph = Callable[[list[str], dict[str, npt.NDArray[Any]]], list[npt.NDArray[Any]]]
"""Runs a graph: names of what is wanted, what goes in by name -> what is wanted."""


def open_session(model: Path | bytes, device: str) -> Any:
    """Open an ONNX model with onnxruntime: on CUDA if the device says so and it can, else on the CPU.

    With as many threads as PyTorch has where that is at work; else as ``OMP_NUM_THREADS`` says, or all cores.
    PyTorch is never imported.

    Args:
        model: a file, or the content of one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; where PyTorch is at work, all names that it knows.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        CheckpointError: if the file is damaged.
        InputError: if the device cannot be used.
        MissingExtraError: if onnxruntime is not installed.
    """
    shown = "the exported graph" if isinstance(model, bytes) else str(model)
    library = require("onnxruntime", shown, "onnx")
    providers = _providers(library, device)
    options = library.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other programs want the cores
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what goes wrong is raised; warnings of its optimizer help nobody
    try:
        return library.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=providers
        )
    except Exception as error:  # onnxruntime raises a class of its own for each status
        raise CheckpointError(
            f"{shown} is damaged or not a model in ONNX ({cause_of(error)}); fetch or export it again"
        ) from error


def runner(session: Any, source: object) -> Graph:
    """What runs a session; its errors name the source."""

    def run(names: list[str], inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        try:
            return [np.asarray(array) for array in session.run(names, inputs)]
        except Exception as error:  # onnxruntime raises a class of its own for each status
            raise CheckpointError(
                f"{source} failed ({cause_of(error)}); export it again, or give it more memory"
            ) from error

    return run


def runtime_of(session: Any) -> str:
    """What computes a session's answers, such as ``onnxruntime 1.31.1, cpu``."""
    used = session.get_providers()[0].removesuffix("ExecutionProvider")
    return f"onnxruntime {sys.modules['onnxruntime'].__version__}, {used.lower()}"


def _threads() -> int:
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
