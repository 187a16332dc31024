"""From text in a request to pixels within all limits, and from pixels to the bytes of a file."""

import base64
import binascii
import io
import re
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.errors import ImageError, MaskError
from twofold.pixels import Photo, hole_of
from twofold.pixels.opening import FORMATS, open_picture, quiet_pillow, reason
from twofold.pixels.photo import read_opened
from twofold.pixels.writing import LONGEST, save_photo
from twofold.serve.errors import ApiError, bad_input, too_large
from twofold.serve.settings import Settings

MEDIA_TYPES = {format: f"image/{format}" for format in ("png", "webp", "jpeg", "tiff", "avif")}
"""Formats that answers are written in."""
READ_FORMATS = tuple(name.lower() for name in FORMATS)
"""Formats that are read."""
_DATA_URL = re.compile(r"\s*data:[^,]{0,200},", re.IGNORECASE)
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n\f\v"


def decode_base64(text: str, what: str, most_bytes: int) -> bytes:
    """Decode base64, with or without ``data:...;base64,`` in front; line breaks and missing padding are fine.

    Args:
        text: in the standard alphabet or that of URLs.
        what: it is, for messages.
        most_bytes: that it may be; looked at before anything is decoded.

    Raises:
        ApiError: if it is too large (413), or no base64 (400).
    """
    if len(text) > 2 * most_bytes + 4096:  # line breaks and a prefix included
        raise _too_many_bytes(what, most_bytes)
    prefix = _DATA_URL.match(text)
    if prefix is not None:
        if not prefix[0].rstrip(",").rstrip().lower().endswith(";base64"):
            raise bad_input(f"{what} is a data URL that is not in base64; write data:image/png;base64,...")
        text = text[prefix.end() :]
        text = unquote(text) if "%" in text else text
    try:
        plain = text.encode("ascii").translate(_ONE_ALPHABET, _SPACE).rstrip(b"=")
        if len(plain) * 3 // 4 > most_bytes:
            raise _too_many_bytes(what, most_bytes)
        data = binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except ValueError as error:
        raise bad_input(
            f"{what} is not base64 ({error}); send the bytes of an image file in base64"
        ) from error
    if not data:
        raise bad_input(f"{what} is empty; send the bytes of an image file in base64")
    return data


def read_picture(data: bytes, what: str, most_pixels: int) -> tuple[Photo, str]:
    """Read an image file as ``twofold.pixels.read_photo`` does, and say its format in lower case.

    Its size is looked at before any pixel is decoded.

    Args:
        data: the file.
        what: it is, for messages.
        most_pixels: that it may have.

    Raises:
        ApiError: if it has too many pixels (413).
        ImageError: as ``read_photo``.
    """
    file = io.BytesIO(data)
    try:
        with quiet_pillow(), open_picture(file, what) as image:
            if image.width * image.height > most_pixels:
                raise too_large(
                    f"{what} is {image.width}x{image.height}, more than {most_pixels / 1e6:g} megapixels; "
                    "send a smaller one, or ask who runs the server for more"
                )
            kind = (image.format or "").lower().replace("mpo", "jpeg")
            return read_opened(image, file, what), kind
    except ImageError as error:
        if isinstance(error.__cause__, Image.DecompressionBombError):
            raise too_large(
                f"{what} claims far more than {most_pixels / 1e6:g} megapixels; send a smaller one"
            ) from error
        raise
    except OSError as error:
        raise ImageError(f"cannot read {what}: {reason(error)}; send a whole image file") from error


def picture_of(text: str, what: str, settings: Settings) -> tuple[Photo, str]:
    """Decode a picture that came as text, within the server's limits; see ``read_picture``."""
    return read_picture(decode_base64(text, what, settings.max_body), what, settings.most_pixels)


def hole_from(text: str, photo: Photo, settings: Settings) -> npt.NDArray[np.bool_]:
    """Decode a mask that came as text: the hole [h w] of ``photo``, True = missing.

    Raises:
        ApiError: if it is too large.
        ImageError: if it cannot be read.
        MaskError: if it is not of the photo's size, or nothing in it is white.
    """
    mask, _ = picture_of(text, "mask", settings)
    if (mask.height, mask.width) != (photo.height, photo.width):
        seen = (
            f"mask is {mask.width}x{mask.height} but image is {photo.width}x{photo.height} (width x height)"
        )
        way_out = "send a mask of the image's size"
        if (mask.width, mask.height) == (photo.height, photo.width):
            way_out = "a photo is turned upright by its EXIF orientation, draw the mask upright too"
        raise MaskError(f"{seen}; {way_out}")
    hole = hole_of(mask.pixels)
    if not hole.any():
        raise MaskError("mask has no hole: nothing in it is white; paint white what is to be filled")
    return hole


def check_format(format: str, photo: Photo) -> None:
    """Say early that a photo cannot be written in a format.

    Raises:
        ImageError: if the format cannot hold its depth, alpha or size.
    """
    kind, pixels = format.upper(), photo.pixels
    colors = pixels.ndim == 3 and pixels.shape[2] > 1
    if pixels.dtype == np.uint16 and (kind not in ("PNG", "TIFF") or (kind == "TIFF" and colors)):
        raise ImageError(f"a picture of 16 bits would lose 8 of them as {format}; ask for png")
    if kind == "JPEG" and colors and pixels.shape[2] == 4:
        raise ImageError("a picture with transparency cannot be a JPEG; ask for png or webp")
    if kind in LONGEST and max(pixels.shape[:2]) > LONGEST[kind]:
        raise ImageError(f"{format} ends at {LONGEST[kind]} pixels a side; ask for png")


def encode_picture(photo: Photo, format: str, *, quality: int | None = None) -> bytes:
    """Write a photo as the bytes of a file, with its EXIF, colour profile and resolution.

    PNG, TIFF and WebP are lossless.

    Args:
        photo: its pixels are upright.
        format: a key of ``MEDIA_TYPES``.
        quality: 1 to 100, of JPEG and AVIF; None: 95 and 100.

    Raises:
        ImageError: if the format cannot hold it.
    """
    check_format(format, photo)
    file = io.BytesIO()
    try:
        with quiet_pillow():
            save_photo(photo, file, format.upper(), quality=quality)
    except Exception as error:  # Pillow's writers raise many kinds for what a format cannot hold
        raise ImageError(f"cannot write the picture as {format}: {reason(error)}; ask for png") from error
    return file.getvalue()


def encode_text(photo: Photo, format: str) -> str:
    """The same in base64 without line breaks."""
    return base64.b64encode(encode_picture(photo, format)).decode("ascii")


def _too_many_bytes(what: str, most_bytes: int) -> ApiError:
    return too_large(f"{what} is more than {most_bytes / 1e6:g} MB; send a smaller file, or a JPEG")
