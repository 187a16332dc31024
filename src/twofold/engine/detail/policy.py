"""Carry the detail of the surroundings into a hole.

A network's answer to a large hole, given at a smaller size and scaled up, is a blurred patch in a sharp
photograph. Its detail is copied at full resolution from known places of the same window;
``twofold.engine.detail.exemplar`` says from where. An answer given at full size is merged with pieces of its
surroundings by ``twofold.engine.detail.merge``. Both are additions beside the papers' networks.
"""

import numpy as np
import numpy.typing as npt

from twofold.engine.crops.resize import STRIP, enlarged
from twofold.engine.crops.tiles import Tile, answer_values, own_values
from twofold.engine.crops.windows import Box, bounding_box
from twofold.engine.detail.exemplar import Exemplar, find_exemplar
from twofold.engine.detail.merge import merged_answer
from twofold.inpainter import Detail
from twofold.pixels import rgb8

DETAIL_VERSION = 5
"""Raised when windows or detail give other pictures than before: it is part of fingerprints."""
LEAST_TILE = 64
"""Side in pixels of the smallest tiles that are worth a search: in less there is no detail to be found."""
_SHARP = 2.0
"""How much narrower than a tile pixel the bands are in which two sources blend."""


def finished_values(
    image: npt.NDArray[np.generic],
    hole: npt.NDArray[np.bool_],
    answer: npt.NDArray[np.generic],
    tile: Tile,
    *,
    detail: Detail,
    calm: bool,
) -> npt.NDArray[np.generic]:
    """What the picture holds at a tile's own missing pixels, with what ``detail`` says of the surroundings.

    Args:
        image: the whole picture, any shape and depth that ``cut`` takes; what it holds in the hole has
            no influence.
        hole: [h w] of the whole picture, True = missing.
        answer: uint8 RGB [size size 3] to ``tile``.
        tile: what the network was given.
        detail: see ``twofold.inpainter.Detail``.
        calm: continue smooth surroundings instead of what the network made of them: for one best answer, as
            different ones would all become the same.

    Returns:
        Values in the order of ``tile.own``'s pixels, as ``answer_values`` gives them.
    """
    side, levels = len(tile.hole), answer.astype(np.uint8, copy=False)
    if detail == "always" or (detail == "auto" and tile.scaled and side >= LEAST_TILE):
        values = detailed_values(image, hole, levels, tile, calm=calm)
        if values is not None:
            return values
    if detail == "auto" and not tile.scaled and side >= LEAST_TILE:
        levels = merged_tile(levels, tile, calm=calm)
    return answer_values(image, levels, tile)


def merged_tile(answer: npt.NDArray[np.uint8], tile: Tile, *, calm: bool) -> npt.NDArray[np.uint8]:
    """An answer to a tile [size size 3], merged with pieces of the tile's own content.

    The answer is given back as it is where too little is known to copy from.
    """
    inside = tile.content.slices
    merged = merged_answer(tile.image[inside], answer[inside], tile.hole[inside], calm=calm)
    if merged is None:
        return answer
    whole = answer.copy()
    whole[inside] = merged
    return whole


def detailed_values(
    image: npt.NDArray[np.generic],
    hole: npt.NDArray[np.bool_],
    answer: npt.NDArray[np.uint8],
    tile: Tile,
    *,
    calm: bool = False,
) -> npt.NDArray[np.generic] | None:
    """The values of ``finished_values`` with detail of the surroundings; None if too little is known."""
    inside = tile.content.slices
    exemplar = find_exemplar(tile.image[inside], answer[inside], tile.hole[inside], calm=calm)
    around = bounding_box(tile.own)
    if exemplar is None or around is None:
        return None
    window, missing = image[tile.box.slices], hole[tile.box.slices]
    step = max(1, STRIP // (4 * around.width))
    parts = []
    for top in range(around.top, around.bottom, step):
        part = Box(top, around.left, min(around.bottom, top + step), around.right)
        if tile.own[part.slices].any():
            parts.append(_copied(window, missing, tile.own, part, exemplar))
    most = np.iinfo(image.dtype).max  # type: ignore[type-var]  # uint8 or uint16
    colors = (np.concatenate(parts) * (most / 255)).round().clip(0, most).astype(image.dtype)
    return own_values(image, colors, tile)


def _copied(
    window: npt.NDArray[np.generic],
    missing: npt.NDArray[np.bool_],
    own: npt.NDArray[np.bool_],
    part: Box,
    exemplar: Exemplar,
) -> npt.NDArray[np.float32]:
    """Colours [m 3] in levels of 255 of the own pixels in a part of the window."""
    height, width = missing.shape
    rows, columns = exemplar.used.shape
    y, x = np.nonzero(own[part.slices])
    correction, answer, share = (
        enlarged(plane, part, (height, width))[y, x]
        for plane in (exemplar.correction, exemplar.answer, exemplar.share[..., None])
    )
    y, x = y + part.top, x + part.left
    above, beside = _between(y, height, rows), _between(x, width, columns)
    total, weight = np.zeros((len(y), 3), np.float32), np.zeros((len(y), 1), np.float32)
    for row, row_weight in above:
        for column, column_weight in beside:
            source_y = y + (exemplar.moves[row, column, 0] * height / rows).round().astype(np.int64)
            source_x = x + (exemplar.moves[row, column, 1] * width / columns).round().astype(np.int64)
            valid = exemplar.used[row, column] & (source_y >= 0) & (source_y < height)
            valid &= (source_x >= 0) & (source_x < width)
            source_y, source_x = np.where(valid, source_y, 0), np.where(valid, source_x, 0)
            valid &= ~missing[source_y, source_x]
            one = (row_weight * column_weight * valid).astype(np.float32)[:, None]
            total += one * _levels(window[source_y, source_x])
            weight += one
    found = weight > 1e-3
    copy = total / np.where(found, weight, np.float32(1)) + correction
    share = np.where(found, share.clip(0, 1), np.float32(1))
    return (share * answer + (1 - share) * copy).astype(np.float32)


def _between(
    position: npt.NDArray[np.int64], length: int, count: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """The two of ``count`` tile pixels that each position of ``length`` lies between, with their weights."""
    place = ((position + 0.5) * count / length - 0.5).clip(0, count - 1)
    first = place.astype(np.int64)
    part = ((place - first - 0.5) * _SHARP + 0.5).clip(0, 1)
    part = part * part * (3 - 2 * part)
    return [(first, 1 - part), (np.minimum(first + 1, count - 1), part)]


def _levels(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Colours [m 3] in levels of 255 of pixels [m] or [m c]; 16 bits keep what lies in between."""
    if pixels.dtype == np.uint8:
        return rgb8(pixels[:, None])[:, 0].astype(np.float32)
    channels = pixels[:, None] if pixels.ndim == 1 else pixels[:, :3]
    levels = channels.astype(np.float32) / 257
    return np.broadcast_to(levels, (len(pixels), 3))
