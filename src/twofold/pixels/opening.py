"""Open and decode image files with Pillow, and say in one sentence why one cannot be."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from twofold.errors import ImageError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings to itself: we raise an error, or what it warns of is fine.

    It warns of damaged metadata, which are left out, and from half of the size that it refuses,
    where a phone's 108 megapixels already lie.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def open_picture(file: io.BufferedReader | io.BytesIO, name: str) -> Image.Image:
    """Read the header of a file; nothing is decoded yet.

    Raises:
        ImageError: if it is no image, damaged, or too large; the message begins with ``name``.
        OSError: if the file cannot be read.
    """
    try:
        return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(
            f"{name} claims more than {limit} million pixels, the most that is read; give a smaller image, "
            "or raise PIL.Image.MAX_IMAGE_PIXELS if you trust this one"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image that twofold can read; give PNG, JPEG, WebP, TIFF, BMP or GIF"
        ) from error
    except OSError:
        raise
    except Exception as error:  # Pillow's readers raise many kinds for a damaged header
        raise ImageError(f"{name} is damaged: {error}; give a whole image file") from error


def load_picture(image: Image.Image, name: str) -> None:
    """Decode an opened image, in place.

    Raises:
        ImageError: if it holds several frames or is damaged; the message begins with ``name``.
    """
    # A JPEG of several pictures (MPO: a phone's depth map, a second eye) is its first picture.
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ImageError(f"{name} holds {frames} frames or pages; give one still picture")
    try:
        image.load()
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise ImageError(f"{name} is damaged or cut off: {error}; give a whole image file") from error
