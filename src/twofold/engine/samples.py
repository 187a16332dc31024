"""Several answers to one hole: candidates drawn from the network, kept if they differ from earlier ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.devices import derive_seed, one_blas_thread
from twofold.engine.backends.tile_network import TileNetwork
from twofold.engine.crops.tiles import Tile, cut, cut_filled
from twofold.engine.crops.windows import Box, Window
from twofold.inpainter import Progress, Sample

STEPS = 100
"""Steps of progress that one answer to one tile counts."""
NEAR = 2.0
"""Pictures that differ by less than this in their missing pixels, in levels of 255 on average, are one
picture to the eye: rounding and fine grain make about 1; 40 levels in a twentieth of the hole make 2."""
BATCH = 1 << 16
"""Pixels of the tiles that are filled as one batch: what is saved is the cost of a call, which larger ones do
not feel."""
MOST_ATTEMPTS = 4
"""A sample is drawn again up to so many times."""

Request = tuple[int, int]
"""Index of a sample, and which attempt at it, from 0."""
Finish = Callable[[npt.NDArray[np.generic], Tile], npt.NDArray[np.generic]]
"""Of a network's answer to a tile: what the picture holds at the tile's own missing pixels, [m] or [m c]."""


class Sampler:
    """Draws candidates: answers of a network to all windows of a picture, by the seeds of index and attempt.

    A candidate is a ``Sample`` whose image holds the missing pixels only, window after window, [m] or [m c].
    Windows of a later turn are cut from what a candidate has filled so far.

    Args:
        network: fills tiles.
        image: the whole picture, of any kind that ``cut`` takes.
        hole: [h w], True = missing.
        windows: in the order of their turns, the largest first; every missing pixel is in exactly one.
        largest_size: side of the largest tiles; larger windows are scaled down.
        finish: gives what a tile's answer puts into the picture.
        seed: that of the whole call.
        options: how the network samples; None: it gives one best answer.
        progress: called with the steps done and expected; see ``expect``.
    """

    def __init__(
        self,
        network: TileNetwork,
        image: npt.NDArray[np.generic],
        hole: npt.NDArray[np.bool_],
        windows: Sequence[Window],
        *,
        largest_size: int,
        finish: Finish,
        seed: int,
        options: Any,
        progress: Progress | None = None,
    ) -> None:
        self._network, self._windows, self._finish = network, windows, finish
        self._image, self._hole, self._largest = image, hole, largest_size
        self._seed, self._options, self._progress = seed, options, progress
        self._done = self._expected = 0

    def expect(self, answers: int) -> None:
        """Count so many answers more to the steps that progress is told of; drawing again counts itself."""
        self._expected += answers * len(self._windows) * STEPS

    @one_blas_thread()
    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """Draw a candidate for each request; what the network can answer together, it gets as one batch."""
        self.expect(sum(attempt > 0 for _, attempt in requests))
        found: list[list[Sample]] = [[] for _ in requests]
        firsts: list[Tile] = []
        for places in self._batches():
            tiles = [
                [self._cut(place, one) for place in places]
                for one in (found if self._windows[places[0]].turn else found[:1])
            ]
            asked = [(request, place) for request in requests for place in places]
            seeds = [_seed_of(self._seed, request, place) for request, place in asked]
            start, steps = self._done, len(seeds) * STEPS

            def within(done: int, total: int, start: int = start, steps: int = steps) -> None:
                self._tell(start + min(steps, steps * done // max(1, total)))

            listed = [tile for row in tiles for tile in row]
            answers = self._network.fill(
                np.stack([tile.image for tile in listed]),
                np.stack([tile.hole for tile in listed]),
                seeds,
                self._options,
                progress=within,
            )
            self._tell(start + steps)
            firsts.append(tiles[0][0])
            for number, answer in enumerate(answers):
                request, column = divmod(number, len(places))
                tile = tiles[request if len(tiles) > 1 else 0][column]
                found[request].append(replace(answer, image=self._finish(answer.image, tile)))
        return [_joined(one, self._windows, firsts[0]) for one in found]

    def _batches(self) -> list[list[int]]:
        """Numbers of windows that are asked for together: of one turn and size, up to ``BATCH`` pixels.

        A network that samples gets its windows one by one, each by all seeds.
        """
        places, batches = range(len(self._windows)), []
        for (_, side), alike in groupby(places, key=self._kind):
            together = 1 if self._options is not None else max(1, BATCH // side**2)
            found = list(alike)
            batches += [found[first : first + together] for first in range(0, len(found), together)]
        return batches

    def _kind(self, place: int) -> tuple[int, int]:
        """Turn and tile size of a window."""
        window = self._windows[place]
        return window.turn, self._tile_size(window.box)

    def _cut(self, place: int, found: Sequence[Sample]) -> Tile:
        window = self._windows[place]
        turn, size = self._kind(place)
        if turn == 0:
            return cut(self._image, self._hole, window, size)
        earlier = [
            (other, one.image) for other, one in zip(self._windows, found, strict=False) if other.turn < turn
        ]
        return cut_filled(self._image, self._hole, window, size, earlier)

    def _tile_size(self, box: Box) -> int:
        """The smallest square that the network takes and that holds the window, up to the largest size."""
        multiple = self._network.size_multiple
        needed = -(-max(box.height, box.width) // multiple) * multiple
        return max(least_size(self._network), min(needed, self._largest))

    def _tell(self, done: int) -> None:
        self._done = done
        if self._progress is not None:
            self._progress(done, self._expected)


def least_size(network: TileNetwork) -> int:
    """Side of the smallest tiles that a network fills well: one that is good at larger ones is at smaller."""
    return network.size_multiple if network.largest_size > network.native_size else network.native_size


def _seed_of(seed: int, request: Request, place: int) -> int:
    index, attempt = request
    return derive_seed(seed, index, place, attempt) if attempt else derive_seed(seed, index, place)


def _joined(parts: Sequence[Sample], windows: Sequence[Window], first: Tile) -> Sample:
    """One candidate of its windows' answers: the views of the first (largest), and figures of all."""
    likelihoods = [part.log_likelihood for part in parts if part.log_likelihood is not None]
    scores = [part.score for part in parts if part.score is not None]
    areas = [int(window.own.sum()) for window in windows]
    return replace(
        parts[0],
        image=np.concatenate([part.image for part in parts]),
        structure=first.inside(parts[0].structure),
        texture=first.inside(parts[0].texture),
        log_likelihood=sum(likelihoods) if len(likelihoods) == len(parts) else None,
        score=float(np.average(scores, weights=areas)) if len(scores) == len(parts) else None,
    )


class Selection:
    """Which candidate becomes each sample: its first attempt that is not near to any earlier sample.

    The rule looks at lower indices only, so a sample does not depend on how many follow. After the last
    attempt a sample stays as it is, near or not. All first attempts of a chunk are drawn at once, then one
    more attempt of every sample that looks near so far; what is drawn in vain thereby is thrown away and
    changes no sample.

    Args:
        samples: how many there will be.
        at_once: most samples of a chunk.

    Attributes:
        wanted: the candidates to draw next, as one batch, for ``add``; none once all samples are final.
    """

    def __init__(self, samples: int, at_once: int) -> None:
        self._samples, self._at_once = samples, at_once
        self._final: list[Sample] = []
        self._start_chunk()

    def _start_chunk(self) -> None:
        start = len(self._final)
        self._end = min(self._samples, start + self._at_once)
        self._drawn: dict[Request, Sample] = {}
        self._near: dict[tuple[Request, Request], bool] = {}
        self.wanted: list[Request] = [(index, 0) for index in range(start, self._end)]

    def add(self, candidates: Sequence[Sample]) -> list[Sample]:
        """Take the candidates that were wanted, and give the samples that are final by now, in order.

        They say their index, attempt and near twin; their image is the candidate's.
        """
        self._drawn.update(zip(self.wanted, candidates, strict=True))
        chosen, again = list(self._final), []
        for index in range(len(self._final), self._end):
            chosen.append(self._first_distinct(index, chosen))
            if chosen[-1].duplicate_of is not None and chosen[-1].attempt < MOST_ATTEMPTS:
                again.append((index, chosen[-1].attempt + 1))
        # What comes before the first sample that is drawn again is final: it looks at earlier ones only.
        end = again[0][0] if again else self._end
        new = chosen[len(self._final) : end]
        self._final += new
        if again:
            self.wanted = again
        else:
            self._start_chunk()
        return new

    def _first_distinct(self, index: int, before: Sequence[Sample]) -> Sample:
        """The first candidate of a sample that is near to none before it, else its last one so far."""
        attempt = 0
        while True:
            request = index, attempt
            twin = next((other.index for other in before if self._is_near(request, other)), None)
            if twin is None or (index, attempt + 1) not in self._drawn:
                return replace(self._drawn[request], index=index, attempt=attempt, duplicate_of=twin)
            attempt += 1

    def _is_near(self, request: Request, other: Sample) -> bool:
        key = request, (other.index, other.attempt)
        if key not in self._near:
            self._near[key] = difference(self._drawn[request], other) < NEAR
        return self._near[key]


def difference(one: Sample, other: Sample) -> float:
    """Mean absolute difference of two candidates over their missing pixels, in levels of 255.

    Alpha is the same in both and does not count.
    """
    scale = 257 if one.image.dtype == np.uint16 else 1
    return float(np.abs(_colors(one) - _colors(other)).mean()) / scale


def _colors(candidate: Sample) -> npt.NDArray[np.int32]:
    missing = candidate.image.astype(np.int32)
    return missing[:, :3] if missing.ndim == 2 else missing
