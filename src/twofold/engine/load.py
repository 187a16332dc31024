"""From the name of a model to an inpainter, and from a picture and a mask to a filled picture."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from twofold.checkpoints.format import build_network, load_weights
from twofold.checkpoints.released import find_weights
from twofold.engine.classical import CLASSICAL
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.errors import CheckpointError
from twofold.inpainter import Inpainter
from twofold.network import FillingNetwork

if TYPE_CHECKING:
    from twofold.inpainter import ImageLike, MaskLike

DEFAULT_MODEL = "medfe-small"


def load(name_or_path: str | os.PathLike[str] = DEFAULT_MODEL, *, device: str = "auto") -> Inpainter:
    """Load a model that fills holes.

    Args:
        name_or_path: a bundled model, a folder that holds ``model.safetensors``, such a file, or
            one of the classical methods (``opencv-telea``, ``patchmatch``, ...).
        device: ``auto`` (CUDA where there is one, else the CPU), or a name that PyTorch knows.

    Raises:
        CheckpointError: if there is no such model, or its file is damaged or does not fit.
        InputError: if the device cannot be used.
        MissingExtraError: if a classical method's library is not installed.
    """
    if name_or_path in CLASSICAL:
        return CLASSICAL[str(name_or_path)]()
    return _painter(_find(name_or_path), device)


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


def _painter(path: Path, device: str) -> Inpainter:
    weights = load_weights(path)
    return TorchInpainter(cast(FillingNetwork, build_network(weights)), weights.name, device=device)


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
