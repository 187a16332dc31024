"""Write a photo: whole or not at all, without loss where its file format can."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import ImageError
from twofold.pixels.atomic import replacing
from twofold.pixels.deep import encode_png
from twofold.pixels.photo import Photo

ENDINGS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}


def check_output(path: str | os.PathLike[str], pixels: npt.NDArray[np.generic]) -> None:
    """Say early, before any work, that ``pixels`` could not be written to ``path``.

    Raises:
        ImageError: for an unknown ending, a format that cannot hold the pixels' depth or alpha,
            a folder that is missing, or a place that cannot be written to.
    """
    target = Path(os.path.realpath(path))
    kind = ENDINGS.get(Path(path).suffix.lower())
    deep = pixels.dtype == np.uint16
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if kind is None:
        raise ImageError(
            f"cannot write {path}: the ending {Path(path).suffix or '(none)'} is not known; use one of "
            + ", ".join(ENDINGS)
        )
    if deep and (kind in ("WEBP", "JPEG") or (kind == "TIFF" and channels > 1)):
        raise ImageError(
            f"cannot write {path}: 16 bits would become 8 there; use .png"
            + (", or .tif" if channels == 1 else "")
        )
    if channels == 4 and kind == "JPEG":
        raise ImageError(f"cannot write {path}: JPEG has no alpha channel; use .png, .webp or .tif")
    if not target.parent.is_dir():
        raise ImageError(f"cannot write {path}: there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise ImageError(f"cannot write {path}: it is a folder; name a file in it")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise ImageError(f"cannot write {path}: permission denied; choose a place that you may write to")


def write_photo(photo: Photo, path: str | os.PathLike[str]) -> None:
    """Write a photo with its EXIF, colour profile and resolution; the file appears whole or not.

    PNG, TIFF and WebP are written without loss. JPEG is lossy by nature (quality 95, full colour
    resolution): there no pixel is promised to stay the same. Colours of 16 bits are written as
    PNG, grey of 16 bits as PNG or TIFF.

    Args:
        photo: what to write; its pixels are upright.
        path: its ending says the format, one of ``ENDINGS``; an existing file is replaced.

    Raises:
        ImageError: if the format cannot hold the photo or the file cannot be written.
    """
    check_output(path, photo.pixels)
    kind = ENDINGS[Path(path).suffix.lower()]
    try:
        with replacing(path) as temporary, temporary.open("xb") as file:
            if photo.pixels.dtype == np.uint16 and kind == "PNG":
                levels = photo.pixels.astype(np.uint16, copy=False)
                file.write(encode_png(levels, exif=photo.exif, icc_profile=photo.icc_profile, dpi=photo.dpi))
            else:
                _as_pillow(photo.pixels).save(file, **_options(photo, kind))
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
    except ValueError as error:  # Pillow's word for a picture or EXIF block too large for the format
        raise ImageError(f"cannot write {path}: {error}; try .png") from error


def _as_pillow(pixels: npt.NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _options(photo: Photo, kind: str) -> dict[str, Any]:
    """What to tell Pillow's writer of one format."""
    lossless: dict[str, dict[str, Any]] = {
        # Level 4 takes half the time of the default 6, for files of the same size.
        "PNG": {"compress_level": 4},
        # Pillow's compressing TIFF writer loses the folders inside an EXIF block.
        "TIFF": {} if photo.exif else {"compression": "tiff_adobe_deflate"},
        # exact: colours under full transparency are pixels too.
        "WEBP": {"lossless": True, "exact": True},
        "JPEG": {"quality": 95, "subsampling": 0},
    }
    options = {"format": kind, **lossless[kind]}
    if photo.exif:
        options["exif"] = photo.exif
    if photo.icc_profile:
        options["icc_profile"] = photo.icc_profile
    if photo.dpi and kind != "WEBP":
        options["dpi"] = tuple(round(v) for v in photo.dpi) if kind == "JPEG" else photo.dpi
    return options
