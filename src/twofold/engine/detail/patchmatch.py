"""Copy known patches of a tile into its hole, guided by a network's answer, at the tile's own resolution.

Coarse to fine, as Wexler, Shechtman and Irani ("Space-Time Completion of Video", PAMI 2007) complete
pictures, with the search of Barnes, Shechtman, Finkelstein and Goldman ("PatchMatch", SIGGRAPH 2009). The
network's answer is what the coarsest size starts from, and what sources resemble by and large; but it is
soft, so how rough sources are is said by the photograph around the hole.
No chance is in it: one picture, one result.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.engine.detail.contrast import contrast
from twofold.engine.detail.filters import Floats, Mask, blurred, depth, widened

REACH = 2
"""A patch is a square of 2 REACH + 1 pixels."""
LEAST_SIDE = 16
"""No side of a picture is halved to less than this many pixels."""
DEEPEST = 12
"""From this depth on all pixels are alike."""
EXACT = 8_000_000
"""Pairs of patches that are compared one by one; of more, only what neighbours and chance propose."""
LEAST_KNOWN = 16
"""Fewer known patches than this are nothing to copy from."""
PATTERN = [
    (row, column)
    for row in range(-REACH, REACH + 1)
    for column in range(-REACH, REACH + 1)
    if (row + column) % 2 == 0
]
"""The pixels of a patch that are compared: every other one, as neighbours hardly differ."""
GUIDES = 4
"""Numbers that guide each patch: three colours and the contrast."""
_BLOCK = 1 << 22
_ROWS = 1 << 12
_STEPS = (((0, 1), (1, 0), (0, -1), (-1, 0)), ((0, 2), (2, 0), (0, -2), (-2, 0)))

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PatchSearch:
    """What makes a known patch a good source; the figures were chosen on training photographs.

    Attributes:
        rounds: how often sources are found and vote, from the coarsest size on; each is half of the next.
        chance: how far around its source a place looks at random in each round, in pixels.
        trust: a patch's missing pixel counts less by this factor with each pixel of depth in the hole.
        vote: the vote of a patch counts less by this factor with each pixel of depth of its middle.
        guide: weight of the blurred colours that guide the search, where all of a patch has 1.
        guide_blur: standard deviation of that blur, in pixels of each size.
        contrast: weight of the contrast that guides the search.
        coherence: places next to each other copy from places next to each other unless others are better by
            this share; 0: the best is taken.
    """

    rounds: tuple[int, ...] = (4, 4, 6, 4)
    chance: tuple[int, ...] = (64, 16, 1, 1)
    trust: float = 4.0
    vote: float = 3.0
    guide: float = 0.7
    guide_blur: float = 2.5
    contrast: float = 1.5
    coherence: float = 0.0


@dataclass(frozen=True, eq=False)
class Copied:
    """A hole filled with pieces of its surroundings.

    Attributes:
        picture: [h w 3], the hole filled with what known patches vote for.
        moves: [h w 2], rows and columns from each place to the known patch for it; 0 where none is needed.
        used: [h w], True where one is needed: in the hole and next to it.
    """

    picture: Floats
    moves: Indices
    used: Mask


def copy_patches(whole: Floats, hole: Mask, how: PatchSearch | None = None) -> Copied | None:
    """Fill a hole with pieces of its surroundings.

    Args:
        whole: [h w 3], levels of 255: the network's answer in the hole, the photograph around it.
        hole: [h w], True = missing.
        how: what makes a good source; None: as ``PatchSearch()``.

    Returns:
        None if nothing is missing, or too little is known.
    """
    if not hole.any():
        return None
    how = how or PatchSearch()
    sizes = len(how.rounds)
    halvings = max(0, min(sizes - 1, int(math.log2(max(1.0, min(hole.shape) / LEAST_SIDE)))))
    picture: Floats | None = None
    moves: Indices | None = None
    for level in range(sizes - 1 - halvings, sizes):
        field = PatchField(*_reduced(whole, hole, 2 ** (sizes - 1 - level)), how)
        if not field.usable:
            continue
        exact = moves is None or field.small
        if picture is not None and moves is not None:
            field.start(moves, picture)
        for turn in range(how.rounds[level]):
            field.look()
            if exact:
                field.search()
            if not exact or how.coherence:
                field.improve(turn)
            field.vote()
        picture, moves = field.picture, field.moves()
    if picture is None or moves is None:
        return None
    return Copied(picture, moves, widened(hole, REACH))


class PatchField:
    """The patches of one picture that touch its hole, and the known patches they are copied from.

    Places are counted along the rows of the picture with a border of ``REACH`` pixels around it.
    """

    def __init__(self, network: Floats, hole: Mask, how: PatchSearch) -> None:
        """Take a picture, the network's answer in its hole.

        Args:
            network: [h w 3].
            hole: [h w], True = missing.
            how: what makes a good source.
        """
        self._coherence, self._chance = how.coherence, how.chance
        self._shape, self._row = hole.shape, hole.shape[1] + 2 * REACH
        self._near = widened(hole, REACH)
        known = ~self._near
        if np.count_nonzero(known) < 4 * LEAST_KNOWN:
            known = ~hole
        self._missing, self._places, self._known = map(
            self._count, map(np.nonzero, (hole, self._near, known))
        )
        self._canvas = _bordered(network).reshape(-1, 3)
        size = len(self._canvas)
        self._inside = np.zeros(size, np.int64)
        self._inside[self._count(np.nonzero(np.ones_like(hole)))] = np.arange(hole.size)
        self._known_inside, self._places_inside = self._inside[self._known], self._inside[self._places]
        self._is_known, self._index = np.zeros(size, np.bool_), np.full(size, -1, np.int64)
        self._is_known[self._known] = True
        self._index[self._places] = np.arange(len(self._places))
        colors = blurred(network, how.guide_blur) * np.float32(how.guide)
        self._guide = np.concatenate([colors, contrast(network, hole) * np.float32(how.contrast)], axis=2)
        deep = depth(hole, DEEPEST)
        self._votes = np.zeros(size, np.float32)
        self._votes[self._places] = how.vote ** -deep[self._near]
        self._weights = _patch_weights(how.trust**-deep)[self._near]
        self._sources = np.zeros(len(self._places), np.int64)
        self._costs = np.zeros(len(self._places), np.float32)
        self._theirs = self._ours = np.zeros((0, 0), np.float32)
        self._rng = np.random.default_rng(0)

    @property
    def usable(self) -> bool:
        """Whether there is enough to copy from."""
        return len(self._known) >= LEAST_KNOWN

    @property
    def small(self) -> bool:
        """Whether an exact search is quick."""
        return len(self._places) * len(self._known) <= EXACT

    def start(self, moves: Indices, coarse: Floats) -> None:
        """Take the sources found at half the size, and fill the picture from them.

        Args:
            moves: as ``moves`` gives them, of the coarser field.
            coarse: the coarser picture, filled, from which comes what has no source.
        """
        height, width = self._shape
        rows, columns = np.nonzero(self._near)
        source_rows = (rows + 2 * moves[rows // 2, columns // 2, 0]).clip(0, height - 1)
        source_columns = (columns + 2 * moves[rows // 2, columns // 2, 1]).clip(0, width - 1)
        sources = self._count((source_rows, source_columns))
        wrong = ~self._is_known[sources]
        # Any other place is a start: the search goes on from what the neighbours have.
        sources[wrong] = self._rng.choice(self._known, int(wrong.sum()))
        self._sources = sources
        around = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[:height, :width]
        canvas = self._canvas.copy()
        canvas[self._places] = np.where(wrong[:, None], around[self._near], self._canvas[sources])
        self._paint(canvas[self._missing])

    @property
    def picture(self) -> Floats:
        """The picture as it is now, [h w 3]."""
        return self._canvas.reshape(-1, self._row, 3)[REACH:-REACH, REACH:-REACH]

    def look(self) -> None:
        """Take the patches of the picture as it is now; known ones never change."""
        patches = self._patches()
        if not len(self._theirs):
            self._theirs = patches
        self._ours = patches[self._places_inside]

    def search(self) -> None:
        """Find the very best source of each place."""
        theirs = self._theirs[self._known_inside]
        # sum w (a - b)^2 without sum w a^2, which is the same for all b.
        right = np.concatenate([theirs * theirs, theirs], axis=1).T
        size = max(1, _BLOCK // len(theirs))
        for first in range(0, len(self._places), size):
            part = slice(first, first + size)
            weights = self._weights[part]
            left = np.concatenate([weights, -2 * weights * self._ours[part]], axis=1)
            self._sources[part] = self._known[(left @ right).argmin(axis=1)]

    def improve(self, turn: int) -> None:
        """Try the sources of neighbours, then chance around the source of each place.

        Args:
            turn: the number of the round; neighbours are at other distances in each.
        """
        everywhere = np.arange(len(self._places))
        self._costs = self._cost(everywhere, self._sources)
        for rows, columns in _STEPS[turn % len(_STEPS)]:
            step = rows * self._row + columns
            beside = self._index[self._places + step]
            which = np.flatnonzero(beside >= 0)
            self._try(which, self._sources[beside[which]] - step, 1 - self._coherence)
        height, width = self._shape
        for reach in self._chance:
            middles = np.divmod(self._sources, self._row)
            moves = self._rng.integers(-reach, reach + 1, (2, len(self._places)))
            down = (middles[0] - REACH + moves[0]).clip(0, height - 1)
            across = (middles[1] - REACH + moves[1]).clip(0, width - 1)
            self._try(everywhere, self._count((down, across)), 1 / (1 - self._coherence))

    def vote(self) -> None:
        """Let all patches over a missing pixel vote on its colour."""
        moves = np.zeros(len(self._index), np.int64)
        moves[self._places] = self._sources - self._places
        total = np.zeros((len(self._missing), 3), np.float32)
        weight = np.zeros((len(self._missing), 1), np.float32)
        for rows in range(-REACH, REACH + 1):
            for columns in range(-REACH, REACH + 1):
                middle = self._missing - (rows * self._row + columns)
                vote = self._votes[middle][:, None]
                total += self._canvas[self._missing + moves[middle]] * vote
                weight += vote
        self._paint(total / weight)

    def moves(self) -> Indices:
        """How many rows and columns away each place's source is, [h w 2]; 0 where none is needed."""
        moves = np.zeros((*self._shape, 2), np.int64)
        sources, places = np.divmod(self._sources, self._row), np.divmod(self._places, self._row)
        moves[self._near] = np.stack(sources, axis=1) - np.stack(places, axis=1)
        return moves

    def _count(self, places: tuple[npt.NDArray[np.integer], ...]) -> Indices:
        """Count rows and columns of the picture as places are counted."""
        return np.asarray((places[0] + REACH) * self._row + places[1] + REACH)

    def _paint(self, colors: Floats) -> None:
        """Give the missing pixels these colours [n 3], and the border around the picture its own."""
        self._canvas[self._missing] = colors
        self._canvas = _bordered(self.picture).reshape(-1, 3)

    def _patches(self) -> Floats:
        """The patch around each pixel and what guides, [h*w d]."""
        count = self._shape[0] * self._shape[1]
        canvas = self._canvas.reshape(-1, self._row, 3)
        patches = np.empty((count, 3 * len(PATTERN) + GUIDES), np.float32)
        for number, (rows, columns) in enumerate(PATTERN):
            part = canvas[REACH + rows : REACH + rows + self._shape[0], REACH + columns :][
                :, : self._shape[1]
            ]
            patches[:, 3 * number : 3 * number + 3] = part.reshape(count, 3)
        patches[:, -GUIDES:] = self._guide.reshape(count, GUIDES)
        return patches

    def _cost(self, which: Indices, sources: Indices) -> Floats:
        """The weighted squared difference of these places' patches and those of proposed sources."""
        costs = np.empty(len(which), np.float32)
        for first in range(0, len(which), _ROWS):
            part = slice(first, first + _ROWS)
            difference = self._theirs[self._inside[sources[part]]]
            difference -= self._ours[which[part]]
            difference *= difference
            difference *= self._weights[which[part]]
            costs[part] = difference.sum(axis=1)
        return costs

    def _try(self, which: Indices, sources: Indices, factor: float = 1.0) -> None:
        """Take those of the proposed sources that are better, their costs times ``factor``."""
        inside = (sources >= 0) & (sources < len(self._is_known))
        which, sources = which[inside], sources[inside]
        new = self._is_known[sources] & (sources != self._sources[which])
        which, sources = which[new], sources[new]
        costs = self._cost(which, sources)
        better = costs * np.float32(factor) < self._costs[which]
        self._sources[which[better]], self._costs[which[better]] = sources[better], costs[better]


def _bordered(picture: Floats) -> Floats:
    """The picture [h w 3] with its mirrored border around it."""
    return np.pad(picture, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="symmetric")


def _patch_weights(trust: Floats) -> Floats:
    """The weight of each value of the patch around each pixel, [h w d]; 1 in all a colour, 1 a guide."""
    height, width = trust.shape
    padded = np.pad(trust, REACH, mode="symmetric")
    weights = np.empty((height, width, len(PATTERN)), np.float32)
    for number, (rows, columns) in enumerate(PATTERN):
        near = math.exp(-(rows**2 + columns**2) / (2 * REACH**2))
        weights[..., number] = padded[REACH + rows :, REACH + columns :][:height, :width] * np.float32(near)
    weights /= weights.sum(axis=2, keepdims=True)
    guides = np.ones((height, width, GUIDES), np.float32)
    return np.concatenate([np.repeat(weights, 3, axis=2), guides], axis=2)


def _reduced(whole: Floats, hole: Mask, step: int) -> tuple[Floats, Mask]:
    """A picture and its hole at a fraction of their size: means of blocks; one is missing if any of it is."""
    height, width = hole.shape
    down, across = -height % step, -width % step
    even = np.pad(whole, ((0, down), (0, across), (0, 0)), mode="edge")
    shape = (even.shape[0] // step, step, even.shape[1] // step, step)
    missing = np.pad(hole, ((0, down), (0, across)), mode="edge").reshape(shape).any(axis=(1, 3))
    means = even.reshape(*shape, 3).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(means), np.asarray(missing)
