"""Connected components of a mask: labelled as runs of pixels, so that large pictures take little memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Components:
    """The connected parts of a mask (pixels that touch, corners included), as horizontal runs of pixels.

    Attributes:
        shape: height and width of the mask.
        rows: row of each run, from top to bottom, int64 [n].
        starts: first column of each run, int64 [n].
        ends: the column after its last, int64 [n].
        labels: component of each run, from 0 to ``count`` - 1 in the order of their first pixels.
        count: number of components.
    """

    shape: tuple[int, int]
    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    count: int

    @property
    def areas(self) -> npt.NDArray[np.int64]:
        """Pixels of each component, int64 [count]."""
        return self._total((self.ends - self.starts).astype(np.float64)).astype(np.int64)

    def painted(self, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """The mask [h w] of the components for which ``kept`` [count] is True."""
        picture = np.zeros(self.shape, np.bool_)
        picture.reshape(-1)[self.kept(kept)._pixels()] = True
        return picture

    def labelled(self) -> npt.NDArray[np.int64]:
        """Which component each pixel is of, int64 [h w]: from 1 to ``count``, and 0 outside of the mask."""
        picture = np.zeros(self.shape, np.int64)
        picture.reshape(-1)[self._pixels()] = np.repeat(self.labels + 1, self.ends - self.starts)
        return picture

    def kept(self, kept: npt.NDArray[np.bool_]) -> Components:
        """Only the components for which ``kept`` [count] is True, numbered anew in the same order."""
        chosen = kept[self.labels]
        number = np.cumsum(kept) - 1
        runs = (self.rows[chosen], self.starts[chosen], self.ends[chosen])
        return Components(self.shape, *runs, number[self.labels[chosen]], int(np.count_nonzero(kept)))

    def means(self, picture: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Mean of ``picture`` [h w] over each component, float64 [count]."""
        return self._total(self._run_sums(picture)) / self.areas

    def holds(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether a pixel of ``mask`` [h w] lies in each component, bool [count]."""
        return self._total(self._run_sums(mask)) > 0

    def boxes(self) -> npt.NDArray[np.int64]:
        """Height and width of the upright box around each component, int64 [count 2]."""
        low = np.full((self.count, 2), np.iinfo(np.int64).max)
        high = np.zeros((self.count, 2), np.int64)
        np.minimum.at(low, self.labels, np.stack([self.rows, self.starts], axis=1))
        np.maximum.at(high, self.labels, np.stack([self.rows + 1, self.ends], axis=1))
        return np.asarray(high - low)

    def _total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum of one value for each run, by component."""
        sums = np.bincount(self.labels, weights=values, minlength=self.count)
        return sums.astype(np.float64)  # integers where there is no run at all

    def _run_sums(self, picture: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        if not self.rows.size:
            return np.zeros(0)
        lengths = self.ends - self.starts
        values = picture.reshape(-1)[self._pixels()].astype(np.float64)
        return np.add.reduceat(values, np.cumsum(lengths) - lengths)

    def _pixels(self) -> npt.NDArray[np.int64]:
        """Places of the pixels of all runs, one after the other, in a picture in reading order."""
        lengths = self.ends - self.starts
        before = np.cumsum(lengths) - lengths
        firsts = self.rows * self.shape[1] + self.starts
        return np.arange(int(lengths.sum())) + np.repeat(firsts - before, lengths)


def components(mask: npt.NDArray[np.bool_]) -> Components:
    """Find the connected parts of a mask; pixels that touch at a corner are connected."""
    height, width = mask.shape
    padded = np.zeros((height, width + 1), np.bool_)
    padded[:, :width] = mask
    flat = padded.reshape(-1)
    # Changes between neighbours in reading order; the empty column ends every run within its row.
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat.size and flat[0]:
        edges = np.concatenate([[0], edges])
    rows, starts = np.divmod(edges[0::2], width + 1)
    ends = edges[1::2] - rows * (width + 1)
    labels, count = _joined(len(rows), *_touching(rows, starts, ends, width))
    return Components((height, width), rows, starts, ends, labels, count)


def _touching(
    rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], width: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of runs (above, below) in neighbouring rows that touch, corners included."""
    # Places in reading order, rows so far apart that a run can only be found in the row asked for.
    pitch = width + 3
    begins, stops = rows * pitch + starts, rows * pitch + ends
    first = np.searchsorted(stops, begins + pitch, side="left")  # below: ends at or after our start
    last = np.searchsorted(begins, stops + pitch, side="right")  # below: starts at or before our end
    fewer = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(rows)), fewer)
    below = np.arange(len(above)) + np.repeat(first - (np.cumsum(fewer) - fewer), fewer)
    return above, below


def _joined(
    count: int, above: npt.NDArray[np.int64], below: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], int]:
    """Label ``count`` runs so that those of a pair, and of a chain of pairs, have the same label."""
    root = np.arange(count)
    while above.size:
        # Hang the later root of each pair under the earlier one, then let every run point at its root.
        one, other = root[above], root[below]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while True:
            higher = root[root]
            if np.array_equal(higher, root):
                break
            root = higher
        apart = root[above] != root[below]
        above, below = above[apart], below[apart]
    kept, labels = np.unique(root, return_inverse=True)
    return labels.reshape(-1).astype(np.int64), len(kept)
