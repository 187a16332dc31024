"""Smooth surroundings: continued to a level, with their own grain, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.engine.detail.exemplar import find_exemplar
from twofold.engine.detail.merge import merged_answer
from twofold.engine.detail.smooth import smooth_surroundings

SIDE = 160


def sky(seed: int, *, grain: float = 0.0) -> np.ndarray:
    """A surface of second degree in each color."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((SIDE, SIDE)) / SIDE - 0.5
    terms = np.stack([rows, columns, rows * columns, rows**2, columns**2], axis=2)
    picture = rng.uniform(90, 150, 3) + terms @ rng.uniform(-50, 50, (5, 3))
    picture = picture + rng.normal(0, grain, (SIDE, SIDE, 1)) if grain else picture
    return picture.round().clip(0, 255).astype(np.uint8)


def disc(radius: int, row: int = SIDE // 2, column: int = SIDE // 2) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE))
    return np.hypot(rows - row, columns - column) < radius


def blotch(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """What a network makes of a sky."""
    waves = 12 * np.sin(np.indices((SIDE, SIDE)).sum(axis=0) / 9)[..., None]
    return np.where(hole[..., None], image + waves, image).clip(0, 255).astype(np.uint8)


def roughness(picture: np.ndarray, where: np.ndarray) -> float:
    """Root mean square of what neighbors differ by."""
    both = where[:, 1:] & where[:, :-1]
    return float((np.diff(picture.astype(float), axis=1)[both] ** 2).mean() ** 0.5)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999), st.integers(4, 45), st.integers(20, 140), st.integers(0, 159))
def test_a_clean_gradient_is_continued_to_a_level(seed: int, radius: int, row: int, column: int) -> None:
    image, hole = sky(seed), disc(radius, row, column)
    filled = merged_answer(image, blotch(image, hole), hole, calm=True)
    assert filled is not None
    touches = hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
    assert np.abs(filled.astype(int) - image).max() <= (3 if touches else 2)


@pytest.mark.parametrize("grain", [2, 5, 12])
@pytest.mark.parametrize("radius", [8, 40])
def test_grain_is_as_strong_as_around(grain: int, radius: int) -> None:
    hole = disc(radius)
    around = disc(2 * radius + 10) & ~disc(radius + 4)
    ratios = []
    for seed in range(3):
        image = sky(seed, grain=grain)
        filled = merged_answer(image, blotch(image, hole), hole, calm=True)
        assert filled is not None
        ratios.append(roughness(filled, hole) / roughness(image, around))
    assert 0.85 < np.mean(ratios) < 1.15


def test_what_is_not_smooth_is_left_to_the_network_and_the_pieces() -> None:
    rows, columns = np.indices((SIDE, SIDE))
    bricks = np.where((rows // 12 + columns // 12) % 2, 90, 160)[..., None].repeat(3, 2).astype(np.uint8)
    horizon = np.where(rows < SIDE // 2, 200, 60)[..., None].repeat(3, 2).astype(np.uint8)
    for image in (bricks, horizon):
        assert smooth_surroundings(image, disc(30)) is None
    assert smooth_surroundings(sky(0), np.ones((SIDE, SIDE), np.bool_)) is None
    assert smooth_surroundings(sky(0), np.zeros((SIDE, SIDE), np.bool_)) is None


def test_each_hole_has_surroundings_of_its_own() -> None:
    image = sky(3)
    image[:, SIDE // 2 :] = (
        np.random.default_rng(0)
        .integers(0, 2, (SIDE // 8, SIDE // 16, 1))
        .repeat(8, 0)
        .repeat(8, 1)
        .repeat(3, 2)
        * 150
    )
    smooth, rough = disc(12, 80, 35), disc(12, 80, 125)
    found = smooth_surroundings(image, smooth | rough)
    assert found is not None
    colors, share = found
    assert (share[smooth] == 1).all()
    assert (share[rough] == 0).all()
    assert np.abs(colors[smooth] - sky(3)[smooth]).max() < 1
    assert not share[~(smooth | rough)].any()


def test_what_the_hole_hides_has_no_influence() -> None:
    image, hole = sky(5, grain=4), disc(30)
    other = np.where(hole[..., None], np.uint8(7), image)
    answer = blotch(image, hole)
    np.testing.assert_array_equal(
        merged_answer(image, answer, hole, calm=True), merged_answer(other, answer, hole, calm=True)
    )


def test_broad_colors_of_a_window_that_was_scaled_are_those_of_the_surroundings() -> None:
    image, hole = sky(6), disc(40)
    exemplar = find_exemplar(image, blotch(image, hole), hole, calm=True)
    assert exemplar is not None
    np.testing.assert_allclose(exemplar.answer[hole], image[hole], atol=1.5)
    rows, columns = np.indices(hole.shape)
    copy = image[rows + exemplar.moves[..., 0], columns + exemplar.moves[..., 1]] + exemplar.correction
    assert np.percentile(np.abs(copy - image)[hole], 98) < 4
    assert np.abs(copy - image)[hole].mean() < 1
