"""Which files ``twofold fill`` writes, and writing them: pictures, structures, sheet and record."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.errors import ImageError, InputError
from twofold.inpainter import Result, Sample
from twofold.pixels import Photo, check_output, contact_sheet, replacing, rgb8, write_photo

HOLE_GREY = 128
"""What the hole looks like on a sheet."""
_LARGEST_WEBP = 16383


@dataclass(frozen=True)
class Outputs:
    """Where everything goes.

    Attributes:
        pictures: one for each sample.
        folder: that holds them with structures, sheet and record; None: pictures alone are written.
        stem: how the names in the folder begin.
    """

    pictures: list[Path]
    folder: Path | None = None
    stem: str = ""

    @property
    def sheet(self) -> Path | None:
        """The contact sheet of several samples in a folder."""
        wanted = self.folder is not None and len(self.pictures) > 1
        return self.pictures[0].with_name(f"{self.stem}-sheet.png") if wanted else None

    @property
    def record(self) -> Path | None:
        """What is known of the samples, as JSON."""
        return None if self.folder is None else self.folder / f"{self.stem}-samples.json"

    def structure(self, index: int) -> Path | None:
        """The structure picture of one sample, if it is to be written."""
        return None if self.folder is None else self.folder / f"{self.stem}-{index + 1}-structure.png"


def plan_outputs(out: str, photo: Path, mask: Path, pixels: npt.NDArray[np.generic], samples: int) -> Outputs:
    """Decide the names of all files, and say early what could not be written.

    Args:
        out: a file; or a folder: a name without an ending, one with a slash behind it, or a folder
            that exists.
        photo: the file that is filled.
        mask: its mask.
        pixels: of the photo.
        samples: how many pictures there will be.

    Raises:
        ImageError: if a picture cannot be written to its place.
        InputError: if the folder cannot be made, or the mask's file would be overwritten.
    """
    path = Path(out)
    if not (out.endswith(("/", os.sep)) or path.is_dir() or not path.suffix):
        outputs = Outputs(_numbered(path, samples))
        for picture in outputs.pictures:
            check_output(picture, pixels)
        return outputs
    stem = photo.stem
    names = [f"{stem}-{number}{_lossless_ending(photo, pixels)}" for number in range(1, samples + 1)]
    outputs = Outputs([path / name for name in names], path, stem)
    if path.is_dir():
        for picture in outputs.pictures:
            check_output(picture, pixels)
    elif path.exists():
        raise InputError(f"{path} is a file without an ending, not a folder; give another OUT")
    elif not path.parent.is_dir():
        raise InputError(f"cannot make the folder {path}: there is no folder {path.parent}; make it first")
    elif not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot make the folder {path}: permission denied; choose another place")
    # The pictures' names differ from the photo's, but not from those of every mask.
    planned = [*outputs.pictures, *(outputs.structure(index) for index in range(samples)), outputs.sheet]
    if any(place is not None and place.resolve() == mask.resolve() for place in planned):
        raise InputError(f"mask {mask} would be overwritten; give another folder than {path}")
    return outputs


def _numbered(out: Path, samples: int) -> list[Path]:
    """OUT itself for one sample, OUT-1.png, OUT-2.png, ... for several."""
    if samples == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, samples + 1)]


def _lossless_ending(photo: Path, pixels: npt.NDArray[np.generic]) -> str:
    """The photo's own ending where that format keeps every pixel as it is, else .png."""
    ending = photo.suffix.lower()
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    tiff = ending in (".tif", ".tiff") and (grey or pixels.dtype == np.uint8)
    webp = ending == ".webp" and pixels.dtype == np.uint8 and max(pixels.shape[:2]) <= _LARGEST_WEBP
    return photo.suffix if tiff or webp or ending == ".png" else ".png"


class Writer:
    """Writes each sample as soon as it is there, and what sums them up at the end."""

    def __init__(
        self, photo: Photo, hole: npt.NDArray[np.bool_], outputs: Outputs, written: list[Path]
    ) -> None:
        """Take what is filled and where it goes; each file is added to ``written`` when it is whole."""
        self._photo, self._hole, self._outputs, self._written = photo, hole, outputs, written

    def write_sample(self, sample: Sample) -> None:
        """Write a sample's picture, and its structure if it has one and there is a folder.

        Raises:
            ImageError: if it cannot be written.
        """
        self._make_folder()
        path = self._outputs.pictures[sample.index]
        write_photo(self._photo.with_pixels(sample.image), path)
        self._written.append(path)
        structure = self._outputs.structure(sample.index)
        if structure is not None and sample.structure is not None:
            write_photo(Photo(sample.structure), structure)
            self._written.append(structure)

    def write_summary(self, result: Result) -> None:
        """Write the contact sheet and the record, where there is a folder.

        Raises:
            ImageError: if the sheet cannot be written.
            InputError: if the record cannot.
        """
        sheet, record = self._outputs.sheet, self._outputs.record
        if sheet is not None:
            write_photo(Photo(_sheet(self._photo.pixels, self._hole, result)), sheet)
            self._written.append(sheet)
        if record is not None:
            text = json.dumps(self._record(result), indent=2, ensure_ascii=False, allow_nan=False)
            try:
                with replacing(record) as temporary:
                    temporary.write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise InputError(
                    f"cannot write {record}: {error.strerror or error}; choose another place"
                ) from error
            self._written.append(record)

    def _make_folder(self) -> None:
        if self._outputs.folder is None:
            return
        try:
            self._outputs.folder.mkdir(exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise ImageError(
                f"cannot make the folder {self._outputs.folder}: {reason}; choose another place"
            ) from error

    def _record(self, result: Result) -> dict[str, Any]:
        """All that names the pictures, and what the model thinks of them; samples count from 1."""
        ranks = ranks_of(result)
        samples = []
        for sample in result.samples:
            structure = self._outputs.structure(sample.index) if sample.structure is not None else None
            twin = sample.duplicate_of
            samples.append(
                {
                    "sample": sample.index + 1,
                    "file": self._outputs.pictures[sample.index].name,
                    "structure": None if structure is None else structure.name,
                    "rank": ranks[sample.index],
                    "log_likelihood": _finite(sample.log_likelihood),
                    "score": _finite(sample.score),
                    "attempt": sample.attempt,
                    "duplicate_of": None if twin is None else twin + 1,
                }
            )
        return {
            "model": result.model,
            "seed": result.seed,
            "options": dict(result.options),
            "ranking": [index + 1 for index in result.ranking],
            "samples": samples,
        }


def ranks_of(result: Result) -> list[int]:
    """The rank of each sample, 1 = best, in the order of the samples."""
    ranking = result.ranking
    return [ranking.index(index) + 1 for index in range(len(ranking))]


def describe_ranking(result: Result) -> list[str]:
    """Lines that show the ranking, best first; none if the model knows nothing of its answers."""
    if all(sample.log_likelihood is None and sample.score is None for sample in result.samples):
        return []
    lines = ["rank  sample  log-likelihood   score"]
    for rank, index in enumerate(result.ranking, start=1):
        sample = result.samples[index]
        likelihood, score = _shown(sample.log_likelihood, 1), _shown(sample.score, 3)
        twin = (
            "" if sample.duplicate_of is None else f"  hardly differs from sample {sample.duplicate_of + 1}"
        )
        lines.append(f"{rank:>4}  {index + 1:>6}  {likelihood:>14}  {score:>6}{twin}")
    return lines


def _sheet(
    pixels: npt.NDArray[np.generic], hole: npt.NDArray[np.bool_], result: Result
) -> npt.NDArray[np.uint8]:
    """Photo and hole first, then every sample with its structure."""
    before = rgb8(pixels)
    damaged = np.where(hole[..., None], np.uint8(HOLE_GREY), before)
    ranks = ranks_of(result)
    structures = [sample.structure for sample in result.samples]
    shown = any(structure is not None for structure in structures)
    return contact_sheet(
        [before, damaged, *(rgb8(sample.image) for sample in result.samples)],
        ["photo", "hole", *(_label(sample, ranks[sample.index]) for sample in result.samples)],
        structures=[None, None, *structures] if shown else None,
    )


def _label(sample: Sample, rank: int) -> str:
    parts = [f"#{sample.index + 1}"]
    if sample.log_likelihood is not None or sample.score is not None:
        parts.append(f"rank {rank}")
    if sample.log_likelihood is not None:
        parts.append(f"ll {_shown(sample.log_likelihood, 0)}")
    if sample.score is not None:
        parts.append(f"score {_shown(sample.score, 2)}")
    if sample.duplicate_of is not None:
        parts.append(f"like #{sample.duplicate_of + 1}")
    return " · ".join(parts)


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _finite(value: float | None) -> float | None:
    """JSON knows no infinity."""
    return value if value is not None and math.isfinite(value) else None
