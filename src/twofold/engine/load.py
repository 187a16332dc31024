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
from twofold.engine.classical import CLASSICAL
from twofold.engine.torch_inpainter import TorchInpainter
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
) -> Inpainter:
    """Load a model that fills holes.

    Args:
        name_or_path: a bundled model, a folder that holds ``model.safetensors``, such a file, or
            one of the classical methods (``opencv-telea``, ``patchmatch``, ...).
        device: ``auto`` (CUDA where there is one, else the CPU), or a name that PyTorch knows.
        options: how a model that samples does so: its options (``SamplingOptions`` for DSI), or a
            dict of those to change, for example ``{"temperature": 0.8}``. None: the model's own.

    Raises:
        CheckpointError: if there is no such model, or its file is damaged or does not fit.
        InputError: if the device cannot be used, or the model does not take the options.
        MissingExtraError: if a classical method's library is not installed.
    """
    if name_or_path in CLASSICAL:
        if options is not None:
            raise _takes_no_options(str(name_or_path))
        return CLASSICAL[str(name_or_path)]()
    return _painter(_find(name_or_path), device, options)


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
    painter = load(model) if model in CLASSICAL else _last_painter(_find(model), device)
    return painter.fill(image, mask, seed=seed).image


def _painter(path: Path, device: str, options: object | Mapping[str, Any] | None = None) -> Inpainter:
    weights = load_weights(path)
    network = cast(FillingNetwork, build_network(weights))
    if options is not None:
        _set_options(network, options, weights.name)
    return TorchInpainter(network, weights.name, device=device)


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


def _last_painter(path: Path, device: str) -> Inpainter:
    file = path.resolve()
    state = file.stat()
    return _unchanged_painter(file, state.st_mtime_ns, state.st_size, device)


@lru_cache(maxsize=1)
def _unchanged_painter(file: Path, modified: int, size: int, device: str) -> Inpainter:
    """Keep the model that was used last, as long as its file is the same."""
    return _painter(file, device)


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    try:
        return find_weights(name_or_path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; without a network: {', '.join(CLASSICAL)}") from error
