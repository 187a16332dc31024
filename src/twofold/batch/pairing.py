"""Which mask belongs to which picture, by their names and never by their positions.

Both are looked up within one sub-folder. A mask belongs to a picture ``photo.jpg`` if it is called

1. ``photo.*``, or ``photo_mask*.*``;
2. where several pictures are called ``photo.*``: ``photo.jpg`` names that one of them;
3. ``photo.jpg.*``, or ``photo.jpg_mask*.*``: the picture's full name.

A mask by stem alone serves all pictures of that stem. Several ``photo_mask*`` are several tasks; any
other two masks of one picture are refused.
"""

import posixpath
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from twofold.batch.naming import Pair
from twofold.errors import InputError

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
"""Endings of files that are taken for pictures and masks, in lower case."""
MARK = "_mask"
_SHOWN = 5


@dataclass(frozen=True)
class Pairing:
    """Pictures with their masks, and what is left over.

    Attributes:
        pairs: sorted by picture, then by mask.
        images_without_mask: names, sorted.
        masks_without_image: names, sorted.
    """

    pairs: list[Pair]
    images_without_mask: list[str] = field(default_factory=list)
    masks_without_image: list[str] = field(default_factory=list)


class _Found(NamedTuple):
    """A mask found for a picture; ``suffix`` is what follows the picture's name in the mask's."""

    image: str
    suffix: str
    mask: str


def pair_names(images: Iterable[str], masks: Iterable[str]) -> Pairing:
    """Pair the pictures of one folder with the masks of another; linear in their number, but for sorting.

    Args:
        images: names relative to their folder, with ``/`` between sub-folders.
        masks: the same for masks.

    Raises:
        InputError: if a picture has two masks that do not both say which of several they are.
    """
    names = sorted(images)
    by_stem = _by_stem(names)
    found: list[_Found] = []
    left_over = []
    for mask in sorted(masks):
        before = len(found)
        found.extend(_images_of(mask, by_stem))
        if len(found) == before:
            left_over.append(mask)
    del by_stem
    found.sort()
    return Pairing(list(_pairs(found)), _without(names, found), left_over)


def split_shared(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part one folder that holds both: names with ``_mask`` in their stem are masks, all others pictures."""
    images: list[str] = []
    masks: list[str] = []
    for name in names:
        (masks if MARK in posixpath.basename(name) else images).append(name)
    return images, masks


def one_mask_for_all(images: Iterable[str], mask: str) -> Pairing:
    """The same mask for every picture."""
    return Pairing([Pair(image, mask) for image in sorted(images)])


def _plain(name: str) -> str:
    """A name as it is compared: file systems spell one accented letter in two ways."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _by_stem(names: list[str]) -> dict[str, str | list[str]]:
    """Folder and stem -> the picture, or several where stems are equal."""
    by_stem: dict[str, str | list[str]] = {}
    for name in names:
        stem = _plain(posixpath.splitext(name)[0])
        other = by_stem.setdefault(stem, name)
        if isinstance(other, list):
            other.append(name)
        elif other is not name:
            by_stem[stem] = [other, name]
    return by_stem


def _images_of(mask: str, by_stem: dict[str, str | list[str]]) -> list[_Found]:
    """The pictures that a mask belongs to; the longest name that fits decides."""
    plain = _plain(mask)
    stem = posixpath.splitext(plain)[0]
    first = stem.rfind("/") + 1
    cut = len(stem)
    while cut > first:
        base, suffix = stem[:cut], stem[cut:]
        pictures = by_stem.get(base)
        if isinstance(pictures, str):
            return [_Found(pictures, suffix, mask)]
        if pictures is not None:
            same = [picture for picture in pictures if not suffix and _plain(picture) == plain]
            return [_Found(picture, suffix, mask) for picture in same or pictures]
        shorter, ending = posixpath.splitext(base)  # photo.jpg.png is the mask of photo.jpg
        if ending.lower() in PICTURE_ENDINGS:
            full = by_stem.get(shorter, [])
            for picture in [full] if isinstance(full, str) else full:
                if _plain(picture) == base:
                    return [_Found(picture, suffix, mask)]
        cut = stem.rfind(MARK, first, cut)
    return []


def _pairs(found: list[_Found]) -> Iterator[Pair]:
    """Turn what was found, sorted, into pairs; several masks of a picture say which they are."""
    refused = []
    for image, group in groupby(found, key=itemgetter(0)):
        masks = list(group)
        if len(masks) == 1:
            yield Pair(image, masks[0].mask)
            continue
        suffixes = {one.suffix.casefold() for one in masks}
        if "" in suffixes or len(suffixes) < len(masks):
            refused.append(f"{image}: {', '.join(one.mask for one in masks)}")
        yield from (Pair(image, one.mask, one.suffix) for one in masks)
    if refused:
        more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise InputError(
            f"several masks for one picture ({'; '.join(refused[:_SHOWN])}{more}); keep one of them, call "
            "them NAME_mask1, NAME_mask2, ..., or give a manifest"
        )


def _without(names: list[str], found: list[_Found]) -> list[str]:
    """The pictures that no mask was found for; both lists are sorted."""
    paired = iter(found)
    current = next(paired, None)
    left_over = []
    for name in names:
        while current is not None and current.image < name:
            current = next(paired, None)
        if current is None or current.image != name:
            left_over.append(name)
    return left_over
