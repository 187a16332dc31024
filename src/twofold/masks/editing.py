"""Change a hole: grow it, shrink it, give it a soft edge."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.masks.canvas import Hole

FEATHER_SIDES = ("middle", "outside", "inside")
"""Where a soft edge lies: across the hole's edge, wholly outside of the hole, wholly inside."""

# Rows worked on at a time, so that a large picture needs little memory beside its masks.
_BAND = 256


def grow(hole: Hole, radius: float) -> Hole:
    """Add every pixel whose centre lies within ``radius`` of the centre of a hole's pixel.

    An exact disc: growing by 1 adds the four neighbours, by 1.5 all eight.

    Args:
        hole: [h w], True = missing.
        radius: in pixels, from 0 on.

    Raises:
        InputError: if the radius is negative or not a number.
    """
    if not 0 <= radius < math.inf:
        raise InputError(f"the hole is to grow by {radius} pixels; give a number from 0 on, or shrink it")
    height, width = hole.shape
    reach = min(math.floor(radius), height + width)
    grown = np.zeros_like(hole)
    for top, gap in _vertical_gaps(hole, reach):
        band = grown[top : top + len(gap)]
        for side in range(-min(reach, width - 1), min(reach, width - 1) + 1):
            # A disc is a row of columns: as high as Pythagoras says at this distance from its middle.
            tall = gap <= min(reach, math.isqrt(math.floor(radius**2) - side**2))
            if side >= 0:
                band[:, side:] |= tall[:, : width - side]
            else:
                band[:, :side] |= tall[:, -side:]
    return grown


def shrink(hole: Hole, radius: float) -> Hole:
    """Take away every pixel whose centre lies within ``radius`` of the centre of a known pixel.

    The picture's border is no edge: a hole that touches it is not shrunk from there.
    Arguments and errors are those of ``grow``.
    """
    return ~grow(~hole, radius)


def feather(hole: Hole, width: float, *, side: str = "middle") -> npt.NDArray[np.uint8]:
    """Give a hole a soft edge: levels that fall from 255 to 0 in a straight line across the edge.

    Filling cuts a mask at half: soft edges are for other tools, and for pasting. With ``side`` of
    ``middle`` the mask cut at half is the hole itself again.

    Args:
        hole: [h w], True = missing.
        width: of the soft edge, in pixels, above 0.
        side: where the edge lies, one of ``FEATHER_SIDES``.

    Returns:
        uint8 [h w].

    Raises:
        InputError: if the width is not a number above 0, or the side is unknown.
    """
    if not 0 < width < math.inf:
        raise InputError(f"the soft edge is to be {width} pixels wide; give a number above 0")
    if side not in FEATHER_SIDES:
        raise InputError(f"the soft edge is to lie {side!r}; choose from {', '.join(FEATHER_SIDES)}")
    # The level at the edge itself, which lies half a pixel before the first centre on its other side.
    start = {"middle": 0.5, "outside": 1.0, "inside": 0.0}[side]
    levels = np.where(hole, np.uint8(255), np.uint8(0))
    # Outside of the hole levels fall from there on, rounded down; inside they rise, rounded up.
    for mask, reached, way, cut in ((hole, start, -1, np.floor), (~hole, 1 - start, 1, np.ceil)):
        if reached == 0 or not mask.any():
            continue
        for top, squared in _squared_distances(mask, math.ceil(reached * width + 0.5)):
            away = np.sqrt(squared) - 0.5
            shades = cut(255 * np.clip(start + way * away / width, 0, 1)).astype(np.uint8)
            np.copyto(levels[top : top + len(squared)], shades, where=squared > 0)
    return levels


def _vertical_gaps(mask: Hole, reach: int) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Bands of rows: their top, and how far the nearest True of each pixel's column is.

    Distances beyond ``reach`` are ``reach`` + 1.
    """
    height = len(mask)
    band = max(_BAND, 2 * reach)
    for top in range(0, height, band):
        bottom = min(top + band, height)
        first, last = max(top - reach, 0), min(bottom + reach, height)
        window = mask[first:last]
        rows = np.arange(last - first, dtype=np.int32)[:, None]
        far = np.int32(reach + 1 + last - first)
        above = np.maximum.accumulate(np.where(window, rows, -far), axis=0)
        below = np.minimum.accumulate(np.where(window, rows, rows[-1] + far)[::-1], axis=0)[::-1]
        inner = slice(top - first, bottom - first)
        nearest = np.minimum(rows[inner] - above[inner], below[inner] - rows[inner])
        yield top, np.minimum(nearest, np.int32(reach + 1))


def _squared_distances(mask: Hole, reach: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Bands of rows: their top, and the squared distance of each pixel to the nearest True.

    Exact up to ``reach``; what is further away has some number of at least (``reach`` + 1) squared.
    """
    height, width = mask.shape
    reach = min(reach, height + width)
    for top, gap in _vertical_gaps(mask, reach):
        upright = gap.astype(np.int64) ** 2
        squared = upright.copy()
        for side in range(1, min(reach, width - 1) + 1):
            np.minimum(squared[:, side:], upright[:, :-side] + side**2, out=squared[:, side:])
            np.minimum(squared[:, :-side], upright[:, side:] + side**2, out=squared[:, :-side])
        yield top, squared
