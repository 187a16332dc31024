"""Sources of patches: known ones only, the best ones, and the same ones each time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.engine.detail.patches import FALL, GUIDE, SIDE, PatchField, depth, widened


def stripes(height: int, width: int, period: int = 6) -> np.ndarray:
    levels = np.where(np.arange(width) % period < period // 2, 40, 200).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(levels[None, :, None], (height, width, 3)))


def box_hole(height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), np.bool_)
    hole[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
    return hole


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(0, 9), st.integers(0, 999))
def test_depth_and_width_are_chessboard_distances(height: int, width: int, steps: int, seed: int) -> None:
    hole = np.random.default_rng(seed).random((height, width)) < 0.6
    known = np.argwhere(~hole)
    for place in np.argwhere(np.ones_like(hole)):
        distances = np.abs(known - place).max(axis=1) if len(known) else np.array([99])
        assert depth(hole, 7)[tuple(place)] == min(7, distances.min())
        assert widened(~hole, steps)[tuple(place)] == (distances.min() <= steps)


def test_exact_search_finds_what_comparing_all_pairs_finds() -> None:
    rng = np.random.default_rng(0)
    picture, hole = rng.uniform(0, 255, (24, 22, 3)).astype(np.float32), box_hole(24, 22)
    guide = rng.uniform(0, 255, (24, 22, 3)).astype(np.float32)
    field = PatchField(hole, guide)
    field.search(picture)
    reach = SIDE // 2
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    trust = np.pad(FALL ** -depth(hole, 12), reach, mode="symmetric")
    known = np.argwhere(~field.near)
    for place, source in zip(field.places[::7], field.sources[::7], strict=True):
        weight = trust[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]
        weight = (weight / weight.mean())[..., None]
        patch = padded[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]

        def cost(other: np.ndarray, weight: np.ndarray, patch: np.ndarray, place: np.ndarray) -> float:
            theirs = padded[other[0] : other[0] + SIDE, other[1] : other[1] + SIDE]
            guided = (GUIDE * (guide[tuple(place)] - guide[tuple(other)])) ** 2
            return float((weight * (patch - theirs) ** 2).sum() + guided.sum())

        least = min(cost(other, weight, patch, place) for other in known)
        assert cost(source, weight, patch, place) <= least * 1.0001


def test_sources_are_known_and_carrying_them_on_never_costs_more() -> None:
    picture, hole = stripes(40, 48), box_hole(40, 48)
    noisy = picture + np.random.default_rng(0).normal(0, 20, picture.shape).astype(np.float32)
    coarse = PatchField(box_hole(20, 24), noisy[::2, ::2])
    coarse.search(noisy[::2, ::2])
    field = PatchField(hole, noisy)
    field.start(coarse)
    field.carry(noisy, jitter=False)
    first = field.costs.copy()
    assert not field.near[tuple(field.sources.T)].any()
    for _ in range(3):
        field.carry(noisy, jitter=True)
        assert not field.near[tuple(field.sources.T)].any()
    assert field.costs.mean() < first.mean()


def test_votes_repeat_a_pattern_and_leave_all_else_alone() -> None:
    picture, hole = stripes(48, 48), box_hole(48, 48)
    grey = np.where(hole[..., None], np.float32(120), picture)
    field = PatchField(hole, np.full_like(picture, 120))
    current = grey
    for _ in range(8):
        field.search(current)
        field.carry(current, jitter=False)
        current = field.vote(current, hole)
    np.testing.assert_array_equal(current[~hole], picture[~hole])
    assert np.abs(current - picture)[hole].mean() < 0.25 * np.abs(grey - picture)[hole].mean()


def test_moves_lead_from_each_place_to_its_source() -> None:
    picture, hole = stripes(30, 36), box_hole(30, 36)
    field = PatchField(hole, picture)
    field.search(picture)
    rows, columns = field.moves()
    np.testing.assert_array_equal(field.places[:, 0] + rows[field.near], field.sources[:, 0])
    np.testing.assert_array_equal(field.places[:, 1] + columns[field.near], field.sources[:, 1])
    assert not rows[~field.near].any()


def test_a_picture_without_known_patches_cannot_be_used() -> None:
    assert not PatchField(np.ones((20, 20), np.bool_), np.zeros((20, 20, 3), np.float32)).usable
    nearly = np.ones((20, 20), np.bool_)
    nearly[0] = False  # no patch is known as a whole, but pixels are
    assert PatchField(nearly, np.zeros((20, 20, 3), np.float32)).usable
