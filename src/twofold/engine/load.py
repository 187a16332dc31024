"""From the name of a model to an inpainter, and from a picture and a mask to a filled picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from twofold.checkpoints.format import build_network, load_weights
from twofold.checkpoints.released import find_weights
from twofold.engine.budget import read_bytes
from twofold.engine.classical import CLASSICAL
from twofold.engine.command import Command
from twofold.engine.detail import Detail
from twofold.engine.fingerprints import file_digest
from twofold.engine.names import ModelName, read_name
from twofold.engine.onnx_file import open_onnx
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.engine.torchscript_file import open_torchscript
from twofold.errors import CheckpointError, InputError
from twofold.inpainter import Inpainter
from twofold.network import DiverseNetwork, FillingNetwork

if TYPE_CHECKING:
    from twofold.inpainter import ImageLike, MaskLike

DEFAULT_MODEL = "medfe-small"


def load(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    device: str = "auto",
    options: object | Mapping[str, Any] | None = None,
    detail: Detail = "auto",
    max_memory: int | str | None = None,
) -> Inpainter:
    """Load a model that fills holes.

    Args:
        name_or_path: a bundled model; a folder that holds ``model.safetensors``, or such a file; a
            classical method (``opencv-telea``, ``patchmatch``, ...); a file of LaMa or MI-GAN in ONNX
            (``.onnx``) or TorchScript (``.pt``, ``.jit``, ``.torchscript``: a program, so only from
            where you trust), as ``lama:FILE`` or ``migan:FILE`` if it does not tell; or any command,
            ``cmd: TOOL {image} {mask} {out}``. ``NAME=`` in front names it in reports.
        device: ``auto`` (CUDA where there is one, else the CPU), or a name that PyTorch knows.
        options: how a model that samples does so: its options (``SamplingOptions`` for DSI), or a
            dict of those to change, for example ``{"temperature": 0.8}``. None: the model's own.
        detail: where a network's answers get detail of their surroundings: ``auto`` where a large hole
            was answered at a smaller size, ``none`` nowhere, ``always`` everywhere.
        max_memory: what a call of ``fill`` may take beside the program, the weights and the picture, in
            bytes or as text such as ``"2GB"``; networks only. None: no limit.

    Raises:
        CheckpointError: if there is no such model, or its file is damaged or does not fit.
        InputError: if the device or the command cannot be used, or the model does not take the options.
        MissingExtraError: if a library that the model needs is not installed.
    """
    name = read_name(name_or_path)
    if name.kind == "network":
        limit = read_bytes(max_memory) if isinstance(max_memory, str) else max_memory
        return _painter(_file_of(name), name.label, device, options, detail=detail, max_memory=limit)
    if max_memory is not None or detail != "auto":
        raise InputError(
            f"{name.label or os.fspath(name.target)} fills whole pictures in its own way and takes neither "
            "max_memory nor detail; leave them out, or use a network such as medfe-small"
        )
    if options is not None and name.kind == "command":
        raise InputError("a command takes no sampling options; write them among its words")
    if options is not None:
        raise _takes_no_options(name.label or os.fspath(name.target))
    if name.kind == "classical":
        return CLASSICAL[str(name.target)](name=name.label)
    if name.kind == "command":
        return Command(str(name.target), name=name.label)
    opener = open_onnx if name.kind == "onnx" else open_torchscript
    return opener(_file_of(name), family=name.family, device=device, name=name.label)


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
    detail: Detail,
    max_memory: int | None,
) -> Inpainter:
    weights = load_weights(path)
    network = cast(FillingNetwork, build_network(weights))
    painter = TorchInpainter(
        network,
        label or weights.name,
        device=device,
        digest=file_digest(path),
        detail=detail,
        max_memory=max_memory,
    )
    if options is not None:
        _set_options(network, options, weights.name)
    return painter


def _set_options(network: FillingNetwork, options: object | Mapping[str, Any], name: str) -> None:
    """Replace a network's sampling options, or some of them."""
    if not isinstance(network, DiverseNetwork):
        raise _takes_no_options(name)
    own = network.options
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
    network.options = options


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
        if not Path(name.target).is_file():
            raise CheckpointError(f"there is no model file {os.fspath(name.target)}; give one that exists")
        return Path(name.target)
    try:
        return find_weights(name.target)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; without a network of ours: {', '.join(CLASSICAL)}, a file of LaMa or MI-GAN "
            "(.onnx, .pt), or 'cmd: TOOL {image} {mask} {out}'"
        ) from error
