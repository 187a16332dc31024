"""Training and validation examples: a photograph, a hole and, if wanted, the structure target."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from twofold.data.folder import BrokenReport, PhotoFolder, warn_broken
from twofold.data.structures import StructureCache
from twofold.errors import InputError, TrainingError
from twofold.masks.buckets import MASK_KINDS, draw_in_bucket, hole_ratio, mixed
from twofold.masks.files import MaskFolder
from twofold.masks.strokes import free_form
from twofold.tensors import hole_to_tensor, image_to_tensor

VALIDATION_BUCKETS: tuple[tuple[float, float], ...] = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5))
"""Hole ratios of the validation photographs, dealt out in turn."""

# A window of a larger canvas may miss the hole or lie within it; such windows teach little.
_LEAST_OF_WINDOW, _MOST_OF_WINDOW, _WINDOWS = 0.03, 0.75, 20


@dataclass(frozen=True)
class DataConfig:
    """What to train on.

    Attributes:
        folder: photographs, at any depth.
        size: side of the square crops, in pixels.
        masks: kinds of generated holes, equally likely; see ``twofold.masks.buckets.MASK_KINDS``.
        mask_folder: draw the holes from these files instead of generating them.
        hole_ratio: smallest and largest part of a crop (or of the canvas) that is missing.
        hole_canvas: draw each hole on a square of this side and cut a window of ``size`` out of it, so
            that small crops meet strokes as wide as large ones do. None draws at ``size``.
        flip: mirror half of the crops left to right.
        zoom: the photograph is scaled so that its shorter side is this many times ``size``, from and
            to, before the crop is cut. Photographs are never enlarged beyond 1.
        structures: folder that caches the structure targets; None trains without them.
        views: cut so many fixed crops from each photograph, in turn by epoch, so that what is computed of
            a crop can be kept; 0 cuts a fresh crop each time. Holes are always fresh.
    """

    folder: Path
    size: int = 256
    masks: tuple[str, ...] = ("free-form", "irregular", "boxes")
    mask_folder: Path | None = None
    hole_ratio: tuple[float, float] = (0.05, 0.6)
    hole_canvas: int | None = None
    flip: bool = True
    zoom: tuple[float, float] = (1.0, 1.125)
    structures: Path | None = None
    views: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot work, before the first photograph is read."""
        if self.views < 0:
            raise InputError(f"views is {self.views}; give 1 or more, or 0 for fresh crops")
        if self.size < 8:
            raise InputError(f"size is {self.size}; crops need at least 8 pixels a side")
        unknown = [kind for kind in self.masks if kind not in MASK_KINDS]
        if unknown or not self.masks:
            seen = f"unknown mask kind {unknown[0]!r}" if unknown else "masks is empty"
            raise InputError(f"{seen}; choose from {', '.join(MASK_KINDS)}")
        if not 1 <= self.zoom[0] <= self.zoom[1]:
            raise InputError(f"zoom is {self.zoom}; give two factors of the crop's size, 1 <= from <= to")
        if self.hole_canvas is not None and self.hole_canvas < self.size:
            raise InputError(f"hole_canvas is {self.hole_canvas}; it must be at least size, {self.size}")
        if not 0 <= self.hole_ratio[0] < self.hole_ratio[1] <= 1:
            raise InputError(f"hole_ratio is {self.hole_ratio}; give two fractions, 0 <= from < to <= 1")

    @property
    def short_side(self) -> int:
        """Shorter side, in pixels, to which larger photographs are scaled before anything else."""
        return math.ceil(self.size * self.zoom[1])


class TrainingPairs(Dataset[dict[str, Tensor]]):
    """An endless sequence of examples; the n-th depends on nothing but (seed, n) and the files.

    Every epoch goes through the photographs in a new seeded order. Each item is a dict:

    * ``image``: [3 h w] in [-1, 1], the crop.
    * ``hole``: [1 h w], 1 = missing, else 0.
    * ``structure``: [3 h w] in [-1, 1], the smoothed crop; only with ``config.structures``.
    * ``index``: int64 scalar, the position of the photograph in ``photos.paths``.
    * ``view``: int64 scalar, the number of the crop among all fixed crops; only with ``config.views``.
    """

    def __init__(self, config: DataConfig, *, seed: int = 0, on_broken: BrokenReport = warn_broken) -> None:
        """List the photographs and index the mask files.

        Args:
            config: what to train on.
            seed: 0 or above.
            on_broken: called once (per process) for each photograph or mask that cannot be read.

        Raises:
            TrainingError: if the folder holds no photograph.
            MaskError: if the mask folder holds no mask.
        """
        self.config = config
        self.seed = seed
        self.photos = PhotoFolder(config.folder, on_broken=on_broken)
        self.mask_files = None if config.mask_folder is None else MaskFolder(config.mask_folder)
        for path, reason in [] if self.mask_files is None else self.mask_files.broken:
            on_broken(path, reason)
        self.structures = None if config.structures is None else StructureCache(config.structures)
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Photographs of one epoch; indices beyond it are welcome."""
        return len(self.photos)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """The ``index``-th draw of the run, ``index`` from 0 without end.

        Raises:
            TrainingError: if not one photograph can be read.
        """
        if index < 0:
            raise IndexError(f"draw {index} does not exist; the first is 0")
        rng = np.random.default_rng([self.seed, 1, index])
        position, photo = self._photo(index)
        view = position * self.config.views + (index // len(self.photos)) % max(1, self.config.views)
        crop_rng = np.random.default_rng([self.seed, 2, view]) if self.config.views else rng
        size, zoom = self.config.size, self.config.zoom
        window = random_window(photo.shape[0], photo.shape[1], size, crop_rng, zoom=zoom)
        flip = self.config.flip and crop_rng.random() < 0.5
        hole = self._hole(rng)
        example = {
            "image": _to_tensor(photo, window, self.config.size, flip),
            "hole": hole_to_tensor(hole)[0],
            "index": torch.tensor(position),
        }
        if self.config.views:
            example["view"] = torch.tensor(view)
        if self.structures is not None:
            smooth = self.structures.smoothed(photo)
            example["structure"] = _to_tensor(smooth, window, self.config.size, flip)
        return example

    def _photo(self, index: int) -> tuple[int, npt.NDArray[np.uint8]]:
        """The photograph of a draw; a broken one gives way to the next of its epoch's order."""
        epoch, place = divmod(index, len(self.photos))
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.photos)))
        order = self._order[1]
        for step in range(len(order)):
            position = int(order[(place + step) % len(order)])
            photo = self.photos.read(position, short_side=self.config.short_side)
            if photo is not None:
                return position, photo
        raise TrainingError(
            f"none of the {len(self.photos)} photographs in {self.photos.root} can be read; "
            "look at the first with an image viewer"
        )

    def _hole(self, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        size, canvas = self.config.size, self.config.hole_canvas or self.config.size
        if canvas == size:
            return self._drawn(size, rng)
        for _ in range(_WINDOWS):
            row, column = rng.integers(0, canvas - size + 1, 2)
            window = self._drawn(canvas, rng)[row : row + size, column : column + size]
            if _LEAST_OF_WINDOW < hole_ratio(window) < _MOST_OF_WINDOW:
                break
        return np.ascontiguousarray(window)

    def _drawn(self, side: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        ratio = self.config.hole_ratio
        if self.mask_files is not None:
            hole = self.mask_files.draw(side, side, rng, bucket=ratio)
            return hole[:, ::-1] if rng.random() < 0.5 else hole
        return mixed(side, side, rng, self.config.masks, ratio=ratio)


class ValidationPairs(Dataset[dict[str, Tensor]]):
    """A fixed list of examples: centre crops, each with one seeded free-form hole.

    The hole ratios go through ``VALIDATION_BUCKETS`` in turn by sorted position, so 300 photographs
    give 75 of each. Items are dicts as in ``TrainingPairs``, with ``bucket`` (int64 scalar, position
    in ``VALIDATION_BUCKETS``) in addition.
    """

    def __init__(
        self,
        folder: Path,
        *,
        size: int = 256,
        seed: int = 0,
        structures: Path | None = None,
        limit: int | None = None,
        on_broken: BrokenReport = warn_broken,
    ) -> None:
        """List the photographs and read each once, so that a broken one shows now and not later.

        Args:
            folder: photographs, at any depth.
            size: side of the square crops, in pixels.
            seed: 0 or above, for the holes.
            structures: folder that caches the structure targets; None goes without them.
            limit: only the first so many photographs.
            on_broken: called once for each photograph that cannot be read; it is left out.

        Raises:
            TrainingError: if no photograph can be read.
        """
        self.config = DataConfig(folder=folder, size=size, structures=structures)
        self.seed = seed
        self.photos = PhotoFolder(folder, on_broken=on_broken)
        self.structures = None if structures is None else StructureCache(structures)
        positions = range(len(self.photos))[:limit]
        self.positions = [position for position in positions if self.photos.read(position) is not None]
        if not self.positions:
            raise TrainingError(f"not one photograph in {self.photos.root} can be read; replace them")

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """The ``index``-th example, 0 <= index < len.

        Raises:
            TrainingError: if the photograph has become unreadable since the start.
        """
        position = self.positions[index]
        photo = self.photos.read(position, short_side=self.config.short_side)
        if photo is None:
            raise TrainingError(f"{self.photos.paths[position]} has become unreadable; put it back")
        size = self.config.size
        window = centre_window(photo.shape[0], photo.shape[1], size)
        bucket = index % len(VALIDATION_BUCKETS)
        # The seed of a hole is a number of its own per (seed, index), not a neighbour's plus one.
        seed = int(np.random.SeedSequence([self.seed, index]).generate_state(1)[0])
        hole = draw_in_bucket(free_form, size, size, VALIDATION_BUCKETS[bucket], seed)
        example = {
            "image": _to_tensor(photo, window, size, False),
            "hole": hole_to_tensor(hole)[0],
            "index": torch.tensor(position),
            "bucket": torch.tensor(bucket),
        }
        if self.structures is not None:
            example["structure"] = _to_tensor(self.structures.smoothed(photo), window, size, False)
        return example


def random_window(
    height: int, width: int, size: int, rng: np.random.Generator, *, zoom: tuple[float, float]
) -> tuple[int, int, int]:
    """Draw a square window of a photograph that will become a crop of ``size``.

    Args:
        height: rows of the photograph.
        width: columns of the photograph.
        size: side of the crop, in pixels.
        rng: the only source of randomness.
        zoom: shorter side of the photograph over ``size`` when seen at the crop's scale, from and
            to. A photograph too small for the drawn zoom is not enlarged for it.

    Returns:
        top, left and side of the window, in pixels of the photograph.
    """
    short = min(height, width)
    side = round(short / rng.uniform(*zoom))
    side = short if short <= size else max(size, side)
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    return top, left, side


def centre_window(height: int, width: int, size: int) -> tuple[int, int, int]:
    """The middle ``size`` x ``size`` of a photograph, or its largest square if it is smaller."""
    side = min(height, width, size)
    return (height - side) // 2, (width - side) // 2, side


def _to_tensor(pixels: npt.NDArray[np.uint8], window: tuple[int, int, int], size: int, flip: bool) -> Tensor:
    """Cut the window out, bring it to ``size``, flip it; [3 h w] in [-1, 1]."""
    top, left, side = window
    crop = pixels[top : top + side, left : left + side]
    if side != size:
        resized = Image.fromarray(np.ascontiguousarray(crop)).resize((size, size), Image.Resampling.LANCZOS)
        crop = np.array(resized)  # a copy: torch wants memory it may write to
    return image_to_tensor(crop[:, ::-1] if flip else crop)[0]
