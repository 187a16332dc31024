"""Bootstrap intervals and the paired test against closed forms and slow references."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from twofold.errors import InputError
from twofold.metrics import statistics
from twofold.metrics.statistics import bootstrap_interval, paired_test

values = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


def normal(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count)


def test_interval_of_many_values_is_the_normal_one():
    sample = normal(2000)
    low, high = bootstrap_interval(sample)
    half = 1.96 * sample.std() / np.sqrt(2000)
    assert low == pytest.approx(sample.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.1 * half)


def test_interval_agrees_with_scipys_percentile_bootstrap():
    sample = normal(40) ** 2
    theirs = stats.bootstrap(
        (sample,), np.mean, n_resamples=20_000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    ours = bootstrap_interval(sample, level=0.9, resamples=20_000)
    np.testing.assert_allclose(ours, (theirs.low, theirs.high), atol=0.02)


def test_two_values_have_the_three_means_of_their_resamples():
    assert bootstrap_interval([0.0, 1.0]) == (0, 1)
    low, high = bootstrap_interval([0.0, 1.0], level=0.4)
    assert (low, high) == (0.5, 0.5)  # half of the resamples have one of each


@given(values, st.integers(0, 5))
def test_interval_lies_among_the_values_and_equal_seeds_give_equal_intervals(sample, seed):
    low, high = bootstrap_interval(sample, resamples=50, seed=seed)
    slack = 1e-12 * (1 + max(map(abs, sample)))
    assert min(sample) - slack <= low <= high <= max(sample) + slack
    assert bootstrap_interval(sample, resamples=50, seed=seed) == (low, high)


@given(st.floats(-1e6, 1e6), st.integers(1, 30))
def test_equal_values_give_exactly_themselves(value, count):
    assert bootstrap_interval([value] * count, resamples=20) == (value, value)


def test_a_higher_level_is_a_wider_interval():
    sample = normal(30)
    narrow, wide = bootstrap_interval(sample, level=0.5), bootstrap_interval(sample, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_blocks_change_memory_and_nothing_else(monkeypatch):
    sample, other = normal(50), normal(50, 1)
    whole = bootstrap_interval(sample), paired_test(sample, other).p
    monkeypatch.setattr(statistics, "_BLOCK", 64)
    assert bootstrap_interval(sample) == whole[0]
    # Sign flips are drawn as bytes, whose stream a block boundary may cut: the same test, other draws.
    assert paired_test(sample, other).p == pytest.approx(whole[1], abs=0.05)


def slow_p(differences: list[float]) -> float:
    """Every sign pattern, one after the other."""
    seen = abs(sum(differences))
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(one >= seen - 1e-9 for one in sums) / len(sums)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7))
def test_few_pictures_have_the_exact_p_of_all_sign_patterns(differences):
    zeros = [0] * len(differences)
    assert paired_test(differences, zeros, resamples=5).p == slow_p(differences)


@pytest.mark.parametrize("count", [1, 5, 12])
def test_all_pictures_better_by_the_same_has_the_closed_form(count):
    found = paired_test([0.3] * count, [0.1] * count)
    assert found.p == 2 / 2**count
    assert found.difference == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2)
    assert found.high == pytest.approx(0.2)


def test_drawn_p_is_near_the_binomial_one():
    # 20 equal differences, 14 of one sign: the sum is as far out as 14 or more, or 6 or fewer, heads.
    exact = 2 * sum(comb(20, heads) for heads in range(14, 21)) / 2**20
    found = paired_test([1.0] * 14 + [-1.0] * 6, [0.0] * 20, resamples=20_000)
    assert found.p == pytest.approx(exact, abs=0.01)


def test_drawn_p_is_never_zero():
    assert paired_test(np.full(100, 5.0), np.zeros(100), resamples=99).p == 1 / 100


@given(values)
def test_exchanging_the_models_turns_the_difference_and_keeps_p(sample):
    other = sample[::-1]
    one, two = paired_test(sample, other, resamples=50), paired_test(other, sample, resamples=50)
    assert one.difference == -two.difference
    assert one.p == two.p
    assert 0 < one.p <= 1


def test_same_values_are_no_difference_at_all():
    found = paired_test(normal(15), normal(15))
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_chance_alone_gives_small_p_as_often_as_it_should():
    rng = np.random.default_rng(3)
    small = [paired_test(rng.normal(size=(10,)), np.zeros(10), resamples=20).p <= 0.1 for _ in range(300)]
    assert 0.05 < np.mean(small) < 0.15


def test_unfit_values_and_options_are_refused():
    with pytest.raises(InputError, match="at least one"):
        bootstrap_interval([])
    with pytest.raises(InputError, match="list"):
        bootstrap_interval(np.zeros((2, 2)))
    with pytest.raises(InputError, match="inf 1 times"):
        bootstrap_interval([1.0, float("inf")])
    with pytest.raises(InputError, match="first has 2 values and second 3"):
        paired_test([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="level"):
        bootstrap_interval([1.0], level=95)
    with pytest.raises(InputError, match="resamples"):
        paired_test([1.0], [2.0], resamples=0)
