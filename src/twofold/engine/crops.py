"""Cut the surroundings of holes to the size that a network wants, and bring its answers back.

Only numpy and Pillow; pure functions. What an image holds inside its hole never reaches a crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.engine.groups import Box, Group, join_groups, label_cells
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
    colours, missing = rgb8(image[window.slices]), hole[window.slices]
    scale = min(1.0, size / max(window.height, window.width))
    height = max(1, round(window.height * scale))
    width = max(1, round(window.width * scale))
    tile_hole = _touched(_touched(missing, height).T, width).T
    if (height, width) != missing.shape:
        colours = _scaled_known(colours, ~missing, height, width)
    tile_image = np.where(tile_hole[..., None], np.uint8(INSIDE), colours)
    top, left = (size - height) // 2, (size - width) // 2
    around = ((top, size - height - top), (left, size - width - left))
    return Tile(
        np.pad(tile_image, (*around, (0, 0)), mode="reflect"),
        np.pad(tile_hole, around, mode="reflect"),
        Box(top, left, top + height, left + width),
    )


def paste(
    image: npt.NDArray[np.generic], answer: npt.NDArray[np.uint8], tile: Tile, crop: Crop
) -> npt.NDArray[np.generic]:
    """Give the crop's window with the network's answer in the crop's own hole pixels.

    Args:
        image: the whole picture, any shape and depth that ``cut`` takes.
        answer: uint8 RGB [size size 3] to ``tile``.
        tile: what the network was given.
        crop: where the tile came from.

    Returns:
        The window's pixels, of the image's depth and channels; outside ``crop.own`` as they were.
    """
    content = _enlarged(answer[tile.content.slices], crop.window, image.dtype)
    return composite(image[crop.window.slices], content, crop.own)


def _touched(mask: npt.NDArray[np.bool_], count: int) -> npt.NDArray[np.bool_]:
    """Shrink the first axis of a mask to ``count`` pixels: True where any part of one is True."""
    length = mask.shape[0]
    if count == length:
        return mask
    index = np.arange(count)
    first, end = index * length // count, -(-(index + 1) * length // count)
    sums = np.pad(np.cumsum(mask, axis=0, dtype=np.int64), ((1, 0), (0, 0)))
    return np.asarray(sums[end] > sums[first])


def _scaled_known(
    colours: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Scale uint8 [h w 3] down from its known pixels alone: a weighted mean without the others."""
    weight = _plane(known.astype(np.float32), height, width)
    # Where all that a small pixel covers is known, its weight is near 1; elsewhere is hole.
    safe = np.where(weight > 0.25, weight, np.float32(1))
    valid = np.where(known[..., None], colours, np.float32(0))
    planes = [_plane(valid[..., c], height, width) / safe for c in range(3)]
    return np.stack(planes, axis=2).round().clip(0, 255).astype(np.uint8)


def _enlarged(
    colours: npt.NDArray[np.uint8], window: Box, dtype: np.dtype[np.generic]
) -> npt.NDArray[np.generic]:
    """Scale uint8 RGB up to the window's size; as uint16 with the levels in between."""
    height, width = window.height, window.width
    if colours.shape[:2] == (height, width):
        return colours
    if dtype == np.uint8:
        return np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC))
    planes = [
        _plane(colours[..., c].astype(np.float32) * 257, height, width, Image.Resampling.BICUBIC)
        for c in range(3)
    ]
    return np.stack(planes, axis=2).round().clip(0, 65535).astype(np.uint16)


def _plane(
    values: npt.NDArray[np.float32],
    height: int,
    width: int,
    filter: Image.Resampling = Image.Resampling.LANCZOS,
) -> npt.NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize((width, height), filter))
