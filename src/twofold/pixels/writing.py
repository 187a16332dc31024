"""Write a photo: whole or not at all, without loss where its file format can."""

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from twofold.errors import ImageError
from twofold.pixels.atomic import replacing
from twofold.pixels.compositing import Pixels
from twofold.pixels.deep import encode_png
from twofold.pixels.metadata import rebuilt_exif, without_orientation
from twofold.pixels.opening import HAS_AVIF, quiet_pillow, reason
from twofold.pixels.photo import Photo

ENDINGS = {
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".avif": "AVIF",
}
LONGEST = {"WEBP": 16383, "JPEG": 65500, "AVIF": 65536}
"""Pixels a side that a format can hold."""


def check_output(path: str | os.PathLike[str], pixels: Pixels) -> None:
    """Say early, before any work, that ``pixels`` could not be written to ``path``.

    Raises:
        ImageError: for an unknown ending, a format that cannot hold the pixels' depth, alpha or
            number, a folder that is missing, or a place that cannot be written to.
    """
    if wrong := _unfit(path, pixels) or _unusable(path):
        raise ImageError(f"cannot write {path}: {wrong}")


def _unfit(path: str | os.PathLike[str], pixels: Pixels) -> str:
    """Why the format of a file cannot hold these pixels; empty if it can."""
    ending = Path(path).suffix
    kind = ENDINGS.get(ending.lower())
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if kind is None:
        return f"the ending {ending or '(none)'} is not known; use one of {', '.join(ENDINGS)}"
    if kind == "AVIF" and not HAS_AVIF:
        return "AVIF needs Pillow 11.3 or newer; use .png"
    if pixels.dtype == np.uint16 and (kind in ("WEBP", "JPEG", "AVIF") or (kind == "TIFF" and channels > 1)):
        return f"16 bits would become 8 there; use .png{', or .tif' if channels == 1 else ''}"
    if kind in LONGEST and max(pixels.shape[:2]) > LONGEST[kind]:
        return f"{kind} ends at {LONGEST[kind]} pixels a side; use .png"
    if channels == 4 and kind == "JPEG":
        return "JPEG has no alpha channel; use .png, .webp or .tif"
    return ""


def _unusable(path: str | os.PathLike[str]) -> str:
    """Why no file can be written at this place; empty if one can."""
    try:
        target = Path(os.path.realpath(path))
        exists, folder, parent = target.exists(), target.is_dir(), target.parent.is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, or with a null byte
        return f"{getattr(error, 'strerror', None) or reason(error)}; give another name"
    if not parent:
        return f"there is no folder {target.parent}; make it first"
    if folder:
        return "it is a folder; name a file in it"
    if target.is_symlink():  # what is left of a link whose end cannot be found
        return "it is a link that leads in a circle; give another name"
    if exists and not target.is_file():
        return "it is a device or a named pipe; give another name"
    if not os.access(target.parent, os.W_OK) or (exists and not os.access(target, os.W_OK)):
        return "permission denied; choose a place that you may write to"
    return ""


def write_photo(photo: Photo, path: str | os.PathLike[str]) -> None:
    """Write a photo with its EXIF, colour profile and resolution; the file appears whole or not.

    PNG, TIFF and WebP are written without loss. JPEG and AVIF are lossy by nature (JPEG at quality 95,
    AVIF at 100, both in full colour resolution): there no pixel is promised to stay the same. Colours
    of 16 bits are written as PNG, grey of 16 bits as PNG or TIFF.

    Args:
        photo: what to write; its pixels are upright.
        path: its ending says the format, one of ``ENDINGS``; an existing file is replaced.

    Raises:
        ImageError: if the format cannot hold the photo or the file cannot be written.
    """
    check_output(path, photo.pixels)
    kind = ENDINGS[Path(path).suffix.lower()]
    try:
        with quiet_pillow(), replacing(path) as temporary, temporary.open("xb") as file:
            save_photo(photo, file, kind)
    except Exception as error:  # Pillow's writers raise many kinds for what a format cannot hold
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageError(f"cannot write {path}: {error.strerror}; choose another place") from error
        raise ImageError(f"cannot write {path}: {reason(error)}; try .png") from error


def save_photo(photo: Photo, file: IO[bytes], kind: str, *, quality: int | None = None) -> None:
    """Write a photo into an open file; what its format cannot hold raises whatever Pillow raises.

    Args:
        photo: its pixels are upright.
        file: open for writing.
        kind: one of the formats in ``ENDINGS``.
        quality: 1 to 100, of JPEG and AVIF; None: 95 and 100.
    """
    if photo.pixels.dtype == np.uint16 and kind == "PNG":
        levels = photo.pixels.astype(np.uint16, copy=False)
        file.write(encode_png(levels, exif=photo.exif, icc_profile=photo.icc_profile, dpi=photo.dpi))
        return
    options = _options(photo, kind)
    if quality is not None and "quality" in options:
        options["quality"] = quality
    pixels = photo.pixels[..., 0] if photo.pixels.shape[2:] == (1,) else photo.pixels
    Image.fromarray(pixels).save(file, **options)


def _options(photo: Photo, kind: str) -> dict[str, Any]:
    """What to tell Pillow's writer of one format."""
    grey = photo.pixels.ndim == 2 or photo.pixels.shape[2] == 1
    exif = photo.exif
    if exif and kind in ("TIFF", "AVIF"):
        exif = rebuilt_exif(exif) if kind == "TIFF" else without_orientation(exif)
    of_kind: dict[str, dict[str, Any]] = {
        # Level 4 takes half the time of the default 6, for files of the same size.
        "PNG": {"compress_level": 4},
        # Pillow's compressing TIFF writer loses the folders inside an EXIF block.
        "TIFF": {} if exif else {"compression": "tiff_adobe_deflate"},
        # exact: colours under full transparency are pixels too.
        "WEBP": {"lossless": True, "exact": True},
        "JPEG": {"quality": 95, "subsampling": 0},
        "AVIF": {"quality": 100, "subsampling": "4:0:0" if grey else "4:4:4"},
    }
    options = {"format": kind, **of_kind[kind]}
    if exif:
        options["exif"] = exif
    if photo.icc_profile and not (grey and kind == "WEBP" and photo.icc_profile[16:20] == b"GRAY"):
        options["icc_profile"] = photo.icc_profile  # WebP knows colours alone
    if photo.dpi and kind not in ("WEBP", "AVIF"):
        options["dpi"] = tuple(round(v) for v in photo.dpi) if kind == "JPEG" else photo.dpi
    return options
