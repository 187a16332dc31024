"""Choose windows around the holes of a picture: connected ones found on a coarse grid, near ones joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.masks.components import components

MOST_WINDOWS = 64
"""With more groups of holes than this, wider and so fewer windows are used."""
CONTEXT = 2
"""Side of a window, in sides of the hole inside it."""
MARGIN = 4
"""Holes share a window if 1/MARGIN of its side is left around them, half of it on each side."""
SIMILAR = 1.5
"""Holes share a window if their own windows' sides differ by at most this factor."""


@dataclass(frozen=True)
class Box:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right``, the ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array [h w ...]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, eq=False)
class Window:
    """A part of the picture, and the part of the hole that is filled from it.

    Attributes:
        box: inside the picture.
        own: [h w] of the box, True = this window's answer goes here. It may show other parts of the hole:
            they are missing too, and are answered from other windows.
    """

    box: Box
    own: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Group:
    """Holes that are filled from one window.

    Attributes:
        box: around all of them.
        side: of the square window.
        labels: which connected holes.
    """

    box: Box
    side: int
    labels: tuple[int, ...]


def choose_windows(hole: npt.NDArray[np.bool_], native_size: int) -> list[Window]:
    """Choose windows so that every hole pixel is in exactly one window's ``own``, largest window first.

    A window is a square of twice the size of its holes, at least ``native_size`` and at most the
    picture, so a small hole is seen at full resolution however large the picture is. Holes far
    apart get windows of their own.

    Args:
        hole: [h w], True = missing. Without a True there are no windows.
        native_size: side in pixels of the squares that the network was made for.
    """
    height, width = hole.shape
    cell = max(1, native_size // 16, -(-max(height, width) // 256))
    labels, boxes = label_cells(hole, cell)
    least = native_size
    groups = _join(boxes, least, height, width)
    while len(groups) > MOST_WINDOWS:
        least *= 2
        groups = _join(boxes, least, height, width)
    windows = [_window(group, hole, labels, cell) for group in groups]
    return sorted(windows, key=lambda window: -window.own.size)


def _window(group: _Group, hole: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64], cell: int) -> Window:
    """Centre the group's square on its holes, then move and cut it to lie inside the picture."""
    height, width = hole.shape
    rows, columns = min(group.side, height), min(group.side, width)
    top = min(max(0, (group.box.top + group.box.bottom - rows) // 2), height - rows)
    left = min(max(0, (group.box.left + group.box.right - columns) // 2), width - columns)
    own_cells = np.isin(labels, group.labels)[np.arange(top, top + rows) // cell]
    own = own_cells[:, np.arange(left, left + columns) // cell]
    box = Box(top, left, top + rows, left + columns)
    return Window(box, own & hole[box.slices])


def label_cells(
    hole: npt.NDArray[np.bool_], cell: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Label the connected holes of a picture on a grid of square cells.

    Cells touch each other by sides and corners, so holes less than ``cell`` pixels apart are
    always one.

    Args:
        hole: [h w], True = missing.
        cell: side of a cell in pixels.

    Returns:
        The label of each cell, [h/cell w/cell] rounded up, 0 where it has no hole; and for the
        labels 1 to n the exact bounding boxes in pixels, [n 4] as top, left, bottom, right.
    """
    height, width = hole.shape
    labels = np.zeros((-(-height // cell), -(-width // cell)), np.int64)
    around = bounding_box(hole)
    if around is None:
        return labels, np.zeros((0, 4), np.int64)
    # Only the cells around all holes: a large picture costs one look at it.
    top, left = around.top // cell, around.left // cell
    used = hole[top * cell : around.bottom, left * cell : around.right]
    padded = np.pad(used, ((0, -used.shape[0] % cell), (0, -used.shape[1] % cell)))
    blocks = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell)
    in_rows, in_columns = np.asarray(blocks.any(axis=3)), np.asarray(blocks.any(axis=1))
    connected = components(np.asarray(in_columns.any(axis=2))).labelled()
    labels[top : top + len(connected), left : left + connected.shape[1]] = connected
    rows, columns = np.nonzero(connected)
    row_used, column_used = in_rows[rows, :, columns], in_columns[rows, columns]  # n cell
    rows, columns = rows + top, columns + left
    edges = np.stack(
        [
            rows * cell + row_used.argmax(axis=1),
            columns * cell + column_used.argmax(axis=1),
            (rows + 1) * cell - row_used[:, ::-1].argmax(axis=1),
            (columns + 1) * cell - column_used[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )
    count = int(connected.max())
    boxes = np.tile(np.array([height, width, 0, 0], np.int64), (count, 1))
    index = labels[rows, columns] - 1
    np.minimum.at(boxes[:, :2], index, edges[:, :2])
    np.maximum.at(boxes[:, 2:], index, edges[:, 2:])
    return labels, boxes


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box | None:
    """The smallest box around all True of a mask [h w]; None if there is none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return Box(top, int(columns[0]), bottom, int(columns[-1]) + 1)


def _join(boxes: npt.NDArray[np.int64], least: int, height: int, width: int) -> list[_Group]:
    """Join holes as long as one window of the larger one's side holds them with a margin.

    Args:
        boxes: [n 4] as ``label_cells`` gives them.
        least: smallest side of a window.
        height: of the picture.
        width: of the picture.
    """
    sides = np.maximum(least, CONTEXT * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0))
    pending = np.arange(len(boxes))
    groups = []
    while len(pending):
        first, pending = int(pending[0]), pending[1:]
        box, side, labels = boxes[first], int(sides[first]), [first + 1]
        while len(pending):
            starts = np.minimum(boxes[pending, :2], box[:2])
            ends = np.maximum(boxes[pending, 2:], box[2:])
            extent = ends - starts  # n (height, width)
            larger, smaller = np.maximum(sides[pending], side), np.minimum(sides[pending], side)
            room = larger - larger // MARGIN
            # A window as long as the picture needs no margin. Windows that all show the whole
            # picture are one window, whatever their sides.
            fits = ((extent <= room[:, None]) | (larger[:, None] >= [height, width])).all(axis=1)
            alike = (larger <= SIMILAR * smaller) | (smaller >= max(height, width))
            if not (fits & alike).any():
                break
            near = int(np.argmin(np.where(fits & alike, extent.max(axis=1), np.iinfo(np.int64).max)))
            box, side = np.concatenate([starts[near], ends[near]]), int(larger[near])
            labels.append(int(pending[near]) + 1)
            pending = np.delete(pending, near)
        groups.append(_Group(Box(*(int(edge) for edge in box)), side, tuple(labels)))
    return groups
