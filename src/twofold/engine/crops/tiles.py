"""Cut windows to the size that a network wants, and bring its answers back.

Only numpy and Pillow; pure functions. What an image holds inside its hole never reaches a tile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from twofold.engine.crops.resize import enlarged_strips, scale_known, touched
from twofold.engine.crops.windows import Box, Window
from twofold.pixels import composite, rgb8

INSIDE = 128
"""Level of hole pixels in a tile: any constant would do."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A window as a network sees it: scaled down to its square, or mirrored out to it.

    Attributes:
        image: uint8 RGB [size size 3]; constant inside the hole.
        hole: [size size], True = missing: every pixel that the hole touches.
        content: where the window's own pixels are in the square; the rest is mirrored.
        box: the window.
        own: [h w] of the window, True = the answer goes here.
    """

    image: npt.NDArray[np.uint8]
    hole: npt.NDArray[np.bool_]
    content: Box
    box: Box
    own: npt.NDArray[np.bool_]

    @property
    def scaled(self) -> bool:
        """Whether the window was scaled down."""
        return max(self.box.height, self.box.width) > len(self.hole)

    def inside(self, view: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.uint8] | None:
        """A network's view of this tile [h' w' 3], without the mirrored border."""
        if view is None:
            return None
        scale = len(view) / len(self.hole)
        rows = _scaled(self.content.top, self.content.bottom, scale)
        return view[rows, _scaled(self.content.left, self.content.right, scale)]


def _scaled(start: int, end: int, scale: float) -> slice:
    """The same part of a smaller axis; never empty, however thin the photograph is."""
    first = int(start * scale)
    return slice(first, max(first + 1, round(end * scale)))


def cut(image: npt.NDArray[np.generic], hole: npt.NDArray[np.bool_], window: Window, size: int) -> Tile:
    """Cut a window out and bring it to a square of ``size``: scaled down, or mirrored at its edges.

    Known pixels are scaled from known pixels alone, so what ``image`` holds inside the hole has
    no influence on the tile.

    Args:
        image: [h w], [h w 1], [h w 3] or [h w 4], uint8 or uint16.
        hole: [h w], True = missing.
        window: inside the image.
        size: side of the square.
    """
    box = window.box
    missing = hole[box.slices]
    scale = min(1.0, size / max(box.height, box.width))
    height = max(1, round(box.height * scale))
    width = max(1, round(box.width * scale))
    tile_hole = touched(missing, height, width)
    if (height, width) == missing.shape:
        colors = rgb8(image[box.slices])
    else:
        colors = scale_known(image[box.slices], missing, height, width)
    tile_image = np.where(tile_hole[..., None], np.uint8(INSIDE), colors)
    top, left = (size - height) // 2, (size - width) // 2
    around = ((top, size - height - top), (left, size - width - left))
    return Tile(
        np.pad(tile_image, (*around, (0, 0)), mode="reflect"),
        np.pad(tile_hole, around, mode="reflect"),
        Box(top, left, top + height, left + width),
        box,
        window.own,
    )


def answer_values(
    image: npt.NDArray[np.generic], answer: npt.NDArray[np.uint8], tile: Tile
) -> npt.NDArray[np.generic]:
    """What the picture holds at a tile's own missing pixels once it is filled.

    Args:
        image: the whole picture, any shape and depth that ``cut`` takes.
        answer: uint8 RGB [size size 3] to ``tile``.
        tile: what the network was given.

    Returns:
        Values in the order of ``tile.own``'s pixels, [m] or [m c], of the image's depth; alpha as it was.
    """
    content, deep = answer[tile.content.slices], image.dtype == np.uint16
    strips = enlarged_strips(content, tile.own, deep=deep)
    colors = [part_colors[tile.own[part.slices]] for part, part_colors in strips]
    return own_values(image, np.concatenate(colors), tile)


def own_values(
    image: npt.NDArray[np.generic], colors: npt.NDArray[np.generic], tile: Tile
) -> npt.NDArray[np.generic]:
    """Bring colours [m 3] of a tile's own pixels to the picture's kind, [m] or [m c]; alpha as it was."""
    before = image[tile.box.slices][tile.own]
    return composite(before[:, None], colors[:, None], np.ones((len(before), 1), np.bool_))[:, 0]


def cut_filled(
    image: npt.NDArray[np.generic],
    hole: npt.NDArray[np.bool_],
    window: Window,
    size: int,
    earlier: Iterable[tuple[Window, npt.NDArray[np.generic]]],
) -> Tile:
    """Cut a window out as ``cut`` does, once other windows are filled: what they hold is known.

    Args:
        image: the whole picture.
        hole: [h w], True = missing.
        window: inside the image.
        size: side of the square.
        earlier: windows with their values, see ``answer_values``.
    """
    box = window.box
    seen, missing = image[box.slices].copy(), hole[box.slices].copy()
    for other, values in earlier:
        shared = Box(
            max(box.top, other.box.top),
            max(box.left, other.box.left),
            min(box.bottom, other.box.bottom),
            min(box.right, other.box.right),
        )
        if shared.height <= 0 or shared.width <= 0:
            continue
        filled = image[other.box.slices].copy()
        filled[other.own] = values
        here, there = shared.within(box).slices, shared.within(other.box).slices
        own = other.own[there]
        seen[here][own] = filled[there][own]
        missing[here][own] = False
    whole = Window(Box(0, 0, box.height, box.width), window.own)
    return replace(cut(seen, missing, whole, size), box=box)


def paste(
    image: npt.NDArray[np.generic], values: npt.NDArray[np.generic], windows: Sequence[Window]
) -> npt.NDArray[np.generic]:
    """A copy of the picture with these values at its missing pixels, window after window.

    Args:
        image: the whole picture.
        values: [m] or [m c], those of all windows in their order, see ``answer_values``.
        windows: every missing pixel is in one's ``own``.
    """
    filled, start = image.copy(), 0
    for window in windows:
        end = start + int(window.own.sum())
        filled[window.box.slices][window.own] = values[start:end]
        start = end
    return filled
