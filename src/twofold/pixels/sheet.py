"""A contact sheet: many pictures side by side, each with a label."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

PAPER = (248, 248, 248)
INK = (32, 32, 32)
GAP = 12
"""Pixels between cells and around them."""
LEAST_CELL = 240
"""Narrower pictures get cells of this width, where there is room, so that labels can be read."""
LARGEST_TEXT = 18
SMALLEST_TEXT = 8
LINE = 1.5
"""Height of a label's line, in sizes of its text."""

Picture = npt.NDArray[np.uint8]


def contact_sheet(
    pictures: Sequence[Picture],
    labels: Sequence[str],
    *,
    structures: Sequence[Picture | None] | None = None,
    columns: int = 4,
    width: int = 1600,
) -> Picture:
    """Lay pictures out in rows, their labels beneath, and beneath those what belongs to each.

    The same input gives the same sheet. Large pictures are scaled down to their column; small ones
    keep their size, in a narrower sheet.

    Args:
        pictures: uint8 RGB [h w 3], of any sizes; at least one.
        labels: one for each picture; text is made smaller to fit, then cut.
        structures: a second picture for each, or None for those without; scaled to fit the size at
            which the first is shown, its shape kept. None: no second pictures at all.
        columns: how many pictures a row holds at most.
        width: of the sheet in pixels, at most.

    Returns:
        uint8 RGB [h w 3].

    Raises:
        ValueError: if there are no pictures, another number of labels or structures, or no room.
    """
    count = len(pictures)
    seconds = [None] * count if structures is None else list(structures)
    if not count or len(labels) != count or len(seconds) != count:
        raise ValueError(
            f"{count} pictures, {len(labels)} labels and {len(seconds)} structures; "
            "give at least one picture, and as many of each"
        )
    columns = min(columns, count)
    room = (width - GAP) // columns - GAP if columns > 0 else 0
    if room < 1:
        raise ValueError(
            f"{columns} columns do not fit into {width} pixels; give at least 1 column and more room"
        )
    cell = min(room, max(LEAST_CELL, *(picture.shape[1] for picture in pictures)))
    font, texts = _fitting(labels, cell)
    line = round(LINE * font.size)
    cells = [
        _cell(picture, text, second, (cell, line), font)
        for picture, text, second in zip(pictures, texts, seconds, strict=True)
    ]
    rows = [cells[start : start + columns] for start in range(0, count, columns)]
    heights = [max(part.height for part in row) for row in rows]
    size = (GAP + columns * (cell + GAP), GAP + sum(height + GAP for height in heights))
    sheet = Image.new("RGB", size, PAPER)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for column, part in enumerate(row):
            sheet.paste(part, (GAP + column * (cell + GAP), top))
        top += height + GAP
    return np.array(sheet)


def _cell(
    picture: Picture,
    text: str,
    second: Picture | None,
    sizes: tuple[int, int],
    font: ImageFont.FreeTypeFont,
) -> Image.Image:
    """One picture, its label, and its second picture; ``sizes``: width of the cell, height of a line."""
    width, line = sizes
    shown = _scaled(picture, min(1.0, width / picture.shape[1]))
    below = None
    if second is not None:
        below = _scaled(second, min(shown.width / second.shape[1], shown.height / second.shape[0]))
    height = shown.height + line + (0 if below is None else below.height)
    cell = Image.new("RGB", (width, height), PAPER)
    cell.paste(shown, (0, 0))
    ImageDraw.Draw(cell).text((0, shown.height + line // 2), text, fill=INK, font=font, anchor="lm")
    if below is not None:
        cell.paste(below, (0, shown.height + line))
    return cell


def _scaled(picture: Picture, scale: float) -> Image.Image:
    image = Image.fromarray(picture)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if image.size == size:
        return image
    if scale > 1:
        return image.resize(size, Image.Resampling.BICUBIC)
    # A photograph of many millions of pixels is first averaged down in whole steps: fast, and as good.
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _fitting(labels: Sequence[str], width: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest text in which all labels fit into ``width``; in the smallest, what fits of them."""
    for size in range(LARGEST_TEXT, SMALLEST_TEXT, -1):
        font = _font(size)
        if all(font.getlength(label) <= width for label in labels):
            return font, list(labels)
    font = _font(SMALLEST_TEXT)
    return font, [_cut(label, font, width) for label in labels]


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise ValueError("this Pillow has no FreeType to write labels with; install Pillow's own wheel")
    return font


def _cut(label: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while label and font.getlength(label) > width:
        label = label[:-1]
    return label
