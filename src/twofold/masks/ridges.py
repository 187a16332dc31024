"""How much each pixel stands out as part of a thin line, or as a small spot, brighter than what surrounds it.

Everything here finds what is bright on dark; a picture turned negative shows what is dark on bright.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Levels = npt.NDArray[np.uint8]
"""A picture of one channel, or answers about its pixels: uint8 [h w]."""
_Tile = npt.NDArray[np.float32]

WIDEST = 4
"""Lines and spots up to so many pixels wide answer in full."""
DIRECTIONS = 16
"""Directions in which lines are looked for, in a half turn."""

# A line's brightness is the mean of so many pixels along it, a power of two: noise and texture average out.
_LENGTH = 16
# How far from a line's middle its surroundings are looked at, and how far from a spot's.
_ASIDE = 3.0
_RING = 4
# Pixels seen beyond a tile, and side of the tiles: small enough for the processor's cache.
_MARGIN = _LENGTH + 4
_TILE = 256


@dataclass(frozen=True, eq=False)
class Lines:
    """The straight thin line through each pixel of a picture that stands out most.

    Attributes:
        bright: its contrast against both of its sides, uint8 [h w]; 0 where there is none.
        direction: of that line, uint8 [h w]: 0 lies, 8 stands, ``DIRECTIONS`` are a half turn.
        dark: contrast of the darkest line through the pixel, which may be another, uint8 [h w].
    """

    bright: Levels
    direction: Levels
    dark: Levels


def find_lines(level: Levels) -> Lines:
    """Look for a thin straight line through each pixel, in each of ``DIRECTIONS``.

    The answer is the mean along 16 pixels, less the brighter of the two means alongside: the border of
    an object has only one darker side, and most textures have no direction, so neither answers.
    """
    bright, direction, dark = _by_tiles(level, _lines_in)
    return Lines(bright, direction, dark)


def find_spots(level: Levels) -> Levels:
    """Contrast of each pixel against the brightest on a ring of 4 pixels' radius around it; 0: no spot."""
    (response,) = _by_tiles(level, _spots_in)
    return response


def top_hat(level: Levels, side: int) -> Levels:
    """The white top-hat: what an opening takes away, bright details narrower than a square of an odd side."""
    return level - highest(_extreme(level, side, np.minimum), side)


def highest(level: Levels, side: int) -> Levels:
    """The largest value in the square of an odd ``side`` around each pixel."""
    return _extreme(level, side, np.maximum)


def halved(level: Levels) -> Levels:
    """The picture at half its size, each pixel the mean of a 2x2 square; uint8 [ceil(h/2) ceil(w/2)]."""
    return np.asarray(Image.fromarray(level).reduce(2))


def _extreme(level: Levels, side: int, pick: Callable[[Levels, Levels], Levels]) -> Levels:
    """Largest or smallest value in the square around each pixel, by doubling windows along each axis."""
    for _ in range(2):  # down, then across: the picture lies on its side in between
        run = np.pad(level, ((side // 2, side // 2), (0, 0)), mode="edge")
        reached = 1
        while reached < side:
            step = min(reached, side - reached)
            run = pick(run[:-step], run[step:])
            reached += step
        level = np.ascontiguousarray(run.T)
    return level


def _by_tiles(level: Levels, respond: Callable[[_Tile], tuple[_Tile, ...]]) -> list[Levels]:
    """Compute responses tile by tile; each sees ``_MARGIN`` pixels beyond its border, so none shows."""
    height, width = level.shape
    # Not mirrored: the border of the picture would turn edges beside it into lines.
    padded = np.pad(level, _MARGIN, mode="edge")
    whole: list[Levels] = []
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            tile = padded[top : top + _TILE + 2 * _MARGIN, left : left + _TILE + 2 * _MARGIN]
            parts = respond(tile.astype(np.float32))
            whole = whole or [np.empty_like(level) for _ in parts]
            for response, part in zip(whole, parts, strict=True):
                response[top : top + _TILE, left : left + _TILE] = np.clip(np.rint(part), 0, 255)
    return whole


def _lines_in(tile: _Tile) -> tuple[_Tile, _Tile, _Tile]:
    """Brightest line's contrast, its direction, and the darkest line's contrast, of a tile with margins."""
    rows, columns = (side - 2 * _MARGIN for side in tile.shape)
    bright, direction, dark = (np.zeros((rows, columns), np.float32) for _ in range(3))
    for index in range(DIRECTIONS):
        angle = math.pi * index / DIRECTIONS
        down, right = math.sin(angle), math.cos(angle)
        mean, (first_row, first_column) = _means_along(tile, down, right)
        # Means begin at their pixel: half a length back, they lie around it.
        y, x = -(_LENGTH - 1) / 2 * down, -(_LENGTH - 1) / 2 * right
        places = ((0.0, 0.0), (_ASIDE * right, -_ASIDE * down), (-_ASIDE * right, _ASIDE * down))
        along, left, other = (
            mean[
                _MARGIN - first_row + round(y + dy) :,
                _MARGIN - first_column + round(x + dx) :,
            ][:rows, :columns]
            for dy, dx in places
        )
        contrast = along - np.maximum(left, other)
        better = contrast > bright
        np.copyto(bright, contrast, where=better)
        direction[better] = index
        np.maximum(dark, np.minimum(left, other) - along, out=dark)
    return bright, direction, dark


def _means_along(tile: _Tile, down: float, right: float) -> tuple[_Tile, tuple[int, int]]:
    """Mean of ``_LENGTH`` pixels from each pixel on, in one direction; and the pixel of the first mean."""
    first_row = first_column = 0
    reached = 1
    while reached < _LENGTH:
        y, x = round(reached * down), round(reached * right)
        rows, columns = tile.shape[0] - abs(y), tile.shape[1] - abs(x)
        near = tile[max(0, -y) :, max(0, -x) :][:rows, :columns]
        far = tile[max(0, y) :, max(0, x) :][:rows, :columns]
        tile = (near + far) * np.float32(0.5)
        first_row, first_column = first_row + max(0, -y), first_column + max(0, -x)
        reached *= 2
    return tile, (first_row, first_column)


def _spots_in(tile: _Tile) -> tuple[_Tile]:
    """Contrast of each pixel against the ring around it, of a tile with margins."""
    rows, columns = (side - 2 * _MARGIN for side in tile.shape)
    # Means of 2x2 keep single noisy pixels of the ring from hiding a spot.
    soft = (tile[:-1, :-1] + tile[1:, :-1] + tile[:-1, 1:] + tile[1:, 1:]) / 4
    around = np.zeros((rows, columns), np.float32)
    for index in range(16):
        angle = math.pi * index / 8
        y, x = round(_RING * math.sin(angle) - 0.5), round(_RING * math.cos(angle) - 0.5)
        np.maximum(around, soft[_MARGIN + y :, _MARGIN + x :][:rows, :columns], out=around)
    return (tile[_MARGIN:, _MARGIN:][:rows, :columns] - around,)
