"""Scale windows down from their known pixels, and answers up to full resolution, a strip at a time.

However large a window is, beside the picture only strips of it are held in memory.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from twofold.engine.crops.windows import Box, bounding_box
from twofold.pixels import rgb8

STRIP = 1 << 18
"""Pixels that are worked on at a time."""


def touched(mask: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Scale a mask [h w] to another height and width: True where any part of a pixel is True."""
    return _touched_rows(_touched_rows(mask, height).T, width).T


def _touched_rows(mask: npt.NDArray[np.bool_], count: int) -> npt.NDArray[np.bool_]:
    """Scale the first axis of a mask to ``count`` pixels."""
    length, index = mask.shape[0], np.arange(count)
    first, end = index * length // count, -(-(index + 1) * length // count)
    if count >= length:  # a pixel lies in one or two of the mask's
        return np.asarray(mask[first] | mask[end - 1])
    # reduceat reduces from each bound to the next: every second result is a pixel's. The last one has
    # no next bound and goes to the end by itself.
    bounds = np.stack([first, end], axis=1).ravel()[:-1]
    return np.asarray(np.logical_or.reduceat(mask, bounds, axis=0)[::2])


def scale_known(
    image: npt.NDArray[np.generic], missing: npt.NDArray[np.bool_], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Scale a window down from its known pixels alone: a weighted mean without the others.

    From four times the size on, blocks of pixels are averaged first, and Lanczos has the rest to do.

    Args:
        image: [h w], [h w 1], [h w 3] or [h w 4], uint8 or uint16; what it holds where it is missing
            has no influence.
        missing: [h w].
        height: at most h.
        width: at most w.

    Returns:
        uint8 RGB [height width 3].
    """
    rows, columns = missing.shape
    side = max(1, max(rows, columns) // (2 * max(height, width)))
    sums, weight = _block_means(image, missing, side)
    box = (0.0, 0.0, columns / side, rows / side)
    small = _plane(weight, height, width, box)
    # Where all that a small pixel covers is known, its weight is near 1; elsewhere is hole.
    safe = np.where(small > 0.25, small, np.float32(1))
    planes = [_plane(sums[..., c], height, width, box) / safe for c in range(3)]
    return np.stack(planes, axis=2).round().clip(0, 255).astype(np.uint8)


def _block_means(
    image: npt.NDArray[np.generic], missing: npt.NDArray[np.bool_], side: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Means over blocks of ``side`` pixels: of the known colours [h/side w/side 3], and of being known."""
    rows, columns = missing.shape
    if side == 1:
        known = ~missing
        return np.where(known[..., None], rgb8(image), np.float32(0)), known.astype(np.float32)
    sums = np.zeros((-(-rows // side), -(-columns // side), 3), np.float32)
    weight = np.zeros(sums.shape[:2], np.float32)
    step = max(1, STRIP // (columns * side)) * side
    starts = np.arange(0, columns, side)
    for top in range(0, rows, step):
        bottom = min(rows, top + step)
        known = ~missing[top:bottom]
        colors = rgb8(image[top:bottom]) * known[..., None]
        inside = slice(top // side, -(-bottom // side))
        here = np.arange(0, bottom - top, side)
        sums[inside] = _block_sums(colors, here, starts) / side**2
        weight[inside] = _block_sums(known, here, starts) / side**2
    # Blocks at the lower and right edge are cut short: they count as if they were whole.
    for axis, length in ((0, rows), (1, columns)):
        if length % side:
            last = (slice(None),) * axis + (-1,)
            sums[last] *= side / (length % side)
            weight[last] *= side / (length % side)
    return sums, weight


def _block_sums(
    values: npt.NDArray[np.generic], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Sums over the blocks that begin at these rows and columns."""
    lines = np.add.reduceat(values, rows, axis=0, dtype=np.float32)
    return np.asarray(np.add.reduceat(lines, columns, axis=1))


def enlarged_strips(
    colors: npt.NDArray[np.uint8], own: npt.NDArray[np.bool_], *, deep: bool
) -> Iterator[tuple[Box, npt.NDArray[np.generic]]]:
    """Scale RGB up to a window's size, strip by strip, as far as it is wanted.

    Args:
        colors: uint8 [h w 3].
        own: [H W] of the window's size, True where the enlarged picture is wanted.
        deep: whether the levels in between are wanted too.

    Yields:
        A part of the window, and its colours: uint8, or uint16 of the range 0 to 65535 if ``deep``.
        The parts hold all of ``own``, from top to bottom, with the whole width of it.
    """
    wanted = bounding_box(own)
    if wanted is None:
        return
    step = max(1, STRIP // wanted.width)
    for top in range(wanted.top, wanted.bottom, step):
        part = Box(top, wanted.left, min(wanted.bottom, top + step), wanted.right)
        yield part, _levels(colors, part, own.shape, deep)


def _levels(
    colors: npt.NDArray[np.uint8], part: Box, size: tuple[int, ...], deep: bool
) -> npt.NDArray[np.generic]:
    """A part of a picture of this height and width, of which RGB is the scaled-down form."""
    if colors.shape[:2] == size[:2]:
        same = colors[part.slices]
        return same.astype(np.uint16) * np.uint16(257) if deep else same
    # In floats: Pillow cuts bytes off between its two passes, and their order depends on the part's shape.
    most = 65535 if deep else 255
    levels = enlarged(colors.astype(np.float32) * np.float32(most // 255), part, size)
    return levels.round().clip(0, most).astype(np.uint16 if deep else np.uint8)


def enlarged(picture: npt.NDArray[np.float32], part: Box, size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """A part of a picture of this height and width, of which ``picture`` [h w c] is the scaled-down form."""
    height, width = picture.shape[:2]
    down, across = height / size[0], width / size[1]
    right, bottom = min(part.right * across, width), min(part.bottom * down, height)
    box = (part.left * across, part.top * down, right, bottom)
    bicubic = Image.Resampling.BICUBIC
    planes = [_plane(plane, part.height, part.width, box, bicubic) for plane in np.moveaxis(picture, 2, 0)]
    return np.stack(planes, axis=2)


def _plane(
    values: npt.NDArray[np.float32],
    height: int,
    width: int,
    box: tuple[float, float, float, float],
    filter: Image.Resampling = Image.Resampling.LANCZOS,
) -> npt.NDArray[np.float32]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(values)).resize((width, height), filter, box=box))
