"""Pieces of the surroundings: known ones only, the best ones, the same ones each time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.engine.detail.contrast import contrast
from twofold.engine.detail.filters import blurred, depth, widened
from twofold.engine.detail.patchmatch import (
    PATTERN,
    REACH,
    PatchField,
    PatchSearch,
    copy_patches,
)


def stripes(height: int, width: int, period: int = 6) -> np.ndarray:
    levels = np.where(np.arange(width) % period < period // 2, 40, 200).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(levels[None, :, None], (height, width, 3)))


def box_hole(height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), np.bool_)
    hole[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
    return hole


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)


def test_a_pattern_continues_through_the_hole_from_a_grey_answer() -> None:
    picture, hole = stripes(128, 128), box_hole(128, 128)
    hole[50:80, 50:80] = True
    grey = np.where(hole[..., None], np.float32(120), picture)
    filled = copy_patches(grey, hole)
    assert filled is not None
    np.testing.assert_array_equal(filled.picture[~hole], picture[~hole])
    assert np.abs(filled.picture - picture)[hole].mean() < 0.25 * np.abs(grey - picture)[hole].mean()


def test_a_soft_answer_among_rough_surroundings_takes_rough_pieces() -> None:
    """Half of the photograph is flat grey: it fits a flat answer better, but lies far from the hole."""
    board = np.where(np.indices((96, 128)).sum(axis=0) % 2, 107, 147).astype(np.float32)
    picture, hole = np.repeat(board[..., None], 3, axis=2), np.zeros((96, 128), np.bool_)
    picture[:, :48] = 127
    hole[36:60, 84:108] = True
    answer = np.where(hole[..., None], np.float32(127), picture)

    def share_of_rough_sources(how: PatchSearch) -> float:
        field = PatchField(answer, hole, how)
        field.look()
        field.search()
        columns = np.indices(hole.shape)[1] + field.moves()[..., 1]
        return float((columns[hole] >= 48).mean())

    assert share_of_rough_sources(PatchSearch()) > 0.95
    assert share_of_rough_sources(PatchSearch(contrast=0.0)) < 0.7


def test_exact_search_finds_what_comparing_all_pairs_finds() -> None:
    picture, hole, how = noise(24, 22), box_hole(24, 22), PatchSearch()
    field = PatchField(picture, hole, how)
    field.look()
    field.search()
    moves = field.moves()
    padded = np.pad(picture, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="symmetric")
    trust = np.pad(how.trust ** -depth(hole, 12), REACH, mode="symmetric")
    colors = blurred(picture, how.guide_blur) * how.guide
    guide = np.concatenate([colors, contrast(picture, hole) * how.contrast], axis=2)

    def cost(place: np.ndarray, source: np.ndarray) -> float:
        total = weight = 0.0
        for row, column in PATTERN:
            step = np.array([row + REACH, column + REACH])
            here, there = tuple(place + step), tuple(source + step)
            one = trust[here] * math.exp(-(row**2 + column**2) / (2 * REACH**2))
            total += one * float(((padded[here] - padded[there]) ** 2).sum())
            weight += one
        return total / weight + float(((guide[tuple(place)] - guide[tuple(source)]) ** 2).sum())

    near = widened(hole, REACH)
    known = np.argwhere(~near)
    for place in np.argwhere(near)[::17]:
        found = place + moves[tuple(place)]
        least = min(cost(place, other) for other in known)
        assert cost(place, found) <= least * 1.0001


def test_improving_never_costs_more_and_sources_stay_known() -> None:
    picture, hole = stripes(64, 72) + noise(64, 72) / 10, box_hole(64, 72)
    field = PatchField(picture, hole, PatchSearch())
    field.start(np.zeros((32, 36, 2), np.int64), picture[::2, ::2])
    near, costs = widened(hole, REACH), []
    for turn in range(4):
        field.look()
        field.improve(turn)
        moves = field.moves()[near]
        assert not near[tuple((np.argwhere(near) + moves).T)].any()
        costs.append(float(field._costs.sum()))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 70), st.integers(1, 70), st.floats(0.01, 0.999), st.integers(0, 999))
def test_any_size_and_hole_is_filled_alike_each_time_within_the_colours_there_are(
    height: int, width: int, share: float, seed: int
) -> None:
    picture = noise(height, width, seed)
    hole = np.random.default_rng(seed).random((height, width)) < share
    one, two = copy_patches(picture, hole), copy_patches(picture, hole)
    if one is None:
        assert not hole.any() or np.count_nonzero(~hole) < 64
        return
    assert two is not None
    np.testing.assert_array_equal(one.picture, two.picture)
    np.testing.assert_array_equal(one.moves, two.moves)
    np.testing.assert_array_equal(one.picture[~hole], picture[~hole])
    assert one.picture.shape == picture.shape
    assert np.isfinite(one.picture).all()
    assert one.picture.min() >= picture.min() - 1e-3
    assert one.picture.max() <= picture.max() + 1e-3
    places = np.argwhere(one.used)
    sources = places + one.moves[one.used]
    assert not hole[tuple(sources.T)].any()
    assert not one.moves[~one.used].any()


def test_coherent_places_copy_from_places_next_to_each_other() -> None:
    picture, hole = noise(96, 96), box_hole(96, 96)

    def broken(how: PatchSearch) -> float:
        copied = copy_patches(picture, hole, how)
        assert copied is not None
        return float((np.diff(copied.moves, axis=1) != 0).any(axis=2)[hole[:, 1:]].mean())

    assert broken(PatchSearch(coherence=0.3, chance=())) < 0.8 * broken(PatchSearch(chance=()))


@pytest.mark.parametrize("known", [0, 5])
def test_a_picture_with_hardly_a_known_pixel_has_nothing_to_copy(known: int) -> None:
    hole = np.ones((40, 40), np.bool_)
    hole[0, :known] = False
    assert copy_patches(noise(40, 40), hole) is None
    assert copy_patches(noise(40, 40), np.zeros((40, 40), np.bool_)) is None
