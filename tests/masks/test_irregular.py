from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.masks.irregular import blobs, irregular, scratches, stains


@given(fraction=st.floats(0.001, 0.9), seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_stains_cover_exactly_the_asked_number_of_pixels(fraction, seed):
    hole = stains(50, 70, np.random.default_rng(seed), fraction)
    assert hole.sum() == max(1, round(fraction * 3500))


def test_stains_are_connected_regions_not_scattered_pixels():
    hole = stains(128, 128, np.random.default_rng(0), 0.2)
    borders = (hole[:, 1:] != hole[:, :-1]).mean()
    assert borders < 0.25 * 2 * 0.2 * 0.8  # independent pixels of this density change at 2 p (1 - p)


@pytest.mark.parametrize("maker", [blobs, scratches])
def test_the_area_of_a_layer_is_near_its_aim(maker):
    areas = [maker(128, 128, np.random.default_rng(seed), 0.15).mean() for seed in range(60)]
    assert 0.06 < np.mean(areas) < 0.2


@pytest.mark.parametrize("maker", [stains, blobs, scratches, irregular])
@pytest.mark.parametrize("size", [(1, 1), (2, 40), (33, 17)])
def test_every_maker_leaves_a_hole_of_the_right_shape_at_any_size(maker, size):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        hole = maker(*size, rng) if maker is irregular else maker(*size, rng, 0.1)
        assert hole.shape == size
        assert hole.dtype == np.bool_
        assert hole.any()


def test_the_same_seed_gives_the_same_mask():
    first, again, other = (irregular(64, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
