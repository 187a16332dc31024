"""What a model's name and the header of its file tell of it, long before it is loaded and without torch."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import twofold
from twofold.engine.model_name import Kind, ModelName
from twofold.errors import CheckpointError
from twofold.families import FAMILIES
from twofold.serve.schema import ModelAnswer, OptionAnswer

LIMITS: dict[str, tuple[float, float]] = {"temperature": (0, 2), "top_k": (0, 512), "top_p": (0.01, 1)}
"""Sampling options that clients may choose, and what a page offers of each."""
_NOTES: dict[Kind, str] = {
    "classical": "a classical method, without learning",
    "command": "another program",
    "onnx": "a network of another project (ONNX)",
    "torchscript": "a network of another project (TorchScript)",
}


def read_info(name: ModelName, shown: str, *, default: bool) -> ModelAnswer:
    """What is known of a model that is not loaded; a damaged file tells nothing.

    Args:
        name: of a model as ``twofold.load`` takes it.
        shown: what clients call it.
        default: whether it answers requests that name no model.

    Raises:
        CheckpointError: if there is no such file.
    """
    target = str(name.target)
    path = _weights_of(target) if name.kind == "network" else Path(target)
    if name.kind not in ("classical", "command") and not (
        path.is_file() or (path.is_dir() and name.kind == "onnx")
    ):
        raise CheckpointError(
            f"there is no model {target!r}; give a bundled one such as medfe-small, a folder "
            "with model.safetensors, or a file that exists"
        )
    header = _header(path) if name.kind == "network" else {}
    config = header.get("config")
    config = config if isinstance(config, dict) else {}
    size, sampling = config.get("native_size"), config.get("sampling")
    family = FAMILIES.get(str(header.get("family")))
    diverse = family.diverse if family else name.kind == "command" and "{seed}" in target
    own = sampling if diverse and isinstance(sampling, dict) else {}
    return ModelAnswer(
        name=shown,
        diverse=diverse,
        default=default,
        state="idle",
        options={
            option: OptionAnswer(default=own[option], minimum=least, maximum=most)
            for option, (least, most) in LIMITS.items()
            if isinstance(own.get(option), int | float)
        },
        native_size=size if isinstance(size, int) else None,
        note=_NOTES.get(name.kind) or ("many different answers" if diverse else "one best answer"),
    )


def _weights_of(target: str) -> Path:
    """Where the weights of a network lie, if they are there."""
    bundled = Path(twofold.__file__).parent / "weights" / target / "model.safetensors"
    if "/" not in target and bundled.is_file():
        return bundled
    path = Path(target)
    return path / "model.safetensors" if path.is_dir() else path


def _header(path: Path) -> dict[str, Any]:
    """Our document in the header of a safetensors file; empty where there is none."""
    try:
        with safe_open(path, "numpy") as file:
            document = json.loads(file.metadata()["twofold"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
