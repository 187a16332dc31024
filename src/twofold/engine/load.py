"""From the name of a model to an inpainter, and from a picture and a mask to a filled picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from twofold.devices import choose_device
from twofold.engine.budget import read_bytes
from twofold.engine.classical import CLASSICAL
from twofold.engine.command import Command
from twofold.engine.detail import Detail
from twofold.engine.exported import MANIFEST, Exported, read_exported
from twofold.engine.fingerprints import file_digest
from twofold.engine.names import ModelName, read_name
from twofold.engine.onnx_file import open_onnx
from twofold.engine.onnx_network import OnnxInpainter
from twofold.engine.tile_network import TileNetwork
from twofold.errors import CheckpointError, InputError, MissingExtraError
from twofold.inpainter import Inpainter

# PyTorch is imported with the first network that needs it: exported ones, files of others and classical
# methods fill without it, installed or not.
if TYPE_CHECKING:
    from twofold.engine.precision import Precision
    from twofold.inpainter import ImageLike, MaskLike
    from twofold.network import FillingNetwork

DEFAULT_MODEL = "medfe-small"
Engine = Literal["auto", "torch", "onnx"]
"""What runs a network: ``auto`` is what its file is made for."""


def load(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    device: str = "auto",
    options: object | Mapping[str, Any] | None = None,
    detail: Detail = "auto",
    max_memory: int | str | None = None,
    precision: Precision = "fp32",
    engine: Engine = "auto",
) -> Inpainter:
    """Load a model that fills holes.

    Args:
        name_or_path: a bundled model; a folder that holds ``model.safetensors``, or such a file; what
            ``twofold export`` wrote, which runs without PyTorch; a
            classical method (``opencv-telea``, ``patchmatch``, ...); a file of LaMa or MI-GAN in ONNX
            (``.onnx``) or TorchScript (``.pt``, ``.jit``, ``.torchscript``: a program, so only from
            where you trust), as ``lama:FILE`` or ``migan:FILE`` if it does not tell; or any command,
            ``cmd: TOOL {image} {mask} {out}``. ``NAME=`` in front names it in reports.
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
    name = read_name(name_or_path)
    shown = name.label or os.fspath(name.target)
    exported = read_exported(Path(name.target)) if name.kind == "onnx" and name.family is None else None
    _check_engine(engine, name)
    limit = read_bytes(max_memory) if isinstance(max_memory, str) else max_memory
    if name.kind == "network":
        _need_torch(shown)
        return _painter(
            _file_of(name),
            name.label,
            device,
            options,
            precision=precision,
            detail=detail,
            max_memory=limit,
        )
    if precision != "fp32":
        raise InputError(
            f"{shown} computes in its own precision; leave precision out, or use a network such as "
            f"{DEFAULT_MODEL}"
        )
    if exported is not None:
        return _exported_painter(exported, name.label, device, options, detail=detail, max_memory=limit)
    if max_memory is not None or detail != "auto":
        raise InputError(
            f"{shown} fills whole pictures in its own way and takes neither max_memory nor detail; leave "
            "them out, or use a network such as medfe-small"
        )
    if options is not None and name.kind == "command":
        raise InputError("a command takes no sampling options; write them among its words")
    if options is not None:
        raise _takes_no_options(shown)
    if name.kind == "classical":
        return CLASSICAL[str(name.target)](name=name.label)
    if name.kind == "command":
        return Command(str(name.target), name=name.label)
    if name.kind == "onnx":
        return open_onnx(_file_of(name), family=name.family, device=device, name=name.label)
    _need_torch(shown)
    from twofold.engine.torchscript_file import open_torchscript

    return open_torchscript(_file_of(name), family=name.family, device=device, name=name.label)


def load_network(name_or_path: str | os.PathLike[str], *, device: str = "auto") -> FillingNetwork:
    """Load a network alone, on its device and without gradients, for those who hold inpainters around it.

    Args:
        name_or_path: as ``load`` takes it, of a network of ours.
        device: see ``load``.

    Raises:
        CheckpointError: if there is no such network, or its file is damaged or does not fit.
        InputError: if the device cannot be used, or it is another kind of model.
    """
    name = read_name(name_or_path)
    if name.kind != "network":
        raise InputError(f"{os.fspath(name_or_path)} is no network of ours; give one such as medfe-small")
    _need_torch(os.fspath(name.target))
    from twofold.checkpoints.format import build_network, load_weights
    from twofold.engine.precision import prepare

    network, place = build_network(load_weights(_file_of(name))), choose_device(device)
    network.to(place).float().eval().requires_grad_(False)
    return prepare(cast("FillingNetwork", network), "fp32", place)


def inpaint(
    image: ImageLike,
    mask: MaskLike,
    *,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    seed: int = 0,
    device: str = "auto",
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

    Returns:
        The picture in the shape and depth of the input; outside the hole every pixel is the same.

    Raises:
        TwofoldError: if something given cannot be used; the message says what to do.
    """
    name = read_name(model)
    if name.kind in ("classical", "command"):
        return load(model).fill(image, mask, seed=seed).image
    return _last_painter(model, _file_of(name), device).fill(image, mask, seed=seed).image


def _painter(
    path: Path,
    label: str | None,
    device: str,
    options: object | Mapping[str, Any] | None,
    *,
    precision: Precision,
    detail: Detail,
    max_memory: int | None,
) -> Inpainter:
    from twofold.checkpoints.format import build_network, load_weights
    from twofold.engine.precision import prepare
    from twofold.engine.torch_inpainter import TorchInpainter

    weights = load_weights(path)
    network = prepare(cast("FillingNetwork", build_network(weights)), precision, choose_device(device))
    painter = TorchInpainter(
        network,
        label or weights.name,
        device=device,
        digest=file_digest(path),
        detail=detail,
        max_memory=max_memory,
    )
    if options is not None:
        set_options(network, options, weights.name)
    return painter


def _exported_painter(
    exported: Exported,
    label: str | None,
    device: str,
    options: object | Mapping[str, Any] | None,
    *,
    detail: Detail,
    max_memory: int | None,
) -> Inpainter:
    painter = OnnxInpainter(exported, name=label, device=device, detail=detail, max_memory=max_memory)
    if options is not None:
        set_options(painter.network, options, painter.name)
    return painter


def _check_engine(engine: Engine, name: ModelName) -> None:
    """Refuse a model that another engine runs than the one that was asked for."""
    shown = os.fspath(name.target)
    if engine == "onnx" and name.kind != "onnx":
        raise InputError(
            f"the ONNX engine runs exported networks, and {shown} is none; write one where PyTorch is, by "
            f"`twofold export {DEFAULT_MODEL} {DEFAULT_MODEL}.onnx`, and give that file as the model"
        )
    if engine == "torch" and name.kind not in ("network", "torchscript"):
        raise InputError(f"{shown} does not run on PyTorch; leave the engine out")


def _need_torch(model: str) -> None:
    """Say what to do where PyTorch is not installed."""
    try:
        import torch  # noqa: F401 - whether it can be
    except ImportError as error:
        raise MissingExtraError(
            f"{model} runs on PyTorch, which cannot be imported ({error}); pip install torch, or give what "
            f"`twofold export` wrote where PyTorch is, such as {DEFAULT_MODEL}.onnx"
        ) from error


def set_options(
    network: FillingNetwork | TileNetwork, options: object | Mapping[str, Any], name: str
) -> None:
    """Replace a network's sampling options, or some of them.

    Args:
        network: is changed.
        options: another dataclass of the network's own kind, or a dict of what to change.
        name: of the network, for messages.

    Raises:
        InputError: if the network does not take them.
    """
    own: Any = getattr(network, "options", None)
    if own is None:
        raise _takes_no_options(name)
    changes = options
    if isinstance(changes, Mapping):
        known = [field.name for field in fields(own)]
        unknown = [key for key in changes if key not in known]
        if unknown:
            raise InputError(f"{name} takes no option {unknown[0]!r}; it takes {', '.join(known)}")
        try:
            options = replace(own, **changes)
        except TypeError as error:  # a value of another kind, such as text for a number
            raise InputError(f"options {dict(changes)} of {name} cannot be used ({error})") from error
    if type(options) is not type(own):
        raise InputError(
            f"{name} takes no options of type {type(options).__name__}; "
            f"give {type(own).__name__} or a dict of what to change"
        )
    network.options = options  # type: ignore[union-attr,misc]  # of a network that samples


def _takes_no_options(name: str) -> InputError:
    return InputError(
        f"{name} gives one best answer and takes no sampling options; "
        "use a model that samples, such as dsi-small"
    )


def _last_painter(model: str | os.PathLike[str], path: Path, device: str) -> Inpainter:
    file = path.resolve()
    state = file.stat()
    return _unchanged_painter(
        model if isinstance(model, str) else Path(model), file, state.st_mtime_ns, state.st_size, device
    )


@lru_cache(maxsize=1)
def _unchanged_painter(model: str | Path, file: Path, modified: int, size: int, device: str) -> Inpainter:
    """Keep the model that was used last, as long as its file is the same."""
    return load(model, device=device)


def _file_of(name: ModelName) -> Path:
    """The file behind a name of a model that has one."""
    if name.kind != "network":
        path = Path(name.target)
        path = path / MANIFEST if path.is_dir() else path
        if not path.is_file():
            raise CheckpointError(f"there is no model file {os.fspath(name.target)}; give one that exists")
        return path
    _need_torch(os.fspath(name.target))
    from twofold.checkpoints.released import find_weights

    try:
        return find_weights(name.target)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; without a network of ours: {', '.join(CLASSICAL)}, a file of LaMa or MI-GAN "
            "(.onnx, .pt), or 'cmd: TOOL {image} {mask} {out}'"
        ) from error
