"""Which mask files a command writes, one file or a folder of them, and writing one."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from twofold.errors import ImageError, InputError, TwofoldError
from twofold.pixels import Photo, check_output, write_photo
from twofold.pixels.opening import READABLE

LOSSLESS = (".png", ".tif", ".tiff", ".webp")
"""Endings that a mask may be written with: the others would smear its edges."""


@dataclass(frozen=True)
class MaskFile:
    """One mask to be made.

    Attributes:
        source: the picture or mask that it is made from.
        target: the file to write.
        name: of the target within the folder of all of them, with slashes.
    """

    source: Path
    target: Path
    name: str


def plan_masks(source: Path, out: Path | str) -> list[MaskFile]:
    """Decide which masks are made from a file, or from all pictures in a folder.

    From a folder, each mask is called as its picture, with .png, in the same sub-folder of ``out``.

    Args:
        source: a file or a folder.
        out: for a file: the mask to write, or a folder that exists or whose name ends in a slash; for
            a folder: a folder, made when the first mask is written.

    Returns:
        In the order of their names; at least one.

    Raises:
        InputError: if ``source`` is missing or holds no picture, an input would be overwritten, or two
            pictures would have the same mask.
        ImageError: if a single mask cannot be written where it is wanted.
    """
    folder = Path(out)
    if source.is_dir():
        if folder.is_file():
            raise InputError(f"{folder} is a file, and {source} a folder; give a folder to write to")
        planned = [_in_folder(path, path.relative_to(source), folder) for path in _pictures(source, folder)]
        if not planned:
            raise InputError(f"{source} holds no picture; put files in it that end in {', '.join(READABLE)}")
    elif not source.exists():
        raise InputError(f"there is no file {source}; give a picture or a folder of them")
    elif folder.is_dir() or str(out).endswith(("/", os.sep)):
        planned = [_in_folder(source, Path(source.name), folder)]
    else:
        if folder.suffix.lower() not in LOSSLESS:
            raise ImageError(f"cannot write {folder}: a mask ends in one of {', '.join(LOSSLESS)}")
        check_output(folder, np.zeros((1, 1), np.uint8))
        planned = [MaskFile(source, folder, folder.name)]
    _check_distinct(planned)
    return planned


def write_mask(mask: npt.NDArray[np.bool_] | npt.NDArray[np.uint8], path: Path) -> None:
    """Write a hole [h w] as black and white, or levels [h w] as they are, with 8 bits; whole or not at all.

    The folder is made if need be.

    Raises:
        ImageError: if the file or its folder cannot be written.
    """
    levels = np.where(mask, np.uint8(255), np.uint8(0)) if mask.dtype == np.bool_ else mask
    make_folder(path.parent)
    write_photo(Photo(levels), path)


def make_folder(folder: Path) -> None:
    """Make a folder and those it lies in.

    Raises:
        ImageError: if that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot make the folder {folder}: {error.strerror}; choose another") from error


def make_each(planned: Sequence[MaskFile], make: Callable[[MaskFile], str | None]) -> None:
    """Make masks one by one, and print the name of each that is written.

    A picture of a folder that cannot be used is named, and the others are still done.

    Args:
        planned: the masks to make.
        make: writes one, and may say something about it in a line.

    Raises:
        TwofoldError: what ``make`` raises for a single file; at the end, if files of a folder failed.
    """
    failed = 0
    for file in planned:
        try:
            remark = make(file)
        except TwofoldError as error:
            if len(planned) == 1:
                raise
            print(f"twofold: {' '.join(str(error).split())}", file=sys.stderr)
            failed += 1
            continue
        print(file.target)
        if remark:
            print(remark, file=sys.stderr)
    if failed:
        raise InputError(
            f"{failed} of {len(planned)} pictures cannot be used, as told above; mend or remove them"
        )


def _in_folder(source: Path, place: Path, folder: Path) -> MaskFile:
    target = folder / place.with_suffix(".png")
    return MaskFile(source, target, target.relative_to(folder).as_posix())


def _pictures(source: Path, out: Path) -> list[Path]:
    """All pictures under a folder but what lies in ``out``: masks of an earlier run are no pictures."""
    inside = out.resolve()
    apart = inside != source.resolve()
    return sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in READABLE
        and not path.name.startswith(".")
        and path.is_file()
        and not (apart and path.resolve().is_relative_to(inside))
    )


def _check_distinct(planned: Sequence[MaskFile]) -> None:
    """No mask in the place of an input, or of another mask."""
    sources = {file.source.resolve() for file in planned}
    taken: dict[Path, Path] = {}
    for file in planned:
        target = file.target.resolve()
        if target in sources:
            raise InputError(f"{file.target} is read and would be overwritten; write to another place")
        if target in taken:
            raise InputError(
                f"{taken[target]} and {file.source} would both have the mask {file.target}; rename one"
            )
        taken[target] = file.source
