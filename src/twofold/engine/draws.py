"""Draw answers from a network: all crops of one photograph, many seeds at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.devices import derive_seed
from twofold.engine.crops import Crop, Tile, answer_values
from twofold.engine.detail import Detail, detailed_values, merged_tile, wants_detail, wants_merging
from twofold.engine.tile_network import TileAnswers, TileNetwork
from twofold.inpainter import Progress

STEPS = 100
"""Steps of progress that one answer to one crop counts."""

Request = tuple[int, int]
"""Index of a sample, and which attempt at it, from 0."""


@dataclass(frozen=True, eq=False)
class Draw:
    """One answer to all crops, and what the network knows of it.

    Attributes:
        missing: what the filled picture holds at its missing pixels, crop after crop, [m] or [m c].
        structure: of the largest crop, uint8 [h w 3], or None.
        texture: the same.
        codes: of the largest crop, [h w], or None.
        log_likelihood: sum over the crops, or None.
        score: mean over the crops by missing pixels, or None.
    """

    missing: npt.NDArray[np.generic]
    structure: npt.NDArray[np.uint8] | None = None
    texture: npt.NDArray[np.uint8] | None = None
    codes: npt.NDArray[np.int64] | None = None
    log_likelihood: float | None = None
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """A photograph, and its holes as the network sees them.

    Attributes:
        pixels: the photograph, of any kind that ``cut`` takes.
        crops: the largest first; every missing pixel is in exactly one.
        tiles: the crops as squares.
        hole: [h w] of the photograph, True = missing.
        detail: where answers get detail of their surroundings.
    """

    pixels: npt.NDArray[np.generic]
    crops: Sequence[Crop]
    tiles: Sequence[Tile]
    hole: npt.NDArray[np.bool_]
    detail: Detail = "auto"

    def values(self, place: int, answer: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        """The missing pixels of one crop by an answer uint8 [size size 3] to its tile, [m] or [m c]."""
        crop, tile = self.crops[place], self.tiles[place]
        if wants_detail(crop, tile, self.detail):
            values = detailed_values(self.pixels, self.hole, answer, tile, crop)
            if values is not None:
                return values
        if wants_merging(crop, tile, self.detail):
            answer = merged_tile(answer, tile)
        return answer_values(self.pixels, answer, tile, crop)

    def filled(self, missing: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """A copy of the photograph with these values at its missing pixels, crop after crop."""
        picture, start = self.pixels.copy(), 0
        for crop in self.crops:
            end = start + int(crop.own.sum())
            picture[crop.window.slices][crop.own] = missing[start:end]
            start = end
        return picture


class Drawing:
    """Draws answers to one scene by the seeds of their index and attempt."""

    def __init__(
        self,
        network: TileNetwork,
        scene: Scene,
        seed: int,
        *,
        progress: Progress | None = None,
    ) -> None:
        """Take what all draws share.

        Args:
            network: fills tiles.
            scene: with at least one crop.
            seed: that of the whole call.
            progress: called with the steps done and expected; see ``expect``.
        """
        self._network, self._scene, self._seed = network, scene, seed
        self._progress = progress
        self._done = self._expected = 0

    def expect(self, answers: int) -> None:
        """Count so many answers more to the steps that progress is told of; drawing again counts itself."""
        self._expected += answers * len(self._scene.crops) * STEPS

    def __call__(self, requests: Sequence[Request]) -> list[Draw]:
        """Draw an answer for each request; the network gets all of them as one batch of seeds."""
        self.expect(sum(attempt > 0 for _, attempt in requests))
        parts = [self._crop(place, requests) for place in range(len(self._scene.crops))]
        areas = np.array([crop.own.sum() for crop in self._scene.crops], np.float64)
        return [_joined([part[position] for part in parts], areas) for position in range(len(requests))]

    def _crop(self, place: int, requests: Sequence[Request]) -> list[Draw]:
        """The network's answers to one crop."""
        tile = self._scene.tiles[place]
        seeds = [_seed_of(self._seed, request, place) for request in requests]
        start, steps = self._done, len(seeds) * STEPS

        def within(done: int, total: int) -> None:
            self._tell(start + min(steps, steps * done // max(1, total)))

        answers = self._network.fill(tile.image, tile.hole, seeds, progress=within)
        self._tell(start + steps)
        missing = [self._scene.values(place, answer) for answer in answers.image]
        return [_draw(answers, position, missing[position], tile) for position in range(len(seeds))]

    def _tell(self, done: int) -> None:
        self._done = done
        if self._progress is not None:
            self._progress(done, self._expected)


def _seed_of(seed: int, request: Request, place: int) -> int:
    index, attempt = request
    return derive_seed(seed, index, place, attempt) if attempt else derive_seed(seed, index, place)


def _draw(answers: TileAnswers, position: int, missing: npt.NDArray[np.generic], tile: Tile) -> Draw:
    return Draw(
        missing,
        _picture(answers.structure, position, tile),
        _picture(answers.texture, position, tile),
        None if answers.codes is None else answers.codes[position],
        _number(answers.log_likelihood, position),
        _number(answers.score, position),
    )


def _joined(parts: Sequence[Draw], areas: npt.NDArray[np.float64]) -> Draw:
    """One draw of its crops': the views of the first (largest), and figures of all."""
    likelihoods = [part.log_likelihood for part in parts if part.log_likelihood is not None]
    scores = [part.score for part in parts if part.score is not None]
    whole = len(parts)
    return Draw(
        np.concatenate([part.missing for part in parts]),
        parts[0].structure,
        parts[0].texture,
        parts[0].codes,
        sum(likelihoods) if len(likelihoods) == whole else None,
        float(np.average(scores, weights=areas)) if len(scores) == whole else None,
    )


def _picture(view: npt.NDArray[np.uint8] | None, position: int, tile: Tile) -> npt.NDArray[np.uint8] | None:
    """A view as a picture, without the mirrored border of its tile."""
    if view is None:
        return None
    picture, content = view[position], tile.content
    scale = len(picture) / len(tile.hole)
    rows = _scaled(content.top, content.bottom, scale)
    return picture[rows, _scaled(content.left, content.right, scale)]


def _scaled(start: int, end: int, scale: float) -> slice:
    """The same part of a smaller axis; never empty, however thin the photograph is."""
    first = int(start * scale)
    return slice(first, max(first + 1, round(end * scale)))


def _number(values: npt.NDArray[np.float64] | None, position: int) -> float | None:
    return None if values is None else float(values[position])
