"""What a photo carries beside its pixels: EXIF, colour profile, resolution."""

import struct
from typing import Any

import numpy as np
from PIL import Image

from twofold.pixels.compositing import Pixels

PREFIX = b"Exif\x00\x00"
ORIENTATION = 0x0112
THUMBNAIL_OFFSET, THUMBNAIL_LENGTH = 0x0201, 0x0202

# Tags of a TIFF file that describe how its pixels are stored, not the photo: they belong to one
# file and must not travel to the next. The last four have places of their own or are large blobs
# of other programs (XMP, IPTC, Photoshop, ICC).
# fmt: off
_STORAGE_TAGS = frozenset((
    *range(254, 260), 262, 266, 273, *range(277, 282), 284, 292, 293, 317, *range(320, 326), 330, 332, 334,
    336, *range(338, 342), 347, *range(512, 522), *range(529, 533), 700, 33723, 34377, 34675,
))
# fmt: on
_FOLDERS = (0x8769, 0x8825, 0xA005)  # the Exif, GPS and interoperability folders


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 (upright) where there is none or it cannot be read."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block fails in many ways; the picture is still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror [h w ...] as its EXIF orientation asks."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def kept_exif(image: Image.Image) -> bytes | None:
    """EXIF block of a loaded image for the file that will be written, or None.

    The bytes are kept as they are but for two places: the orientation becomes 1 (the pixels are
    upright by then), and an embedded thumbnail is blanked, for it would still show what was
    filled. A block that cannot be read is left out.
    """
    block = image.info.get("exif")
    try:
        if not isinstance(block, bytes):  # the tags of a TIFF, the text of a PNG
            block = _rebuilt(image.getexif())
        return None if block is None else PREFIX + _neutral(block.removeprefix(PREFIX))
    except Exception:  # anything can stand in a damaged block
        return None


def kept_profile(image: Image.Image, channels: int) -> bytes | None:
    """ICC profile for an image of ``channels``; None if there is none or it is of another kind."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None
    # A grey profile is invalid beside colours: grey with alpha is read as RGBA.
    return None if channels >= 3 and profile[16:20] == b"GRAY" else profile


def kept_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Resolution in dots per inch, or None."""
    dpi = image.info.get("dpi")
    try:
        across, down = (float(value) for value in dpi)  # type: ignore[union-attr]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def rebuilt_exif(block: bytes) -> bytes | None:
    """The same EXIF data for a TIFF file, in which tags of the photo and of its storage lie side by side.

    Tags that speak of storage (a phone writes its picture's width there) and tags that cannot be
    written are left out; None if nothing is left.
    """
    exif = Image.Exif()
    try:
        exif.load(block)
        return _rebuilt(exif)
    except Exception:  # anything can stand in a damaged block
        return None


def without_orientation(block: bytes) -> bytes:
    """The same block without its orientation tag, all else in its place; for AVIF, which has its own."""
    data = bytearray(block.removeprefix(PREFIX))
    order, start = _order(data)
    tags, after = _entries(data, order, start)
    if ORIENTATION not in tags:
        return block
    at = tags[ORIENTATION] - 8
    (count,) = struct.unpack_from(order + "H", data, start)
    struct.pack_into(order + "H", data, start, count - 1)
    data[at : after + 4] = data[at + 12 : after + 4] + bytes(12)
    return PREFIX + bytes(data)


def _rebuilt(exif: Image.Exif) -> bytes | None:
    """A block of the tags that can be read and written, but not of those about storage."""
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag in _STORAGE_TAGS:
            continue
        entry: Any = value
        if tag in _FOLDERS:
            inner = exif.get_ifd(tag).items()
            entry = {key: part for key, part in inner if key not in _FOLDERS and _writable(key, part)}
        if _writable(tag, entry):
            kept[tag] = entry
    return kept.tobytes() if len(kept) else None


def _writable(tag: int, value: Any) -> bool:
    """Whether Pillow can write a tag that it has read, which is not so for all that damage makes."""
    alone = Image.Exif()
    alone[tag] = value
    try:
        return bool(alone.tobytes())
    except Exception:
        return False


def _neutral(block: bytes) -> bytes:
    """Return a TIFF-structured block with orientation 1 and without its thumbnail."""
    data = bytearray(block)
    order, start = _order(data)
    tags, after = _entries(data, order, start)
    if ORIENTATION in tags:
        struct.pack_into(order + "H", data, tags[ORIENTATION], 1)
    (second,) = struct.unpack_from(order + "I", data, after) if after + 4 <= len(data) else (0,)
    if second:
        thumbnail, _ = _entries(data, order, second)
        if THUMBNAIL_OFFSET in thumbnail and THUMBNAIL_LENGTH in thumbnail:
            (offset,) = struct.unpack_from(order + "I", data, thumbnail[THUMBNAIL_OFFSET])
            (length,) = struct.unpack_from(order + "I", data, thumbnail[THUMBNAIL_LENGTH])
            end = min(offset + length, len(data))
            data[offset:end] = bytes(max(0, end - offset))
        struct.pack_into(order + "I", data, after, 0)  # no second folder any more
    return bytes(data)


def _order(data: bytearray) -> tuple[str, int]:
    """Byte order of a TIFF-structured block, and where its first folder stands."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}[bytes(data[:4])]
    (start,) = struct.unpack_from(order + "I", data, 4)
    return order, start


def _entries(data: bytearray, order: str, start: int) -> tuple[dict[int, int], int]:
    """Where the value of each tag of one folder stands, and where the folder ends."""
    (count,) = struct.unpack_from(order + "H", data, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return {struct.unpack_from(order + "H", data, at)[0]: at + 8 for at in places}, start + 2 + 12 * count
