"""Contrast: the photograph's own where it is known, its neighbours' in the hole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.detail.contrast import contrast


def test_a_ramp_has_its_slope_everywhere() -> None:
    rows, columns = np.mgrid[:40, :50]
    ramp = np.repeat((2 * rows + 6 * columns)[..., None], 3, axis=2).astype(np.float32)
    hole = np.zeros((40, 50), np.bool_)
    hole[10:30, 15:25] = True
    ramp[hole] = 99
    found = contrast(ramp, hole)
    assert found.shape == (40, 50, 1)
    np.testing.assert_allclose(found[5:-5, 5:-5], 4, rtol=0.1)  # the mean of both directions


def test_flat_and_rough_halves_are_told_apart_and_continued() -> None:
    picture = np.full((48, 96, 3), 100, np.float32)
    picture[:, 48:] += np.where(np.arange(48) % 2, 20, -20)[None, :, None]
    hole = np.zeros((48, 96), np.bool_)
    hole[16:32, 8:24] = hole[16:32, 72:88] = True
    found = contrast(picture, hole)[..., 0]
    assert found[16:32, 8:24].max() < 1
    np.testing.assert_allclose(found[16:32, 72:88], 20, rtol=0.1)  # 40 across, 0 down


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99), st.floats(0, 1))
def test_what_the_hole_holds_has_no_influence(height: int, width: int, seed: int, share: float) -> None:
    chance = np.random.default_rng(seed)
    picture = chance.uniform(0, 255, (height, width, 3)).astype(np.float32)
    hole = chance.random((height, width)) < share
    other = np.where(hole[..., None], np.float32(7), picture)
    found = contrast(picture, hole)
    assert np.array_equal(found, contrast(other, hole))
    assert np.isfinite(found).all()
    assert found.min() >= 0
