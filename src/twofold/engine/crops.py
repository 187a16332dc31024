"""Cut the surroundings of holes to the size that a network wants, and bring its answers back.

Only numpy and Pillow; pure functions. What an image holds inside its hole never reaches a crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.engine.groups import Box, Group, join_groups, label_cells
from twofold.engine.scaling import enlarged_strips, scale_known, touched
from twofold.pixels import composite, rgb8

MOST_CROPS = 64
"""With more groups of holes than this, wider and so fewer crops are used."""
INSIDE = 128
"""Level of hole pixels in a tile: any constant would do."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A window of the picture and the part of the hole that is filled from it.

    Attributes:
        window: inside the picture.
        own: [h w] of the window, True = this crop's answer goes here. The window may show other
            parts of the hole: they are missing too, and are answered by other crops.
    """

    window: Box
    own: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tile:
    """A crop as a network sees it: scaled down to its square, or mirrored out to it.

    Attributes:
        image: uint8 RGB [size size 3]; constant inside the hole.
        hole: [size size], True = missing: every pixel that the hole touches.
        content: where the window's own pixels are in the square; the rest is mirrored.
    """

    image: npt.NDArray[np.uint8]
    hole: npt.NDArray[np.bool_]
    content: Box


def choose_crops(hole: npt.NDArray[np.bool_], native_size: int) -> list[Crop]:
    """Choose windows so that every hole pixel is in exactly one crop's ``own``, largest window first.

    A window is a square of twice the size of its holes, at least ``native_size`` and at most the
    picture, so a small hole is seen at full resolution however large the picture is. Holes far
    apart get windows of their own.

    Args:
        hole: [h w], True = missing. Without a True there are no crops.
        native_size: side in pixels of the squares that the network was made for.
    """
    height, width = hole.shape
    cell = max(1, native_size // 16, -(-max(height, width) // 256))
    labels, boxes = label_cells(hole, cell)
    least = native_size
    groups = join_groups(boxes, least, height, width)
    while len(groups) > MOST_CROPS:
        least *= 2
        groups = join_groups(boxes, least, height, width)
    crops = [_crop(group, hole, labels, cell) for group in groups]
    return sorted(crops, key=lambda crop: -crop.own.size)


def _crop(group: Group, hole: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64], cell: int) -> Crop:
    """Centre the group's square on its holes, then move and cut it to lie inside the picture."""
    height, width = hole.shape
    rows, columns = min(group.side, height), min(group.side, width)
    top = min(max(0, (group.box.top + group.box.bottom - rows) // 2), height - rows)
    left = min(max(0, (group.box.left + group.box.right - columns) // 2), width - columns)
    own_cells = np.isin(labels, group.labels)[np.arange(top, top + rows) // cell]
    own = own_cells[:, np.arange(left, left + columns) // cell]
    window = Box(top, left, top + rows, left + columns)
    return Crop(window, own & hole[window.slices])


def cut(image: npt.NDArray[np.generic], hole: npt.NDArray[np.bool_], window: Box, size: int) -> Tile:
    """Cut a window out and bring it to a square of ``size``: scaled down, or mirrored at its edges.

    Known pixels are scaled from known pixels alone, so what ``image`` holds inside the hole has
    no influence on the tile.

    Args:
        image: [h w], [h w 1], [h w 3] or [h w 4], uint8 or uint16.
        hole: [h w], True = missing.
        window: inside the image.
        size: side of the square.
    """
    missing = hole[window.slices]
    scale = min(1.0, size / max(window.height, window.width))
    height = max(1, round(window.height * scale))
    width = max(1, round(window.width * scale))
    tile_hole = touched(missing, height, width)
    if (height, width) == missing.shape:
        colours = rgb8(image[window.slices])
    else:
        colours = scale_known(image[window.slices], missing, height, width)
    tile_image = np.where(tile_hole[..., None], np.uint8(INSIDE), colours)
    top, left = (size - height) // 2, (size - width) // 2
    around = ((top, size - height - top), (left, size - width - left))
    return Tile(
        np.pad(tile_image, (*around, (0, 0)), mode="reflect"),
        np.pad(tile_hole, around, mode="reflect"),
        Box(top, left, top + height, left + width),
    )


def answer_values(
    image: npt.NDArray[np.generic], answer: npt.NDArray[np.uint8], tile: Tile, crop: Crop
) -> npt.NDArray[np.generic]:
    """What the picture holds at the crop's own missing pixels once it is filled.

    Args:
        image: the whole picture, any shape and depth that ``cut`` takes.
        answer: uint8 RGB [size size 3] to ``tile``.
        tile: what the network was given.
        crop: where the tile came from.

    Returns:
        Values in the order of ``crop.own``'s pixels, [m] or [m c], of the image's depth; alpha as it was.
    """
    content, deep = answer[tile.content.slices], image.dtype == np.uint16
    strips = enlarged_strips(content, crop.own, deep=deep)
    colours = [part_colours[crop.own[part.slices]] for part, part_colours in strips]
    return own_values(image, np.concatenate(colours), crop)


def own_values(
    image: npt.NDArray[np.generic], colours: npt.NDArray[np.generic], crop: Crop
) -> npt.NDArray[np.generic]:
    """Bring colours [m 3] of a crop's own pixels to the picture's kind, [m] or [m c]; alpha as it was."""
    before = image[crop.window.slices][crop.own]
    return composite(before[:, None], colours[:, None], np.ones((len(before), 1), np.bool_))[:, 0]


def paste(
    image: npt.NDArray[np.generic], answer: npt.NDArray[np.uint8], tile: Tile, crop: Crop
) -> npt.NDArray[np.generic]:
    """Give the crop's window with the network's answer in the crop's own hole pixels.

    Args and the answer's kind are those of ``answer_values``.

    Returns:
        The window's pixels, of the image's depth and channels; outside ``crop.own`` as they were.
    """
    window = image[crop.window.slices].copy()
    window[crop.own] = answer_values(image, answer, tile, crop)
    return window
