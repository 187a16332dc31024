"""Paste a fill into the hole, and see any picture as 8-bit RGB."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Pixels = npt.NDArray[np.generic]
"""A picture: [h w], [h w 1], [h w 3] (RGB) or [h w 4] (RGBA), uint8 or uint16."""

# ITU-R 601, the weights of Pillow's own conversion to grey, in thousandths.
LUMA = (299, 587, 114)


def rgb8(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """See any picture as uint8 RGB [h w 3]: grey is repeated, alpha left out, 16 bit rounded."""
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    color = np.repeat(channels, 3, axis=2) if channels.shape[2] == 1 else channels[..., :3]
    return np.ascontiguousarray(to_depth(color, np.dtype(np.uint8)).astype(np.uint8, copy=False))


def in_order(pixels: Pixels, channels: Literal["RGB", "BGR"]) -> Pixels:
    """Swap between RGB and the order ``channels`` of an array's colours; grey stays as it is.

    Args:
        pixels: alpha stays last.
        channels: ``BGR`` is OpenCV's order.

    Raises:
        InputError: if there is no such order.
    """
    if channels not in ("RGB", "BGR"):
        raise InputError(f"channels is {channels!r}; give 'RGB', or 'BGR' for arrays of OpenCV")
    if channels == "RGB" or pixels.ndim == 2 or pixels.shape[2] < 3:
        return pixels
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def to_depth(pixels: Pixels, dtype: np.dtype[np.generic]) -> Pixels:
    """Convert between uint8 and uint16 levels: 255 <-> 65535, rounded to the nearest level."""
    if pixels.dtype == dtype:
        return pixels
    wide = pixels.astype(np.uint32)
    return (wide * 257 if dtype == np.uint16 else (wide + 128) // 257).astype(dtype)


def composite(image: Pixels, fill: Pixels, hole: npt.NDArray[np.bool_]) -> Pixels:
    """Return ``image`` with ``fill`` inside ``hole``; every other pixel is bit-identical.

    Alpha is kept as it is, in the hole too: only colours are filled.

    Args:
        image: not changed.
        fill: of any shape and depth at the same height and width; colours become grey by luma where the
            image is grey.
        hole: [h w], True = take the fill.

    Raises:
        ValueError: if heights and widths differ.
    """
    if not image.shape[:2] == fill.shape[:2] == hole.shape:
        raise ValueError(
            f"image {image.shape[:2]}, fill {fill.shape[:2]} and hole {hole.shape} differ in height or width"
        )
    filled = image.copy()
    channels = fill[..., None] if fill.ndim == 2 else fill
    colors = to_depth(channels[hole], image.dtype)  # n c
    if image.ndim == 2:
        filled[hole] = _grey(colors)[:, 0]
    elif image.shape[2] == 1:
        filled[hole] = _grey(colors)
    else:
        filled[hole, :3] = colors[:, :3]  # one grey channel broadcasts to three
    return filled


def luma1000(colors: Pixels) -> npt.NDArray[np.int64]:
    """Grey value of colours [... 3], times 1000: exact in integers."""
    wide = colors[..., :3].astype(np.int64)
    return np.asarray(wide @ np.array(LUMA, np.int64))


def _grey(colors: Pixels) -> Pixels:
    """Turn n colours [n c] into grey [n 1] of the same dtype."""
    if colors.shape[1] < 3:
        return colors[:, :1]
    return ((luma1000(colors) + 500) // 1000).astype(colors.dtype)[:, None]
