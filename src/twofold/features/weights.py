"""Where the weights of the frozen feature networks come from: a file, a folder, the cache, a download.

Nothing here runs at import time, and nothing is fetched while a copy lies on this machine.
"""

import hashlib
import http.client
import logging
import os
import pickle
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twofold.errors import CheckpointError, InputError

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Published:
    """A published file of weights.

    Attributes:
        file: its name; the eight hex digits before ``.pth`` begin its SHA-256.
        url: where it is published.
        copies: other file names that are looked for too.
    """

    file: str
    url: str
    copies: tuple[str, ...]


@dataclass(frozen=True)
class Trunk(Published):
    """Torchvision's file of a feature network, and the convolutions in it.

    Its ``copies`` are of the ``.npz`` layout (``conv{i}.weight``).

    Attributes:
        places: position of each convolution in torchvision's ``features`` sequence.
        shapes: weight shape of each convolution, out-in-height-width.
    """

    places: tuple[int, ...]
    shapes: tuple[tuple[int, int, int, int], ...]


def _chain(channels: tuple[int, ...], sides: tuple[int, ...]) -> tuple[tuple[int, int, int, int], ...]:
    """Weight shapes of convolutions in a row."""
    links = zip(channels[1:], channels[:-1], sides, strict=True)
    return tuple((out, wide, side, side) for out, wide, side in links)


TRUNKS = {
    "vgg16": Trunk(
        file="vgg16-397923af.pth",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        copies=("vgg16.npz", "lpips_vgg16_fp16.npz"),
        places=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        shapes=_chain((3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512), (3,) * 13),
    ),
    "alexnet": Trunk(
        file="alexnet-owt-7be5be79.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        copies=("alexnet.npz", "lpips_alexnet.npz"),
        places=(0, 3, 6, 8, 10),
        shapes=_chain((3, 64, 192, 384, 256, 256), (11, 5, 3, 3, 3)),
    ),
}
"""The feature networks that are known, by name."""


def load_trunk(name: str, path: Path | None = None, *, download: bool = True) -> dict[str, Tensor]:
    """Give the convolutions of a pretrained feature network, in float32.

    Args:
        name: ``"vgg16"`` or ``"alexnet"``.
        path: a torchvision ``.pth`` state dict, or an ``.npz`` with ``conv{i}.weight`` and
            ``conv{i}.bias``; None looks where ``locate`` says.
        download: False never touches the network.

    Returns:
        ``{"0.weight": [out in height width], "0.bias": [out], "1.weight": ...}``.

    Raises:
        InputError: if ``name`` is not known.
        CheckpointError: if the weights cannot be found, fetched or understood.
    """
    if name not in TRUNKS:
        raise InputError(f"{name!r} is no feature network; give one of {', '.join(TRUNKS)}")
    trunk = TRUNKS[name]
    return _convolutions(trunk, locate(trunk, path, download=download))


def load_state(
    published: Published, path: Path | None = None, *, download: bool = True
) -> Mapping[str, Tensor]:
    """Give all tensors of a published state dict.

    Args:
        published: which.
        path: a file of that layout; None looks where ``locate`` says.
        download: False never touches the network.

    Raises:
        CheckpointError: if the file cannot be found, fetched or read.
    """
    found = locate(published, path, download=download)
    with _readable(published, found):
        return _read_pth(found)


def locate(published: Published, path: Path | None = None, *, download: bool = True) -> Path:
    """Find a published file, or fetch it.

    Looks, in this order, at ``path``; in the folder named by the environment variable
    ``TWOFOLD_FEATURES``; in the cache (``~/.cache/twofold/features``, or ``features`` under
    ``TWOFOLD_CACHE``); then downloads the file to the cache.

    Args:
        published: which.
        path: where it is; no other place is looked at, and the file need not exist.
        download: False never touches the network.

    Raises:
        CheckpointError: if it cannot be found or fetched.
    """
    found = path if path is not None else _find(published)
    if found is None and download:
        found = _download(published, cache_folder())
    if found is None:
        raise CheckpointError(_missing(published, "it is nowhere on this machine"))
    return found


def _find(published: Published) -> Path | None:
    """Look for a file on this machine; None if there is none."""
    named = os.environ.get("TWOFOLD_FEATURES")
    folders = [Path(named)] if named else []
    for folder in [*folders, cache_folder()]:
        for file in (published.file, *published.copies):
            if (folder / file).is_file():
                return folder / file
    return None


def cache_folder() -> Path:
    """The user's cache of feature weights: ``~/.cache/twofold/features``, or under ``TWOFOLD_CACHE``."""
    root = os.environ.get("TWOFOLD_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "twofold") / "features"


def _missing(published: Published, why: str) -> str:
    """The one sentence for weights that cannot be had."""
    return (
        f"the feature weights {published.file} are needed but {why}; fetch {published.url} on a machine "
        f"with a network and put it in {cache_folder()}, or in a folder named by TWOFOLD_FEATURES"
    )


def _download(published: Published, folder: Path) -> Path:
    """Fetch a file, check its SHA-256 and only then give it its name."""
    _log.warning("downloading %s to %s", published.url, folder)
    part = folder / f"{published.file}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(published.url, timeout=_TIMEOUT_SECONDS) as source,
            part.open("wb") as target,
        ):
            while piece := source.read(_CHUNK):
                digest.update(piece)
                target.write(piece)
        wanted, seen = published.file.removesuffix(".pth").rsplit("-", 1)[1], digest.hexdigest()[:8]
        if seen != wanted:
            raise CheckpointError(
                _missing(published, f"the download's SHA-256 begins with {seen}, not {wanted}")
            )
        part.replace(folder / published.file)
    # No network, no such host, a broken connection, a full disk: URLError is an OSError.
    except (OSError, http.client.HTTPException) as error:
        raise CheckpointError(_missing(published, f"it cannot be downloaded ({error})")) from error
    finally:
        part.unlink(missing_ok=True)
    return folder / published.file


@contextmanager
def _readable(published: Published, path: Path) -> Iterator[None]:
    """Turn whatever reading a file raises into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise CheckpointError(_missing(published, f"{path} does not exist")) from error
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError) as error:
        raise CheckpointError(
            f"{path} cannot be read as {published.file} ({error}); fetch it again"
        ) from error


def _convolutions(trunk: Trunk, path: Path) -> dict[str, Tensor]:
    """Read a trunk's convolutions from a file of either layout and check their shapes."""
    flat = path.suffix == ".npz"
    with _readable(trunk, path):
        state = _read_npz(path) if flat else _read_pth(path)
    weights: dict[str, Tensor] = {}
    for index, shape in enumerate(trunk.shapes):
        for kind, wanted in (("weight", shape), ("bias", shape[:1])):
            key = f"conv{index}.{kind}" if flat else f"features.{trunk.places[index]}.{kind}"
            value = state.get(key)
            if value is None or tuple(value.shape) != wanted:
                seen = "missing" if value is None else f"of shape {tuple(value.shape)}"
                raise CheckpointError(
                    f"{path}: {key} is {seen} but {trunk.file} has {wanted}; give the file of that network"
                )
            weights[f"{index}.{kind}"] = value.float()
    return weights


def _read_npz(path: Path) -> Mapping[str, Tensor]:
    """The arrays of an .npz file that belong to convolutions."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files if key.startswith("conv")}
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _read_pth(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a state dict."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}, not a state dict")
    return state
