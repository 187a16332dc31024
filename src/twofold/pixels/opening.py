"""Open and decode image files with Pillow, and say in one sentence why one cannot be."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, UnidentifiedImageError

from twofold.errors import ImageError

try:
    from PIL import AvifImagePlugin

    HAS_AVIF: bool = AvifImagePlugin.SUPPORTED
except ImportError:  # before Pillow 11.3
    HAS_AVIF = False

# What Pillow logs of damaged files would come beside our sentence where nobody asked for logs.
logging.getLogger("PIL").addHandler(logging.NullHandler())

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", *(("AVIF",) if HAS_AVIF else ()))
READABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
"""Endings of the files that are taken out of a folder, in lower case."""
LONGEST_SIDE = 1_000_000
"""Pixels. Decoders need memory for each row, so that a file of a few bytes could ask for gigabytes."""
_TAKEN = f"give PNG, JPEG, WebP, TIFF, {'AVIF, ' if HAS_AVIF else ''}BMP or GIF"
_MOST_PAGES = 1000
_LARGEST_COUNTED = 1 << 22  # bytes of a GIF whose frames are counted

# How files begin that Pillow does not open for us, and what they are.
_DAMAGED = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_OTHERS = {
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL file",
    b"\xff\x0a": "a JPEG XL file",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 file",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"<svg": "an SVG drawing",
}
_BRANDS = {b"avif": "an AVIF file", b"avis": "an AVIF file"}
_BRANDS |= dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"), "a HEIC file")


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
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name) from error
    except UnidentifiedImageError as error:
        file.seek(0)
        raise ImageError(f"{name} {_unread(file.read(16))}") from error
    except Exception as error:  # Pillow's readers raise many kinds for a damaged header
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ImageError(f"{name} is damaged: {reason(error)}; give a whole image file") from error
    check_size(*image.size, name)
    return image


def load_picture(image: Image.Image, name: str) -> None:
    """Decode an opened image, in place.

    Raises:
        ImageError: if it holds several frames or is damaged; the message begins with ``name``.
    """
    try:
        frames = _frames(image)
        if not frames:
            _load(image)
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name) from error
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise ImageError(f"{name} is damaged or cut off: {reason(error)}; give a whole image file") from error
    if frames:
        raise ImageError(f"{name} holds {frames}; give one still picture, such as one frame saved as PNG")


def _load(image: Image.Image) -> None:
    """Decode, and not by mapping a TIFF file into memory: Pillow turns such pictures after their size."""
    if not isinstance(image, ImageFile.ImageFile) or image.format != "TIFF":
        image.load()
        return
    name, image.filename = image.filename, ""
    try:
        image.load()
    finally:
        image.filename = name


def check_size(width: int, height: int, name: str) -> None:
    """Refuse pictures that are larger than what is read at all.

    Raises:
        ImageError: from twice ``PIL.Image.MAX_IMAGE_PIXELS`` on, or for a side beyond ``LONGEST_SIDE``.
    """
    if Image.MAX_IMAGE_PIXELS is not None and width * height > 2 * Image.MAX_IMAGE_PIXELS:
        raise _too_many_pixels(name)
    if max(width, height) > LONGEST_SIDE:
        raise ImageError(
            f"{name} claims to be {width}x{height} pixels; "
            f"give an image of at most {LONGEST_SIDE} pixels a side"
        )


def reason(error: BaseException) -> str:
    """What an error says, on one line; its kind if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _too_many_pixels(name: str) -> ImageError:
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
    return ImageError(
        f"{name} claims more than {limit} million pixels, the most that is read; give a smaller image, "
        "or raise PIL.Image.MAX_IMAGE_PIXELS if you trust this one"
    )


def _unread(start: bytes) -> str:
    """What to say of a file that begins like this and that Pillow does not open."""
    if start.startswith(_DAMAGED):
        return "is damaged: its header is not whole; give a whole image file"
    if start.startswith(_TIFF):
        return f"is damaged, or a TIFF of a kind that Pillow does not read, such as floats; {_TAKEN}"
    kinds = (kind for beginning, kind in _OTHERS.items() if start.startswith(beginning))
    kind = next(kinds, _BRANDS.get(start[8:12]) if start[4:8] == b"ftyp" else None)
    if kind == "an AVIF file":
        kind += " that is damaged" if HAS_AVIF else ", for which Pillow 11.3 or newer is needed"
        return f"is {kind}; {_TAKEN}"
    return f"is {kind or 'not an image'}{', not one' if kind else ''} that twofold can read; {_TAKEN}"


def _frames(image: Image.Image) -> str:
    """How many frames or pages an opened image holds, in words; nothing for one."""
    # A JPEG of several pictures (MPO: a phone's depth map, a second eye) is its first picture.
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return ""
    if image.format == "TIFF":  # Pillow's own count takes a time that grows with the square of it
        for page in range(1, _MOST_PAGES + 1):
            try:
                image.seek(page)
            except EOFError:
                return f"{page} frames or pages"
        return f"more than {_MOST_PAGES} frames or pages"
    file = getattr(image, "fp", None)
    if image.format == "GIF" and file is not None and file.seek(0, os.SEEK_END) > _LARGEST_COUNTED:
        return "many frames or pages"
    return f"{getattr(image, 'n_frames', 2)} frames or pages"
