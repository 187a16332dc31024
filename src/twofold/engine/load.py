"""From the name of a model to an inpainter, and from a picture and a mask to a filled picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from twofold.devices import choose_device
from twofold.engine.backends.onnx.manifest import MANIFEST, read_exported
from twofold.engine.external.classical import CLASSICAL
from twofold.engine.external.command import Command
from twofold.engine.external.onnx import open_onnx
from twofold.engine.memory import read_bytes
from twofold.engine.model_name import Kind, ModelName, read_name
from twofold.engine.onnx_inpainter import OnnxInpainter
from twofold.errors import CheckpointError, InputError, MissingExtraError
from twofold.inpainter import Channels, Detail, Inpainter, SamplingChanges

# PyTorch is imported with the first network that needs it: exported ones, files of others and classical
# methods fill without it, installed or not.
if TYPE_CHECKING:
    from twofold.engine.backends.precision import Precision
    from twofold.pixels import ImageLike, MaskLike

DEFAULT_MODEL = "medfe-small"
Engine = Literal["auto", "torch", "onnx"]
"""What runs a network: ``auto`` is what its file is made for."""


def load(
    name_or_path: str | os.PathLike[str] | ModelName = DEFAULT_MODEL,
    *,
    device: str = "auto",
    options: SamplingChanges = None,
    detail: Detail = "auto",
    max_memory: int | str | None = None,
    precision: Precision = "fp32",
    engine: Engine = "auto",
) -> Inpainter:
    """Load a model that fills holes.

    Args:
        name_or_path: a bundled model (see ``list_models``); a folder that holds ``model.safetensors``, or
            such a file; what ``twofold export`` wrote, which runs without PyTorch; a
            classical method (``opencv-telea``, ``patchmatch``, ...); a file of LaMa or MI-GAN in ONNX
            (``.onnx``) or TorchScript (``.pt``, ``.jit``, ``.torchscript``: a program, so only from
            where you trust), as ``lama:FILE`` or ``migan:FILE`` if it does not tell. ``NAME=`` in front
            names it in reports. Any program on this machine: ``twofold.Command``.
        device: ``auto`` (CUDA where there is one, else the CPU), or a name that PyTorch knows.
        options: how a model that samples does so: its options (``SamplingOptions`` for DSI), or a
            dict of those to change, for example ``{"temperature": 0.8}``. None: the model's own.
        detail: what a network's answers get of their surroundings: ``auto`` merges pieces with an answer at
            full size and fine detail with one that was scaled up, ``none`` leaves the network alone,
            ``always`` takes fine detail everywhere.
        max_memory: what a call of ``fill`` may take beside the program, the weights and the picture, in
            bytes or as text such as ``"2GB"``; networks only. None: no limit.
        precision: of MEDFE's products on a CPU: ``fp32``; ``bf16``, faster with a small difference; or
            ``auto``, bf16 where the CPU has instructions for it.
        engine: ``torch`` or ``onnx`` refuses models that the other one runs.

    Raises:
        CheckpointError: if there is no such model, or its file is damaged or does not fit.
        InputError: if the device or the command cannot be used, or the model does not take the options.
        MissingExtraError: if a library that the model needs is not installed.
    """
    name = name_or_path if isinstance(name_or_path, ModelName) else read_name(name_or_path)
    kind = name.kind
    if kind == "onnx" and name.family is None and read_exported(Path(name.target)) is not None:
        kind = "exported"
    opener, shown = OPENERS[kind], name.label or os.fspath(name.target)
    if engine not in ("auto", opener.engine):
        raise _other_engine(engine, os.fspath(name.target))
    limit = read_bytes(max_memory) if isinstance(max_memory, str) else max_memory
    usual = {"precision": "fp32", "max_memory": None, "detail": "auto", "options": None}
    asked = {"precision": precision, "max_memory": limit, "detail": detail, "options": options}
    given = {key: value for key, value in asked.items() if value != usual[key]}
    refused = next((key for key in given if key not in opener.takes), None)
    if refused is not None:
        raise InputError(REFUSALS[refused].format(shown))
    return opener.open(name, device, given)


@dataclass(frozen=True)
class Opener:
    """How one kind of model is opened.

    Attributes:
        open: makes an inpainter of name, device and those settings that are not the usual ones.
        engine: what runs it, ``torch`` or ``onnx``; None: neither.
        takes: the settings that this kind follows.
    """

    open: Callable[[ModelName, str, Mapping[str, Any]], Inpainter]
    engine: Literal["torch", "onnx"] | None = None
    takes: tuple[str, ...] = ()


def _open_network(name: ModelName, device: str, given: Mapping[str, Any]) -> Inpainter:
    path = _file_of(name)
    from twofold.checkpoints.format import build_network, load_weights
    from twofold.engine.backends.precision import prepare
    from twofold.engine.torch_inpainter import TorchInpainter
    from twofold.network import FillingNetwork

    settings = dict(given)
    weights, precision = load_weights(path), settings.pop("precision", "fp32")
    network = prepare(cast("FillingNetwork", build_network(weights)), precision, choose_device(device))
    return TorchInpainter(network, name.label or weights.name, device=device, files=[path], **settings)


def _open_exported(name: ModelName, device: str, given: Mapping[str, Any]) -> Inpainter:
    exported = read_exported(Path(name.target))
    assert exported is not None  # ``load`` has looked
    return OnnxInpainter(exported, name=name.label, device=device, **given)


def _open_onnx(name: ModelName, device: str, given: Mapping[str, Any]) -> Inpainter:
    return open_onnx(_file_of(name), family=name.family, device=device, name=name.label)


def _open_torchscript(name: ModelName, device: str, given: Mapping[str, Any]) -> Inpainter:
    _need_torch(os.fspath(name.target))
    from twofold.engine.external.torchscript import open_torchscript

    return open_torchscript(_file_of(name), family=name.family, device=device, name=name.label)


def _open_classical(name: ModelName, device: str, given: Mapping[str, Any]) -> Inpainter:
    return CLASSICAL[str(name.target)](name=name.label)


def _open_command(name: ModelName, device: str, given: Mapping[str, Any]) -> Inpainter:
    return Command(str(name.target), name=name.label)


OPENERS: dict[Kind, Opener] = {
    "network": Opener(_open_network, "torch", ("options", "detail", "max_memory", "precision")),
    "exported": Opener(_open_exported, "onnx", ("options", "detail", "max_memory")),
    "onnx": Opener(_open_onnx, "onnx"),
    "torchscript": Opener(_open_torchscript, "torch"),
    "classical": Opener(_open_classical),
    "command": Opener(_open_command),
}
"""What opens each kind of model."""
_WHOLE = (
    "{} fills whole pictures in its own way and takes neither max_memory nor detail; leave them out, or use "
    f"a network such as {DEFAULT_MODEL}"
)
REFUSALS = {
    "precision": "{} computes in its own precision; leave precision out, or use a network such as "
    f"{DEFAULT_MODEL}",
    "max_memory": _WHOLE,
    "detail": _WHOLE,
    "options": "{} gives one best answer and takes no sampling options; use a model that samples, such as "
    "dsi-small",
}
"""What is said of a setting that a kind of model does not follow."""


def inpaint(
    image: ImageLike,
    mask: MaskLike,
    *,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    seed: int = 0,
    device: str = "auto",
    channels: Channels = "RGB",
) -> npt.NDArray[np.generic]:
    """Fill the white part of ``mask`` in ``image`` and give the picture back.

    The model that was used last stays loaded. For several answers, or to hold a model yourself,
    see ``load``.

    Args:
        image: a path, a Pillow image, or an array [h w], [h w 3] or [h w 4], uint8 or uint16.
        mask: the same kinds, or bools; of the image's height and width, white = hole.
        model: see ``load``.
        seed: the same seed gives the same picture.
        device: see ``load``.
        channels: the order of colours in an array, and so in the answer: ``BGR`` for arrays of OpenCV.

    Returns:
        The picture in the shape and depth of the input; outside the hole every pixel is the same.

    Raises:
        TwofoldError: if something given cannot be used; the message says what to do.
    """
    name = read_name(model)
    if name.kind == "classical":
        inpainter = load(name)
    else:
        state = (file := _file_of(name).resolve()).stat()
        same = model if isinstance(model, str) else Path(model)
        inpainter = _unchanged(same, file, state.st_mtime_ns, state.st_size, device)
    return inpainter.fill(image, mask, seed=seed, channels=channels).image


@lru_cache(maxsize=1)
def _unchanged(model: str | Path, file: Path, modified: int, size: int, device: str) -> Inpainter:
    """Keep the model that was used last, as long as its file is the same."""
    return load(model, device=device)


def list_models() -> list[str]:
    """Names that ``load`` takes without a file: bundled networks, then classical methods."""
    from twofold.checkpoints.released import bundled_models

    return [*bundled_models(), *CLASSICAL]


def _other_engine(engine: str, shown: str) -> InputError:
    if engine == "onnx":
        return InputError(
            f"the ONNX engine runs exported networks, and {shown} is none; write one where PyTorch is, by "
            f"`twofold export {DEFAULT_MODEL} {DEFAULT_MODEL}.onnx`, and give that file as the model"
        )
    return InputError(f"{shown} does not run on PyTorch; leave the engine out")


def _need_torch(model: str) -> None:
    """Say what to do where PyTorch is not installed."""
    try:
        import torch  # noqa: F401 - whether it can be
    except ImportError as error:
        raise MissingExtraError(
            f"{model} runs on PyTorch, which cannot be imported ({error}); pip install torch, or give what "
            f"`twofold export` wrote where PyTorch is, such as {DEFAULT_MODEL}.onnx"
        ) from error


def _file_of(name: ModelName) -> Path:
    """The file behind a name of a model that has one."""
    if name.kind != "network":
        path = Path(name.target)
        path = path / MANIFEST if path.is_dir() else path
        if not path.is_file():
            raise CheckpointError(f"there is no model file {os.fspath(name.target)}; give one that exists")
        return path
    _need_torch(name.label or os.fspath(name.target))
    from twofold.checkpoints.released import find_weights

    try:
        return find_weights(name.target)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; without a network of ours: {', '.join(CLASSICAL)}, a file of LaMa or MI-GAN "
            "(.onnx, .pt), or any program by --model 'cmd: TOOL {image} {mask} {out}'"
        ) from error
