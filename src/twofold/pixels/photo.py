"""Read a picture from a file, a Pillow image or an array, with what must survive beside its pixels."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import ImageError
from twofold.pixels.compositing import Pixels
from twofold.pixels.deep import is_negative, read_deep, stored_bits, unkept
from twofold.pixels.metadata import kept_dpi, kept_exif, kept_profile, orientation_of, upright
from twofold.pixels.opening import check_size, load_picture, open_picture, quiet_pillow, reason
from twofold.pixels.regular import open_regular

_KINDS = "a path, a Pillow image, or a numpy array [h w], [h w 1], [h w 3] or [h w 4] of uint8 or uint16"
_WAY_OUT = "convert it to grey, RGB or RGBA of 8 or 16 bits"


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture, upright, and what is kept of it when it is written.

    Attributes:
        pixels: [h w], [h w 1], [h w 3] or [h w 4], uint8 or uint16.
        exif: EXIF block, its orientation already 1; None if there is none.
        icc_profile: colour profile, or None.
        dpi: resolution across and down, or None.
    """

    pixels: Pixels
    exif: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    def with_pixels(self, pixels: Pixels) -> Photo:
        """The same photo with other pixels, for example filled ones."""
        return replace(self, pixels=pixels)


ImageLike = str | os.PathLike[str] | Image.Image | Pixels | Photo
"""A file, a Pillow image, an array [h w], [h w 1], [h w 3] or [h w 4] of uint8 or uint16, or a photo that has
been read."""


def read_photo(image: ImageLike) -> Photo:
    """Read a picture; pixels keep their depth and are turned upright by their EXIF orientation.

    Files of 8 and 16 bits are read without loss: PNG, JPEG, WebP, TIFF, BMP, GIF and, where Pillow
    reads it, AVIF. What would lose bits or channels is refused. Palettes and transparent colours are
    expanded to RGB or RGBA, grey with alpha to RGBA, one bit to grey. A Pillow image has the depth
    that Pillow shows, and is turned upright like a file.
    An array is taken as it is, without a copy; a photo that has been read is given back.

    Args:
        image: see ``ImageLike``.

    Raises:
        ImageError: if it cannot be read, is no file (a named pipe), holds several frames, CMYK, floats or
            32-bit integers, more pixels than twice ``PIL.Image.MAX_IMAGE_PIXELS`` (179 million), or
            more than a million on a side.
    """
    if isinstance(image, Photo):
        return image
    if isinstance(image, np.ndarray):
        return Photo(_checked_array(image))
    if isinstance(image, Image.Image):
        with quiet_pillow():
            return _photo(image, "the Pillow image")
    if isinstance(image, str | os.PathLike):
        with quiet_pillow():
            return _read_file(Path(os.fsdecode(image)))
    raise ImageError(f"image is of type {type(image).__name__}; give {_KINDS}")


def _checked_array(pixels: Pixels) -> Pixels:
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        raise ImageError(
            f"image array holds {pixels.dtype}; give uint8 (0 to 255) or uint16 (0 to 65535), "
            "for example (255 * image).round().astype(numpy.uint8) for floats from 0 to 1"
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"image array has shape {pixels.shape}; give [h w] or [h w 1] for grey, [h w 3] for RGB, "
            "[h w 4] for RGBA"
        )
    if pixels.size == 0:
        raise ImageError(f"image array has shape {pixels.shape} and so no pixels; give at least 1x1")
    check_size(pixels.shape[1], pixels.shape[0], "image array")
    return pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))


def _read_file(path: Path) -> Photo:
    try:
        with open_regular(path) as file, open_picture(file, str(path)) as image:
            return read_opened(image, file, str(path))
    except OSError as error:
        said = error.strerror or reason(error)
        raise ImageError(f"cannot read {path}: {said}; give an image file that can be read") from error


def read_opened(image: Image.Image, file: io.BufferedReader | io.BytesIO, name: str) -> Photo:
    """Read a picture that ``open_picture`` has opened, as ``read_photo`` reads files.

    Args:
        image: opened, not yet decoded.
        file: that it was opened from.
        name: of it, for messages.

    Raises:
        ImageError: see ``read_photo``.
        OSError: if the file cannot be read.
    """
    bits = stored_bits(image, file)
    if bits == 16 and image.mode in ("RGB", "RGBA", "LA"):
        return _with_metadata(image, read_deep(image, file, name))
    if lost := unkept(image):
        raise ImageError(f"{name} {lost}; {_WAY_OUT}")
    negative = is_negative(image)
    photo = _photo(image, name, bits)
    return photo.with_pixels(65535 - photo.pixels) if negative else photo


def _photo(image: Image.Image, name: str, bits: int = 8) -> Photo:
    """Read an image whose pixels Pillow itself can hold without loss."""
    check_size(*image.size, name)
    load_picture(image, name)
    return _with_metadata(image, _levels(image, name, bits))


def _with_metadata(image: Image.Image, pixels: Pixels) -> Photo:
    """Turn pixels upright and add what else the loaded ``image`` carries."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return Photo(
        # Pillow turns a TIFF upright by itself while loading, and from then on says orientation 1.
        upright(pixels, orientation_of(image)),
        exif=kept_exif(image),
        icc_profile=kept_profile(image, channels),
        dpi=kept_dpi(image),
    )


def _levels(image: Image.Image, name: str, bits: int) -> Pixels:
    """Pixels of a loaded image, expanded to grey, RGB or RGBA, as an array of their own."""
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and bits == 16 and image.format == "PNG"):
        return _keyed(np.asarray(image).astype(np.uint16), image.info.get("transparency"))
    kinds = {"CMYK": "is in CMYK, the colours of print", "F": "holds floating-point levels"}
    if mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        raise ImageError(f"{name} {kinds.get(mode, f'has the colour mode {mode}')}; {_WAY_OUT}")
    if bits > 8:
        raise ImageError(f"{name} stores {bits} bits a channel in a way that would lose some; {_WAY_OUT}")
    if mode == "1":
        image = image.convert("L")
    if mode in ("LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif mode == "P":
        image = image.convert("RGB")
    return np.array(image)


def _keyed(grey: npt.NDArray[np.uint16], key: object) -> npt.NDArray[np.uint16]:
    """Expand 16-bit grey [h w] to RGBA if its file names one level as transparent."""
    if not isinstance(key, int):
        return grey
    alpha = np.where(grey == key, 0, 65535).astype(np.uint16)
    return np.stack([grey, grey, grey, alpha], axis=2)
