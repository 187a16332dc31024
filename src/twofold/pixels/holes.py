"""Masks become holes: white is missing, binarised at half."""

import warnings

import numpy as np
import numpy.typing as npt

from twofold.errors import ImageError, MaskError
from twofold.pixels.compositing import Pixels, luma1000
from twofold.pixels.opening import check_size
from twofold.pixels.photo import ImageLike, read_photo

MaskLike = ImageLike
"""An image read as one grey channel, white (128 of 255 or more) = hole; or a bool array, True = hole."""
# A mask may hold a few grey levels (a smoothed edge) before its user is told: a mask saved as JPEG
# holds dozens, though few of its pixels are far from black or white. Many pixels of one level tell
# as well.
GREY_LEVELS = 16
GREY_SHARE = 0.05
# A soft edge has few pixels of each level; what somebody painted or labelled has many of one.
LABEL_PIXELS = 16
LABEL_SHARE = 0.1
# Rows read at a time, so that a large mask needs little memory.
_BAND = 256


class MaskWarning(UserWarning):
    """A mask can be used but probably does not say what its author meant."""


def read_hole(mask: MaskLike, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Read a mask as the hole of an image of ``height`` and ``width``: white is the hole.

    A pixel is in the hole from half of the range upwards (128 of 255, 32768 of 65535). Colours
    count by their luma. A mask with an alpha channel is laid over black: what is transparent is
    not in the hole, whatever colour hides there. Boolean arrays are taken as they are, True = hole.

    Args:
        mask: a path, a Pillow image, or an array [h w], [h w 1], [h w 3] or [h w 4] of uint8 or
            uint16, or [h w] or [h w 1] of bool.
        height: of the image, upright.
        width: of the image, upright.

    Returns:
        The hole [h w], a new array.

    Raises:
        MaskError: if the mask cannot be read or is not of the image's size.

    Warns:
        MaskWarning: if there are many grey levels or many grey pixels (a JPEG, a photograph given
            as the mask), if a mask of integers holds nothing but 0 and 1, if something is painted in one
            level below half, as dark labels are, or if what is opaque in it is dark throughout.
    """
    try:
        if isinstance(mask, np.ndarray) and mask.dtype == np.bool_:
            return _of_bools(np.asarray(mask, np.bool_), height, width)
        pixels = read_photo(mask).pixels
    except ImageError as error:
        raise MaskError(f"mask cannot be used: {error}") from error
    _check_size(pixels.shape, height, width)
    hole = hole_of(pixels)
    _warn_about(pixels, hole)
    return hole


def painted_dark(pixels: Pixels, hole: npt.NDArray[np.bool_]) -> bool:
    """Whether a mask has no hole because what is opaque in it is dark, as a black brush on a clear layer."""
    if hole.any() or pixels.shape[2:] != (4,):
        return False
    opaque = np.greater(pixels[..., 3], _white(pixels) // 2)
    return bool(opaque.any() and not opaque.all())


def hole_of(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """The hole [h w] that a mask's pixels mean, by the rule of ``read_hole`` and without its warnings."""
    return np.asarray(mask_levels(pixels) >= 128)


def mask_levels(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """See a mask as uint8 levels [h w], the way it is read for filling: luma, transparent parts black.

    Rounded down, so that the levels from 128 on are exactly the hole.
    """
    levels = np.empty(pixels.shape[:2], np.uint8)
    scale = 1 if pixels.dtype == np.uint8 else 256
    for top in range(0, len(pixels), _BAND):
        brightness, level = _brightness(pixels[top : top + _BAND])
        levels[top : top + _BAND] = brightness // (level * scale)
    return levels


def _of_bools(mask: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.bool_]:
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2:
        raise MaskError(f"mask is a bool array of shape {mask.shape}; a mask is [height width]")
    _check_size(mask.shape, height, width)
    check_size(width, height, "mask array")
    return np.array(mask, np.bool_)


def _brightness(pixels: Pixels) -> tuple[npt.NDArray[np.int64], int]:
    """Brightness over black [h w] as whole numbers, and which of them is one level."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2]).astype(np.int64), 1
    grey = luma1000(pixels)
    if pixels.shape[2] == 3:
        return grey, 1000
    return grey * pixels[..., 3].astype(np.int64), 1000 * _white(pixels)


def _white(pixels: Pixels) -> int:
    return 255 if pixels.dtype == np.uint8 else 65535


def _check_size(shape: tuple[int, ...], height: int, width: int) -> None:
    mask_height, mask_width = shape[:2]
    if (mask_height, mask_width) == (height, width):
        return
    seen = f"mask is {mask_width}x{mask_height} but image is {width}x{height} (width x height)"
    if (mask_height, mask_width) == (width, height):
        raise MaskError(
            f"{seen}; a photo is turned upright by its EXIF orientation, draw the mask upright too"
        )
    raise MaskError(f"{seen}; give a mask of the image's size")


def _warn_about(pixels: Pixels, hole: npt.NDArray[np.bool_]) -> None:
    said = _doubt(pixels, hole)
    if said:
        warnings.warn(said, MaskWarning, stacklevel=3)


def _doubt(pixels: Pixels, hole: npt.NDArray[np.bool_]) -> str:
    """Why a mask probably does not say what its author meant; empty if it does."""
    if pixels.max() == 1:
        return "mask holds nothing above 1, so nothing is a hole; white is 255: multiply by 255 or give bools"
    if painted_dark(pixels, hole):
        return (
            "mask has no hole: what is opaque in it is dark, and white is the hole; paint white, or give its "
            "alpha as the mask"
        )
    brightness, level = _brightness(pixels)
    nearest = np.rint(brightness / (level * _white(pixels)) * 255).astype(np.intp)
    counts = np.bincount(nearest.ravel(), minlength=256)
    levels, share = int(np.count_nonzero(counts[1:255])), float(counts[1:255].sum() / nearest.size)
    label = int(counts[1:128].argmax()) + 1
    least = max(LABEL_PIXELS, LABEL_SHARE * np.count_nonzero(hole))
    if levels <= GREY_LEVELS and counts[label] >= least:
        return (
            f"mask has {counts[label]} pixels of level {label}, below half, which are not filled; white is "
            f"the hole: `twofold masks binarise --at {label}` makes them white"
        )
    if levels > GREY_LEVELS or share > GREY_SHARE:
        return (
            f"mask has {levels} grey levels on {share:.1%} of its pixels, as a JPEG or a photograph has; "
            "it is cut at half, white is the hole: a PNG of black and white says exactly what you mean"
        )
    return ""
