"""Pictures that another tool has filled, behind the contract of all inpainters; and the items it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import ImageError, InputError
from twofold.evaluate.items import Items, digest
from twofold.inpainter import Channels, Detail, Inpainter, Progress, Result, Sample, SamplingChanges
from twofold.pixels import ENDINGS, read_hole, read_photo, replacing, rgb8

if TYPE_CHECKING:
    from twofold.pixels import ImageLike, MaskLike

PREFIX = "results:"
"""Begins the name of a model that is a folder of finished pictures."""


class PrecomputedAnswers(Inpainter):
    """Finished pictures in a folder, one a item, under the names that ``export_items`` gives.

    ``NAME.png`` (or any other picture ending) is the answer to item NAME; ``NAME-1.png``, ``NAME-2.png``,
    ... are several. A item is found by its damaged picture and hole, so a picture never answers another.

    Attributes:
        name: for reports.
        diverse: whether the first item has several answers.
        fingerprint: None: files may change, and reading them is cheap.
    """

    def __init__(self, folder: Path, items: Items, *, name: str | None = None) -> None:
        """Find the answers to all items.

        Args:
            folder: of the pictures.
            items: that they answer.
            name: for reports; None: the folder's.

        Raises:
            InputError: if the folder does not exist, or lacks an answer.
        """
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; give the folder of finished pictures after {PREFIX}")
        self.name = folder.name if name is None else name
        self._cases = items
        self._positions: dict[str, int] = {}
        self._files: list[list[Path]] = []
        for name in item_names(items):
            files = [path for path in _candidates(folder / name) if path.is_file()]
            self._files.append(files or _numbered(folder / name))
        missing = [name for name, files in zip(item_names(items), self._files, strict=True) if not files]
        if missing:
            shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            raise InputError(
                f"{folder} lacks {len(missing)} of {len(items)} answers ({shown}); fill the pictures that "
                "--export writes, and name each result like its picture"
            )
        self.diverse = len(self._files[0]) > 1

    def fill(
        self,
        image: ImageLike,
        mask: MaskLike,
        samples: int = 1,
        seed: int = 0,
        *,
        options: SamplingChanges = None,
        detail: Detail | None = None,
        channels: Channels = "RGB",
        progress: Progress | None = None,
        on_sample: Callable[[Sample], None] | None = None,
    ) -> Result:
        """Give the finished pictures of a item; see ``Inpainter.fill``.

        Raises:
            InputError: if the picture is of none of the items, has too few answers, or one of another size.
            ImageError: if an answer cannot be read.
        """
        pixels = rgb8(read_photo(image).pixels)
        hole = read_hole(mask, *pixels.shape[:2])
        if not self._positions:
            self._positions = {
                digest(item.damaged, item.hole): place for place, item in enumerate(self._cases)
            }
        place = self._positions.get(digest(pixels, hole))
        if place is None:
            raise InputError(
                f"this picture is none of the cases that {self.name} answers; evaluate those alone"
            )
        files = self._files[place]
        if len(files) < samples:
            raise InputError(
                f"{self.name} has {len(files)} answers to {files[0].stem}, not {samples}; ask for fewer"
            )
        answers = [
            Sample(_read(path, pixels.shape), index=index) for index, path in enumerate(files[:samples])
        ]
        for answer in answers:
            if on_sample is not None:
                on_sample(answer)
        if progress is not None:
            progress(samples, samples)
        return Result(answers, model=self.name, seed=seed)


def item_names(items: Items) -> list[str]:
    """A name for each item: its photograph's path without the ending, or with it where two would be equal."""
    stems = [Path(path).with_suffix("").as_posix() for path in items.paths]
    times = Counter(stems)
    return [path if times[stem] > 1 else stem for path, stem in zip(items.paths, stems, strict=True)]


def export_items(items: Items, folder: Path, progress: Progress | None = None) -> None:
    """Write what every model of an evaluation is given, for tools that cannot be called.

    ``images/NAME.png`` has black in the hole, ``masks/NAME.png`` is white there, ``truth/NAME.png`` is the
    photograph's crop. Each file is written whole or not at all.
    """
    for done, (name, item) in enumerate(zip(item_names(items), items, strict=True), start=1):
        pictures = {
            "images": item.damaged,
            "masks": item.hole.astype(np.uint8) * 255,
            "truth": item.image,
        }
        for kind, pixels in pictures.items():
            path = folder / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as part:
                Image.fromarray(pixels).save(part, format="PNG")
        if progress is not None:
            progress(done, len(items))


def _candidates(path: Path) -> list[Path]:
    """The files that one finished picture may be."""
    return [path.with_name(path.name + ending) for ending in ENDINGS]


def _numbered(path: Path) -> list[Path]:
    """Finished pictures that are numbered from 1 on, as far as there is none missing."""
    found: list[Path] = []
    while True:
        numbered = path.with_name(f"{path.name}-{len(found) + 1}")
        file = next((one for one in _candidates(numbered) if one.is_file()), None)
        if file is None:
            return found
        found.append(file)


def _read(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    pixels = rgb8(read_photo(path).pixels)
    if pixels.shape != shape:
        raise ImageError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]} but its case is {shape[1]}x{shape[0]}; fill the "
            "pictures that --export writes, at their size"
        )
    return pixels
