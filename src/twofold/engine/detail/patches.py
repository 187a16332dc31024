"""Find for each missing place of a small picture a known place whose surroundings look alike.

Patches are squares of ``SIDE`` pixels. The search is exact where that is quick; elsewhere good finds of
neighbours are carried on (Barnes, Shechtman, Finkelstein, Goldman: "PatchMatch", SIGGRAPH 2009). No chance
is in it: one picture, one result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twofold.engine.detail.filters import Floats, Mask, depth, widened

__all__ = ["FALL", "GUIDE", "SIDE", "Floats", "Mask", "PatchField", "Places", "depth", "widened"]

SIDE = 5
"""Side of a patch in pixels."""
GUIDE = 1.5
"""Weight of a difference to the guiding colour, where one of a patch's 25 pixels has 1."""
FALL = 1.3
"""Trust in a missing pixel falls by this factor with each pixel of depth in the hole, down to FALL^-12."""
VOTE = 2.0
"""The vote of a patch falls by this factor with each pixel of depth of its middle, down to VOTE^-12. How well
it fits does not count: smooth pieces fit each other best, and would win."""
COHERENCE = 0.1
"""Places next to each other copy from places next to each other unless others are better by this share."""
EXACT = 30_000_000
"""Pairs of patches that are compared one by one; of more, only what neighbours have found."""
_BLOCK = 1 << 23
_NEIGHBOURS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column]
_FARTHER = [(0, 2), (2, 0), (0, -2), (-2, 0)]

Places = npt.NDArray[np.int64]


class PatchField:
    """The places of one picture that need a source, and the sources they have.

    Attributes:
        hole: [h w], True = missing.
        places: [n 2], rows and columns of all pixels whose patch holds a missing pixel.
        near: [h w], True at these places.
        sources: [n 2], the centres of known patches; see ``search``, ``carry`` and ``start``.
        costs: [n], the weighted squared difference of each pair of patches.
    """

    def __init__(self, hole: Mask, guide: Floats) -> None:
        """Take a hole.

        Args:
            hole: [h w], True = missing.
            guide: [h w 3], what a source should look like by and large.
        """
        self.hole, self._guide = hole, guide
        self.near = widened(hole, SIDE // 2)
        known = ~self.near
        if np.count_nonzero(known) < 64:
            known = ~hole
        self._known = known
        self._known_places = np.argwhere(known)
        self.places = np.argwhere(self.near)
        self._index = np.full(hole.shape, -1, np.int64)
        self._index[self.near] = np.arange(len(self.places))
        deep = depth(hole, 12)
        trust = FALL**-deep
        weights = _windows(trust[..., None])[self.near]
        weights = np.tile(weights / weights.mean(axis=1, keepdims=True), 3)
        self._weights = np.concatenate([weights, np.ones((len(weights), 3), np.float32)], axis=1)
        self._votes = (VOTE**-deep)[self.near]
        self.sources = np.zeros_like(self.places)
        self.costs = np.zeros(len(self.places), np.float32)

    @property
    def usable(self) -> bool:
        """Whether there is enough to copy from."""
        return len(self._known_places) >= 16

    @property
    def small(self) -> bool:
        """Whether an exact search is quick."""
        return len(self.places) * len(self._known_places) <= EXACT

    def start(self, coarse: PatchField) -> None:
        """Take the sources of the same picture at a smaller size, moved to where they lie here."""
        (height, width), (rows, columns) = self.hole.shape, coarse.hole.shape
        above = np.minimum(self.places * [rows, columns] // [height, width], [rows - 1, columns - 1])
        which = coarse._index[above[:, 0], above[:, 1]]
        moves = (coarse.sources[which] - above) * [height / rows, width / columns]
        self.sources = np.where(which[:, None] < 0, 0, moves.round().astype(np.int64)) + self.places
        self.sources = np.clip(self.sources, 0, [height - 1, width - 1])
        wrong = ~self._known[self.sources[:, 0], self.sources[:, 1]]
        # Any other place is a start: the search goes on from what the neighbours have.
        chosen = np.random.default_rng(0).integers(0, len(self._known_places), int(wrong.sum()))
        self.sources[wrong] = self._known_places[chosen]

    def search(self, picture: Floats) -> None:
        """Find the very best source of each place in a picture [h w 3]."""
        features = self._features(picture)
        known = features[self._known_places[:, 0], self._known_places[:, 1]]
        ours = features[self.places[:, 0], self.places[:, 1]]
        # sum w (a - b)^2 without sum w a^2, which is the same for all b.
        right = np.concatenate([known**2, known], axis=1).T
        left = np.concatenate([self._weights, -2 * self._weights * ours], axis=1)
        size = max(1, _BLOCK // len(known))
        best = [(left[row : row + size] @ right).argmin(axis=1) for row in range(0, len(left), size)]
        self.sources = self._known_places[np.concatenate(best)]

    def carry(self, picture: Floats, *, jitter: bool) -> None:
        """Carry good sources on to neighbours, and look one pixel around each; sets ``costs``."""
        features = self._features(picture)
        self.costs = self._cost(features, self.sources, np.arange(len(self.places)))
        for steps in (_NEIGHBOURS, _FARTHER):
            for step in steps:
                beside = self.places + step
                inside = self._inside(beside)
                which = np.where(inside, self._index[tuple(np.where(inside[:, None], beside, 0).T)], -1)
                self._try(features, self.sources[which] - step, which >= 0, (1 - COHERENCE, 1.0))
            for step in _NEIGHBOURS if jitter else ():
                everywhere = np.ones(len(self.places), np.bool_)
                self._try(features, self.sources + step, everywhere, (1.0, 1 - COHERENCE))

    def vote(self, picture: Floats, where: Mask) -> Floats:
        """Let all patches over a pixel vote on its colour.

        Args:
            picture: [h w 3].
            where: [h w], pixels that get a new colour; all others keep theirs.
        """
        weights = self._votes
        total, weight = np.zeros_like(picture), np.zeros(where.shape, np.float32)
        reach = SIDE // 2
        for row in range(-reach, reach + 1):
            for column in range(-reach, reach + 1):
                step = np.array([row, column])
                target, source = self.places + step, self.sources + step
                both = self._inside(target) & self._inside(source)
                (y, x), (from_y, from_x) = target[both].T, source[both].T
                total[y, x] += picture[from_y, from_x] * weights[both, None]
                weight[y, x] += weights[both]
        voted = where & (weight > 0)
        safe = np.where(voted, weight, np.float32(1))
        return np.where(voted[..., None], total / safe[..., None], picture)

    def moves(self) -> tuple[Places, Places]:
        """How many rows and columns away each place's source is, [h w] each; 0 where none is needed."""
        rows, columns = np.zeros((2, *self.hole.shape), np.int64)
        rows[self.near], columns[self.near] = (self.sources - self.places).T
        return rows, columns

    def _features(self, picture: Floats) -> Floats:
        return np.concatenate([_windows(picture), self._guide * np.float32(GUIDE)], axis=2)

    def _cost(self, features: Floats, sources: Places, which: Places) -> Floats:
        ours = features[self.places[which, 0], self.places[which, 1]]
        theirs = features[sources[:, 0], sources[:, 1]]
        ours -= theirs
        ours *= ours
        ours *= self._weights[which]
        return np.asarray(ours.sum(axis=1))

    def _try(self, features: Floats, sources: Places, valid: Mask, factors: tuple[float, float]) -> None:
        """Take those of the proposed sources that are better; ``factors`` of their and our costs."""
        valid = valid & self._inside(sources)
        which = np.flatnonzero(valid)
        proposed = sources[which]
        known = self._known[proposed[:, 0], proposed[:, 1]] & (proposed != self.sources[which]).any(axis=1)
        which, proposed = which[known], proposed[known]
        costs = self._cost(features, proposed, which)
        better = costs * factors[0] < self.costs[which] * factors[1]
        self.sources[which[better]], self.costs[which[better]] = proposed[better], costs[better]

    def _inside(self, places: Places) -> Mask:
        return np.asarray(((places >= 0) & (places < self.hole.shape)).all(axis=1))


def _windows(picture: Floats) -> Floats:
    """The patch around each pixel, mirrored at the edges: [h w c] -> [h w SIDE*SIDE*c], channels first."""
    reach = SIDE // 2
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    views = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE), axis=(0, 1))
    return views.reshape(*picture.shape[:2], -1).astype(np.float32, copy=False)
