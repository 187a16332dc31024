"""The hole of a picture that says by itself what is missing: by its alpha, or by one colour."""

import numpy as np
import numpy.typing as npt
from PIL import ImageColor

from twofold.errors import ImageError, InputError
from twofold.masks.canvas import Hole
from twofold.pixels import to_depth

# Rows compared at a time: differences need more room than the levels.
_BAND = 256


def hole_from_alpha(pixels: npt.NDArray[np.generic], *, below: int = 128) -> Hole:
    """The hole is where the picture is transparent.

    Args:
        pixels: [h w 4], uint8 or uint16.
        below: alpha of the hole, in levels of 255: 128 takes what is more than half transparent, 1 only
            what is wholly so, 255 all that is not opaque.

    Raises:
        ImageError: if the picture has no alpha channel.
        InputError: if ``below`` is outside 1 to 255.
    """
    if not 1 <= below <= 255:
        raise InputError(f"alpha is to be below {below}; give a level from 1 to 255")
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        raise ImageError("the picture has no alpha channel; take a PNG, WebP or TIFF with transparency")
    scale = 1 if pixels.dtype == np.uint8 else 257
    return np.asarray(pixels[..., 3].astype(np.int32) < below * scale)


def parse_color(text: str) -> tuple[int, int, int]:
    """Read a colour: ``#ff00ff``, ``#f0f``, ``rgb(255, 0, 255)`` or a name such as ``magenta``.

    Raises:
        InputError: if it is none of these.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InputError(f"{text!r} is no colour; write '#ff00ff', or a name such as magenta") from error
    return red, green, blue


def hole_from_color(
    pixels: npt.NDArray[np.generic], color: tuple[int, int, int], *, tolerance: float = 16
) -> Hole:
    """The hole is where the picture has one colour, or nearly; alpha is not looked at.

    Args:
        pixels: [h w], [h w 1], [h w 3] or [h w 4], uint8 or uint16.
        color: red, green and blue, 0 to 255.
        tolerance: how far each of the three may be off, in levels of 255.

    Raises:
        InputError: if the tolerance is negative or not a number.
    """
    if not 0 <= tolerance <= 255:
        raise InputError(f"tolerance is {tolerance}; give 0 to 255 levels")
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    wanted = to_depth(np.array(color, np.uint8), channels.dtype).astype(np.int32)
    most = tolerance * (1 if channels.dtype == np.uint8 else 257)
    hole = np.empty(pixels.shape[:2], np.bool_)
    for top in range(0, len(pixels), _BAND):
        # One grey channel stands for all three.
        away = np.abs(channels[top : top + _BAND, :, :3].astype(np.int32) - wanted)
        hole[top : top + _BAND] = away.max(axis=2) <= most
    return hole
