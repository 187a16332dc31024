"""Which hole belongs to which photograph: drawn by seed, or taken from mask files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.masks.buckets import MASK_KINDS, draw_in_bucket
from twofold.masks.files import MaskFolder, read_mask

Hole = npt.NDArray[np.bool_]
"""[h w], True = missing."""

_FIXED = ("centre", "regular")
"""Kinds with a ratio of their own."""


class Holes(Protocol):
    """Gives each photograph its hole."""

    def prepare(self, photos: Sequence[str]) -> None:
        """Look at all photographs' paths within their folder, before the first is asked for."""
        ...

    def draw(self, index: int, photo: str, size: int) -> tuple[Hole, str]:
        """The hole of the ``index``-th photograph, [size size], and the name of its kind."""
        ...


def choose_holes(
    kinds: Sequence[str], folder: Path | None, ratios: Sequence[tuple[float, float]], seed: int
) -> Holes:
    """Holes of these kinds in turn, or from a folder of mask files.

    Raises:
        MaskError: if the folder holds no mask that can be read.
    """
    if folder is None:
        return GeneratedHoles(tuple(kinds), tuple(ratios), seed)
    return FileHoles(MaskFolder(folder), tuple(ratios), seed)


@dataclass(frozen=True)
class GeneratedHoles:
    """Holes drawn by seed and position: kinds take turns, and within a kind the ranges of ratios do."""

    kinds: tuple[str, ...]
    ratios: tuple[tuple[float, float], ...]
    seed: int

    def prepare(self, photos: Sequence[str]) -> None:
        """Nothing to prepare: the photographs do not matter."""

    def draw(self, index: int, photo: str, size: int) -> tuple[Hole, str]:
        """See ``Holes.draw``."""
        turn, place = divmod(index, len(self.kinds))
        kind = self.kinds[place]
        # The seed of a hole is a number of its own per (seed, index), not a neighbour's plus one.
        seed = int(np.random.SeedSequence([self.seed, index]).generate_state(1)[0])
        if kind in _FIXED or not self.ratios:
            return MASK_KINDS[kind](size, size, np.random.default_rng(seed)), kind
        ratio = self.ratios[turn % len(self.ratios)]
        return draw_in_bucket(MASK_KINDS[kind], size, size, ratio, seed), kind


class FileHoles:
    """Holes from mask files, resized by nearest neighbour.

    Where files are named after photographs (``cat.png`` or ``cat_mask*.png`` for ``cat.jpg``, in the same
    sub-folder), each photograph gets its own; where none is, each photograph draws one by seed, from the
    ranges of ratios in turn. Never by position in a list.
    """

    def __init__(self, masks: MaskFolder, ratios: tuple[tuple[float, float], ...], seed: int) -> None:
        self._masks = masks
        self._ratios = ratios
        self._seed = seed
        self._paired: dict[str, Path] = {}

    def prepare(self, photos: Sequence[str]) -> None:
        """Pair masks and photographs by name, if they are named so.

        Raises:
            InputError: if masks fit some photographs but not all.
        """
        named: dict[str, Path] = {}
        for path in self._masks.paths:
            stem = path.relative_to(self._masks.root).with_suffix("").as_posix()
            named.setdefault(stem, path)
            named.setdefault(stem.rsplit("_mask", 1)[0], path)
        found = {photo: named.get(Path(photo).with_suffix("").as_posix()) for photo in photos}
        missing = [photo for photo, path in found.items() if path is None]
        if len(missing) == len(photos):
            return
        if missing:
            shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            raise InputError(
                f"{self._masks.root} has masks named after {len(photos) - len(missing)} photographs but none "
                f"for {len(missing)} ({shown}); name one mask after each, or none, to have them drawn by seed"
            )
        self._paired = {photo: path for photo, path in found.items() if path is not None}

    def draw(self, index: int, photo: str, size: int) -> tuple[Hole, str]:
        """See ``Holes.draw``.

        Raises:
            InputError: if no mask has the ratio whose turn it is, or the photograph's mask has no hole.
            MaskError: if the file has become unreadable.
        """
        kind = self._masks.root.name
        if self._paired:
            hole = read_mask(self._paired[photo], size=(size, size))
            if not hole.any():
                raise InputError(f"{self._paired[photo]} has no white pixel; paint white what is missing")
            return hole, kind
        ratio = self._ratios[index % len(self._ratios)] if self._ratios else (1e-9, 1.0)
        rng = np.random.default_rng([self._seed, index])
        return self._masks.draw(size, size, rng, bucket=ratio), kind
