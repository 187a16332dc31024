"""What every output is called: the picture's name at the same place, no two alike."""

import posixpath
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from twofold.errors import InputError
from twofold.pixels import ENDINGS

KEEP = "keep"
LOSSLESS = (".png", ".tif", ".tiff", ".webp")
_SHOWN = 5


class Pair(NamedTuple):
    """A picture and one mask of it.

    Attributes:
        image: its name, relative to the folder of pictures.
        mask: its name, relative to the folder of masks.
        suffix: what tells this mask from others of the picture; empty if it is the only one.
        out: a name that the user chose for the output, or empty.
    """

    image: str
    mask: str
    suffix: str = ""
    out: str = ""


class Task(NamedTuple):
    """One picture to fill: its name, its mask's, and its output's; the output's names the task for ever."""

    image: str
    mask: str
    out: str


def name_outputs(pairs: Sequence[Pair], ending: str) -> list[Task]:
    """Give every pair an output: ``a/photo.png`` for ``a/photo.jpg``.

    Where two would have one name, also if they differ in upper and lower case alone, they get the
    pictures' full names: ``photo.jpg.png`` and ``photo.webp.png``.

    Args:
        pairs: pictures and masks.
        ending: ``.png`` and the like, or ``keep``: the picture's own where it is lossless, else ``.png``.

    Raises:
        InputError: if a chosen name cannot be used, or two outputs have one name all the same.
    """
    outs = [
        _chosen(pair.out, ending)
        if pair.out
        else _stem(pair.image) + pair.suffix + _ending(pair.image, ending)
        for pair in pairs
    ]
    alike = _alike(outs)
    if alike:
        outs = [
            f"{pair.image}{pair.suffix}{_ending(pair.image, ending)}"
            if not pair.out and out.casefold() in alike
            else out
            for pair, out in zip(pairs, outs, strict=True)
        ]
        alike = _alike(outs)
    if alike:
        clashes = [
            f"{pair.image} -> {out}" for pair, out in zip(pairs, outs, strict=True) if out.casefold() in alike
        ]
        raise InputError(
            f"{len(clashes)} outputs share their names ({', '.join(sorted(clashes)[:_SHOWN])}); rename the "
            "pictures, or give each an output of its own in a manifest's column out"
        )
    return [Task(pair.image, pair.mask, out) for pair, out in zip(pairs, outs, strict=True)]


def files_of(out: str, samples: int) -> list[str]:
    """The files of one task: ``photo.png``, or ``photo-1.png``, ``photo-2.png``, ... for several samples."""
    if samples == 1:
        return [out]
    stem, ending = posixpath.splitext(out)
    return [f"{stem}-{number}{ending}" for number in range(1, samples + 1)]


def _stem(image: str) -> str:
    return posixpath.splitext(_inside(image))[0]


def _inside(image: str) -> str:
    """An absolute name or a URI, which only manifests hold, counts by its last part."""
    return posixpath.basename(image) if "://" in image or PurePosixPath(image).is_absolute() else image


def _ending(image: str, wanted: str) -> str:
    if wanted != KEEP:
        return wanted
    own = posixpath.splitext(image)[1]
    return own if own.lower() in LOSSLESS else ".png"


def _alike(outs: list[str]) -> set[str]:
    """Names that occur more than once, whatever their case."""
    seen: set[str] = set()
    alike: set[str] = set()
    for out in outs:
        folded = out.casefold()
        if folded in seen:
            alike.add(folded)
        seen.add(folded)
    return alike


def _chosen(out: str, ending: str) -> str:
    """A name from a manifest, checked; one without an ending that we write gets the usual one."""
    path = PurePosixPath(out)
    hidden = any(part.startswith(".") for part in path.parts) or not path.name
    if hidden or "\\" in out or "://" in out or path.is_absolute():
        raise InputError(
            f"out {out!r} in the manifest leaves OUT or is hidden; give a name relative to OUT, with / "
            "between folders"
        )
    known = path.suffix.lower() in ENDINGS
    return str(path) if known else f"{path}{'.png' if ending == KEEP else ending}"
