"""Choose windows around the holes of a picture: connected ones found on a coarse grid, near ones joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.masks.components import components
from twofold.masks.editing import grow

MOST_WINDOWS = 64
"""With more groups of holes than this, wider and so fewer windows are used."""
MOST_SMALL = 4096
"""The same of a network that fills small windows, many of them as one batch."""
CONTEXT = 2
"""Side of a window, in sides of the hole inside it."""
CONTEXT_SMALL = 4
"""The same of windows below the native size: the smaller a window, the more of it should be known."""
MARGIN = 4
"""Holes share a window if 1/MARGIN of its side is left around them, half of it on each side. A window along a
thin hole fills what lies as far from its edges."""
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

    def within(self, other: Box) -> Box:
        """The same place, counted from the other's corner."""
        rows, columns = other.top, other.left
        return Box(self.top - rows, self.left - columns, self.bottom - rows, self.right - columns)


@dataclass(frozen=True, eq=False)
class Window:
    """A part of the picture, and the part of the hole that is filled from it.

    Attributes:
        box: inside the picture.
        own: [h w] of the box, True = this window's answer goes here. It may show other parts of the hole:
            they are missing too, and are answered from other windows.
        turn: windows of a later turn see what those of earlier turns have filled.
    """

    box: Box
    own: npt.NDArray[np.bool_]
    turn: int = 0


@dataclass(frozen=True)
class _Group:
    """Holes that are filled from one window.

    Attributes:
        box: around all of them.
        side: of the square window.
        labels: which connected holes.
        turn: of the window.
    """

    box: Box
    side: int
    labels: tuple[int, ...]
    turn: int = 0


def choose_windows(
    hole: npt.NDArray[np.bool_],
    native_size: int,
    *,
    least_size: int | None = None,
    largest_size: int | None = None,
) -> list[Window]:
    """Choose windows so that every hole pixel is in exactly one window's ``own``; in the order to be filled.

    A window is a square of twice the size of its holes, at least ``native_size`` and at most the
    picture, so a small hole is seen at full resolution however large the picture is; of holes below a
    quarter of ``native_size``, four times their size and at least ``least_size``. Holes far apart get windows
    of their own.

    A hole whose window would have to be scaled down is taken apart where it is thin, like a scratch, a wire
    or the grid of a watermark: windows of ``native_size`` (where it is thicker, of twice that, and so on)
    follow it, every other of them in a later turn.

    Args:
        hole: [h w], True = missing. Without a True there are no windows.
        native_size: side in pixels of the squares that the network was made for.
        least_size: side of the smallest squares that it fills well; None: the native size.
        largest_size: side of the largest; None: the native size.
    """
    height, width = hole.shape
    cell = max(1, native_size // 16, -(-max(height, width) // 256))
    grid = CellGrid.of(hole, cell)
    if max(height, width) <= native_size:
        least_size = None  # a small picture is best seen whole
    least, most = least_size or native_size, MOST_SMALL if least_size else MOST_WINDOWS
    groups = _join(grid.boxes(), least, native_size, height, width)
    while len(groups) > most:
        least *= 2
        groups = _join(grid.boxes(), least, max(least, native_size), height, width)
    parts = [
        part
        for group in groups
        for part in (
            _taken_apart(grid, group, native_size) if group.side > (largest_size or native_size) else [group]
        )
    ]
    windows = [_window(part, hole, grid) for part in parts]
    return sorted(windows, key=lambda window: (window.turn, -window.own.size))


def _taken_apart(grid: CellGrid, group: _Group, native: int) -> list[_Group]:
    """A group's thick parts, each with a window of its own, and windows along what is thin of it."""
    strips: list[_Group] = []
    left = np.isin(grid.labels, group.labels)
    side, reach = native, 1
    while 2 * side <= group.side and left.any():
        # Thin is what holds no square of missing cells, and is not next to one.
        thin = left & ~grow(_squares(grid.full & left, reach), 1.5 * reach)
        long = components(thin)
        thin = long.painted(long.boxes().max(axis=1, initial=0) * grid.cell >= side // 4)
        left = left & ~thin
        step = max(1, (side - side // MARGIN) // grid.cell)
        rows, columns = np.nonzero(thin)
        middles = np.stack([rows // step, columns // step], axis=1)
        for middle in np.unique(middles, axis=0):
            inside = (middles == middle).all(axis=1)
            label = grid.relabel(rows[inside], columns[inside])
            strips.append(_Group(grid.box(label), side, (label,), turn=1 + int(middle.sum() % 2)))
        side, reach = 2 * side, 2 * reach
    if not strips:
        return [group]
    rest = []
    parts = components(left)
    numbers = parts.labelled()
    for number in range(1, parts.count + 1):
        label = grid.relabel(*np.nonzero(numbers == number))
        box = grid.box(label)
        rest.append(_Group(box, max(native, CONTEXT * max(box.height, box.width)), (label,)))
    return rest + strips


def _squares(mask: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.bool_]:
    """The cells of all squares of this side that lie in a mask [h w]."""
    if side == 1:
        return mask
    sums = np.pad(mask.astype(np.int64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    counts = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    found = np.zeros_like(mask)
    for row, column in zip(*np.nonzero(counts == side**2), strict=True):
        found[row : row + side, column : column + side] = True
    return found


def _window(group: _Group, hole: npt.NDArray[np.bool_], grid: CellGrid) -> Window:
    """Centre the group's square on its holes, then move and cut it to lie inside the picture."""
    height, width = hole.shape
    rows, columns = min(group.side, height), min(group.side, width)
    top = min(max(0, (group.box.top + group.box.bottom - rows) // 2), height - rows)
    left = min(max(0, (group.box.left + group.box.right - columns) // 2), width - columns)
    own_cells = np.isin(grid.labels, group.labels)[np.arange(top, top + rows) // grid.cell]
    own = own_cells[:, np.arange(left, left + columns) // grid.cell]
    box = Box(top, left, top + rows, left + columns)
    return Window(box, own & hole[box.slices], group.turn)


@dataclass(frozen=True, eq=False)
class CellGrid:
    """The holes of a picture on a grid of square cells.

    Cells touch each other by sides and corners, so holes less than ``cell`` pixels apart are one.

    Attributes:
        cell: side of a cell in pixels.
        labels: [h/cell w/cell] rounded up, which connected hole each cell is of, from 1 on; 0: it has none.
        full: [h/cell w/cell], whether all of a cell is missing.
        edges: [h/cell w/cell 4], top, left, bottom and right of what is missing in a cell, in pixels.
    """

    cell: int
    labels: npt.NDArray[np.int64]
    full: npt.NDArray[np.bool_]
    edges: npt.NDArray[np.int64]

    @classmethod
    def of(cls, hole: npt.NDArray[np.bool_], cell: int) -> CellGrid:
        """Label the connected holes [h w], True = missing."""
        height, width = hole.shape
        shape = -(-height // cell), -(-width // cell)
        grid = cls(
            cell, np.zeros(shape, np.int64), np.zeros(shape, np.bool_), np.zeros((*shape, 4), np.int64)
        )
        around = bounding_box(hole)
        if around is None:
            return grid
        # Only the cells around all holes: a large picture costs one look at it.
        top, left = around.top // cell, around.left // cell
        used = hole[top * cell : around.bottom, left * cell : around.right]
        padded = np.pad(used, ((0, -used.shape[0] % cell), (0, -used.shape[1] % cell)))
        blocks = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell)
        in_rows, in_columns = np.asarray(blocks.any(axis=3)), np.asarray(blocks.any(axis=1))
        connected = components(np.asarray(in_columns.any(axis=2))).labelled()
        inside = slice(top, top + connected.shape[0]), slice(left, left + connected.shape[1])
        grid.labels[inside] = connected
        grid.full[inside] = blocks.all(axis=(1, 3))
        rows, columns = np.nonzero(connected)
        row_used, column_used = in_rows[rows, :, columns], in_columns[rows, columns]  # n cell
        rows, columns = rows + top, columns + left
        grid.edges[rows, columns] = np.stack(
            [
                rows * cell + row_used.argmax(axis=1),
                columns * cell + column_used.argmax(axis=1),
                (rows + 1) * cell - row_used[:, ::-1].argmax(axis=1),
                (columns + 1) * cell - column_used[:, ::-1].argmax(axis=1),
            ],
            axis=1,
        )
        return grid

    def boxes(self) -> npt.NDArray[np.int64]:
        """The exact bounding boxes of the labels from 1 on, [n 4] as top, left, bottom, right."""
        index = self.labels[self.labels > 0] - 1
        edges = self.edges[self.labels > 0]
        boxes = np.tile(np.array([np.iinfo(np.int64).max] * 2 + [0, 0]), (int(self.labels.max(initial=0)), 1))
        np.minimum.at(boxes[:, :2], index, edges[:, :2])
        np.maximum.at(boxes[:, 2:], index, edges[:, 2:])
        return boxes

    def relabel(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> int:
        """Give some cells a new label, which is returned."""
        label = int(self.labels.max()) + 1
        self.labels[rows, columns] = label
        return label

    def box(self, label: int) -> Box:
        """The exact bounding box of a label."""
        edges = self.edges[self.labels == label]
        return Box(*(int(edge) for edge in (*edges[:, :2].min(axis=0), *edges[:, 2:].max(axis=0))))


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box | None:
    """The smallest box around all True of a mask [h w]; None if there is none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return Box(top, int(columns[0]), bottom, int(columns[-1]) + 1)


def _join(boxes: npt.NDArray[np.int64], least: int, native: int, height: int, width: int) -> list[_Group]:
    """Join holes as long as one window of the larger one's side holds them with a margin.

    Args:
        boxes: [n 4] as ``CellGrid`` gives them.
        least: smallest side of a window.
        native: side from which on ``CONTEXT`` is enough.
        height: of the picture.
        width: of the picture.
    """
    extents = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    sides = np.minimum(CONTEXT_SMALL * extents, np.maximum(native, CONTEXT * extents))
    sides = np.maximum(least, np.where(sides < native, -(-sides // least) * least, sides))
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
