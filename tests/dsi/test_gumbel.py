"""Noise: reproducible, independent of everything but seed and position, and Gumbel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from twofold.dsi.gumbel import gumbel_row


def test_same_seed_and_row_give_same_noise():
    assert np.array_equal(gumbel_row(3, 2, width=4, codes=5), gumbel_row(3, 2, width=4, codes=5))


@pytest.mark.parametrize(("seed", "row"), [(4, 2), (3, 1), (2, 3)])
def test_other_seeds_and_rows_give_other_noise(seed, row):
    first, other = gumbel_row(3, 2, width=4, codes=5), gumbel_row(seed, row, width=4, codes=5)
    assert not np.isclose(first, other).any()


def test_columns_do_not_depend_on_the_width():
    assert np.array_equal(gumbel_row(3, 2, width=9, codes=5)[:4], gumbel_row(3, 2, width=4, codes=5))


def test_the_noise_is_gumbel():
    noise = gumbel_row(0, 0, width=100, codes=500).ravel()
    assert stats.kstest(noise, "gumbel_r").pvalue > 0.01
    assert np.isfinite(noise).all()


def test_the_noise_of_a_seed_never_changes():
    """Samples are promised by seed: these numbers stay."""
    expected = [-0.6492918801198193, 0.6600539052620635, -0.3672865347378372]
    np.testing.assert_allclose(gumbel_row(7, 1, width=1, codes=3)[0], expected, rtol=1e-12)


def test_extreme_random_numbers_stay_finite(monkeypatch):
    class Extremes:
        def random(self, shape):
            return np.resize([0.0, 1 - 2.0**-53], shape)

    monkeypatch.setattr(np.random, "Generator", lambda bits: Extremes())
    noise = gumbel_row(0, 0, width=1, codes=2)
    assert np.isfinite(noise).all()
    np.testing.assert_allclose(noise[0], [54 * np.log(2), -np.log(53 * np.log(2))])
