"""Several answers to one hole: candidates drawn from the network, kept if they differ from earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twofold.devices import derive_seed
from twofold.engine.backends.tile_network import TileNetwork
from twofold.engine.crops.tiles import Tile
from twofold.inpainter import Progress, Sample

STEPS = 100
"""Steps of progress that one answer to one tile counts."""
NEAR = 2.0
"""Pictures that differ by less than this in their missing pixels, in levels of 255 on average, are one
picture to the eye: rounding and fine grain make about 1; 40 levels in a twentieth of the hole make 2."""
MOST_ATTEMPTS = 4
"""A sample is drawn again up to so many times."""

Request = tuple[int, int]
"""Index of a sample, and which attempt at it, from 0."""
Finish = Callable[[npt.NDArray[np.generic], Tile], npt.NDArray[np.generic]]
"""Of a network's answer to a tile: what the picture holds at the tile's own missing pixels, [m] or [m c]."""


class Sampler:
    """Draws candidates: answers of a network to all tiles of one picture, by the seeds of index and attempt.

    A candidate is a ``Sample`` whose image holds the missing pixels only, tile after tile, [m] or [m c].

    Args:
        network: fills tiles.
        tiles: the largest first; every missing pixel is in exactly one.
        finish: gives what a tile's answer puts into the picture.
        seed: that of the whole call.
        options: how the network samples; None: it gives one best answer.
        progress: called with the steps done and expected; see ``expect``.
    """

    def __init__(
        self,
        network: TileNetwork,
        tiles: Sequence[Tile],
        finish: Finish,
        *,
        seed: int,
        options: Any,
        progress: Progress | None = None,
    ) -> None:
        self._network, self._tiles, self._finish = network, tiles, finish
        self._seed, self._options, self._progress = seed, options, progress
        self._done = self._expected = 0

    def expect(self, answers: int) -> None:
        """Count so many answers more to the steps that progress is told of; drawing again counts itself."""
        self._expected += answers * len(self._tiles) * STEPS

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """Draw a candidate for each request; the network gets all of them as one batch of seeds."""
        self.expect(sum(attempt > 0 for _, attempt in requests))
        answered: list[list[Sample]] = []
        for place, tile in enumerate(self._tiles):
            seeds = [_seed_of(self._seed, request, place) for request in requests]
            start, steps = self._done, len(seeds) * STEPS

            def within(done: int, total: int, start: int = start, steps: int = steps) -> None:
                self._tell(start + min(steps, steps * done // max(1, total)))

            answers = self._network.fill(tile.image, tile.hole, seeds, self._options, progress=within)
            self._tell(start + steps)
            answered.append([replace(one, image=self._finish(one.image, tile)) for one in answers])
        return [_joined(parts, self._tiles) for parts in zip(*answered, strict=True)]

    def _tell(self, done: int) -> None:
        self._done = done
        if self._progress is not None:
            self._progress(done, self._expected)


def _seed_of(seed: int, request: Request, place: int) -> int:
    index, attempt = request
    return derive_seed(seed, index, place, attempt) if attempt else derive_seed(seed, index, place)


def _joined(parts: Sequence[Sample], tiles: Sequence[Tile]) -> Sample:
    """One candidate of its tiles' answers: the views of the first (largest), and figures of all."""
    likelihoods = [part.log_likelihood for part in parts if part.log_likelihood is not None]
    scores = [part.score for part in parts if part.score is not None]
    areas = [int(tile.own.sum()) for tile in tiles]
    return replace(
        parts[0],
        image=np.concatenate([part.image for part in parts]),
        structure=tiles[0].inside(parts[0].structure),
        texture=tiles[0].inside(parts[0].texture),
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
    return float(np.abs(_colours(one) - _colours(other)).mean()) / scale


def _colours(candidate: Sample) -> npt.NDArray[np.int32]:
    missing = candidate.image.astype(np.int32)
    return missing[:, :3] if missing.ndim == 2 else missing
