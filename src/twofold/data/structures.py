"""An on-disk cache of structure targets: smoothed photographs, computed once."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.data.folder import PhotoFolder, read_photo
from twofold.data.smooth import rtv_smooth
from twofold.errors import ImageError, InputError

_RECIPE = 1  # raise it when the smoothing changes what it computes: old entries are then left alone


@dataclass(frozen=True)
class SmoothConfig:
    """How structure targets are smoothed; the defaults are those of the paper's training data.

    Attributes:
        strength: weight of the smoothness term; larger removes more.
        sigma: scale of the texture to remove in the first iteration, in pixels.
        sharpness: smallest gradient that counts as an edge, on values in [0, 1].
        iterations: number of reweighted solves.
    """

    strength: float = 0.015
    sigma: float = 3.0
    sharpness: float = 0.001
    iterations: int = 3


class StructureCache:
    """Smoothed photographs in a folder, keyed by the photograph's pixels and the options.

    Several processes may share one folder: entries are written under a temporary name and renamed,
    and two that compute the same entry write the same bytes.
    """

    def __init__(self, root: str | os.PathLike[str], config: SmoothConfig = SmoothConfig()) -> None:
        """Use ``root`` as the cache; it is created with the first entry.

        Raises:
            InputError: if ``root`` is a file.
        """
        self.root = Path(root)
        self.config = config
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root} is a file; give a folder for the structure targets")

    def entry(self, pixels: npt.NDArray[np.uint8]) -> Path:
        """The file that holds, or will hold, the target of a photograph uint8 [h w 3]."""
        digest = hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16)
        digest.update(repr((_RECIPE, pixels.shape, sorted(asdict(self.config).items()))).encode())
        name = digest.hexdigest()
        return self.root / name[:2] / f"{name}.png"

    def smoothed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The structure target of a photograph, from the cache or computed and kept.

        Args:
            pixels: uint8 RGB [h w 3].

        Returns:
            uint8 RGB [h w 3], aligned with ``pixels``.

        Raises:
            MissingExtraError: if it must be computed and numba is not installed.
        """
        path = self.entry(pixels)
        cached = _read_entry(path, pixels.shape)
        if cached is not None:
            return cached
        smooth = rtv_smooth(pixels.astype(np.float32) / 255, **asdict(self.config))
        levels: npt.NDArray[np.uint8] = (smooth * 255).round().clip(0, 255).astype(np.uint8)
        _write_entry(path, levels)
        return levels

    def holds(self, pixels: npt.NDArray[np.uint8]) -> bool:
        """Whether the target of a photograph is in the cache, whole."""
        return _read_entry(self.entry(pixels), pixels.shape) is not None


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` did.

    Attributes:
        computed: targets that were smoothed now.
        found: targets that were in the cache already.
        broken: path -> reason for the photographs that cannot be read.
    """

    computed: int
    found: int
    broken: dict[Path, str]


def prepare(
    photos: PhotoFolder,
    cache: StructureCache,
    *,
    short_side: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Compute the structure targets of a whole folder before training asks for them.

    May be interrupted and run again: what is done stays done.

    Args:
        photos: the photographs; those already known as broken are tried again.
        cache: where the targets go.
        short_side: ``DataConfig.short_side`` of the training run that will use them: targets belong
            to photographs scaled to one size.
        workers: processes; 1 works in this one.
        progress: called after each photograph with the number done and the number of all.

    Returns:
        How many were computed, found and broken.

    Raises:
        InputError: if ``workers`` is below 1.
        MissingExtraError: if numba is not installed.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; preparing needs at least 1 process")
    # Compiles, or finds that numba is missing, once and before any other process starts.
    rtv_smooth(np.zeros((2, 2, 3), dtype=np.float32), **asdict(cache.config))
    job = partial(_prepare_one, cache, short_side)
    computed, found, broken = 0, 0, dict[Path, str]()
    with nullcontext() if workers == 1 else ProcessPoolExecutor(workers) as pool:
        outcomes: Iterator[bool | str] = (
            map(job, photos.paths) if pool is None else pool.map(job, photos.paths, chunksize=8)
        )
        for done, (path, outcome) in enumerate(zip(photos.paths, outcomes, strict=True), start=1):
            if isinstance(outcome, str):
                broken[path] = outcome
            elif outcome:
                computed += 1
            else:
                found += 1
            if progress is not None:
                progress(done, len(photos.paths))
    return Prepared(computed, found, broken)


def _prepare_one(cache: StructureCache, short_side: int, path: Path) -> bool | str:
    """Whether the target had to be computed, or why the photograph cannot be read."""
    try:
        pixels = read_photo(path, short_side=short_side)
    except ImageError as error:
        return str(error)
    if cache.holds(pixels):
        return False
    cache.smoothed(pixels)
    return True


def _read_entry(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8] | None:
    """A cached target, or None if there is none or it is damaged (it is then computed anew)."""
    try:
        with Image.open(path) as file:
            pixels = np.array(file.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return None
    return pixels if pixels.shape == shape else None


def _write_entry(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write whole or not at all: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(6)}.tmp")
    try:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
