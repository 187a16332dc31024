"""Distances between sets: exact Gaussians, the formula by scipy, naive loops, other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from twofold.errors import InputError
from twofold.metrics.frechet import frechet_distance, kernel_distance


def features(rows: int, width: int, seed: int = 0) -> np.ndarray:
    """Correlated, not centred, not negative, as pooled features are."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.normal(size=(rows, width)) @ rng.normal(size=(width, width)) / 3 + rng.random(width))


def diagonal(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Rows whose mean and diagonal sample covariance are exactly these: two rows an axis."""
    width = len(mean)
    steps = np.concatenate([np.eye(width), -np.eye(width)]) * np.sqrt((2 * width - 1) / 2)
    return mean + steps * deviation


def test_diagonal_gaussians_have_the_closed_form():
    rng = np.random.default_rng(0)
    mean, other = rng.normal(size=(2, 6))
    deviation, wider = rng.random((2, 6)) * 3
    expected = ((mean - other) ** 2).sum() + ((deviation - wider) ** 2).sum()
    found = frechet_distance(diagonal(mean, deviation), diagonal(other, wider))
    assert found == pytest.approx(expected, rel=1e-10)


def test_a_deviation_of_zero_is_no_trouble():
    mean, deviation = np.zeros(5), np.array([1.0, 0, 2, 0, 0])
    assert frechet_distance(diagonal(mean, deviation), diagonal(mean, 0 * deviation)) == pytest.approx(5)


def slow_frechet(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The formula as it is written, with scipy's root of a product."""
    first, second = np.cov(ours, rowvar=False), np.cov(theirs, rowvar=False)
    apart = ((ours.mean(axis=0) - theirs.mean(axis=0)) ** 2).sum()
    return float(apart + np.trace(first + second - 2 * linalg.sqrtm(first @ second).real))


@pytest.mark.parametrize(("rows", "others"), [(60, 45), (30, 100), (24, 25)])
def test_agrees_with_scipys_matrix_root(rows, others):
    ours, theirs = features(rows, 20), features(others, 20, 1)
    assert frechet_distance(ours, theirs) == pytest.approx(slow_frechet(ours, theirs), rel=1e-8)


@pytest.mark.parametrize(("rows", "others"), [(7, 9), (8, 60), (21, 20)])
def test_fewer_rows_than_columns_agree_with_the_root_of_the_larger_set(rows, others):
    # The trace of (C1 C2)^(1/2) by the eigenvalues of a symmetric product, float64 numpy.
    ours, theirs = features(rows, 20), features(others, 20, 1)
    first, second = np.cov(ours, rowvar=False), np.cov(theirs, rowvar=False)
    values, vectors = np.linalg.eigh(second)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ first @ root).clip(min=0)).sum()
    apart = ((ours.mean(axis=0) - theirs.mean(axis=0)) ** 2).sum()
    expected = apart + np.trace(first) + np.trace(second) - 2 * overlap
    assert frechet_distance(ours, theirs) == pytest.approx(expected, rel=1e-5)


def test_agrees_with_torchmetrics():
    module = pytest.importorskip("torchmetrics.image.fid")
    ours, theirs = features(90, 16), features(70, 16, 1)
    moments = [
        torch.from_numpy(moment)
        for one in (ours, theirs)
        for moment in (one.mean(axis=0), np.cov(one, rowvar=False))
    ]
    assert frechet_distance(ours, theirs) == pytest.approx(float(module._compute_fid(*moments)), rel=1e-9)


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 6), st.integers(0, 9))
def test_not_negative_symmetric_and_zero_for_the_same(rows, others, width, seed):
    ours, theirs = features(rows, width, seed), features(others, width, seed + 1)
    scale = np.abs(ours).max() ** 2 + np.abs(theirs).max() ** 2
    found = frechet_distance(ours, theirs)
    assert found >= 0
    assert frechet_distance(theirs, ours) == pytest.approx(found, rel=1e-6, abs=1e-6 * scale)
    assert frechet_distance(ours, ours) <= 1e-6 * scale
    assert frechet_distance(ours, ours + 2) == pytest.approx(4 * width, rel=1e-5, abs=1e-6 * scale)


def slow_mmd(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Pair by pair."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    within = [
        np.mean([kernel(x, y) for i, x in enumerate(one) for j, y in enumerate(one) if i != j])
        for one in (ours, theirs)
    ]
    return sum(within) - 2 * np.mean([kernel(x, y) for x in ours for y in theirs])


@pytest.mark.parametrize("others", [6, 9])
def test_kernel_distance_of_small_sets_is_one_estimate_pair_by_pair(others):
    ours, theirs = features(6, 4), features(others, 4, 1)
    mean, deviation = kernel_distance(ours, theirs)
    assert mean == pytest.approx(slow_mmd(ours, theirs))
    assert deviation == 0


def test_kernel_distance_of_two_points_has_the_closed_form():
    # One dimension: k(x, y) = (xy + 1)^3; two zeros against two ones: 1 + 8 - 2 = 7.
    assert kernel_distance(np.zeros((2, 1)), np.ones((2, 1)))[0] == 7


def test_kernel_distance_agrees_with_torchmetrics():
    module = pytest.importorskip("torchmetrics.image.kid")
    ours, theirs = features(40, 8), features(40, 8, 1)
    reference = float(module.poly_mmd(torch.from_numpy(theirs), torch.from_numpy(ours)))
    assert kernel_distance(ours, theirs)[0] == pytest.approx(reference, rel=1e-9)


def test_kernel_distance_of_one_distribution_is_near_zero_and_may_be_negative():
    rng = np.random.default_rng(0)
    found = [kernel_distance(rng.normal(size=(30, 4)), rng.normal(size=(30, 4)))[0] for _ in range(200)]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)


def test_subsets_scatter_about_the_estimate_of_all_rows_and_follow_the_seed():
    ours, theirs = features(300, 5), features(200, 5, 1)
    whole, _ = kernel_distance(ours, theirs)
    mean, deviation = kernel_distance(ours, theirs, subsets=60, size=100, seed=3)
    assert deviation > 0
    assert mean == pytest.approx(whole, abs=4 * deviation / np.sqrt(60))
    assert kernel_distance(ours, theirs, subsets=60, size=100, seed=3) == (mean, deviation)
    assert kernel_distance(ours, theirs, subsets=60, size=100, seed=4) != (mean, deviation)


def test_a_set_smaller_than_the_subsets_is_taken_whole():
    ours, theirs = features(10, 5), features(200, 5, 1)
    mean, deviation = kernel_distance(ours, theirs, subsets=200, size=100)
    assert deviation > 0
    assert mean == pytest.approx(slow_mmd(ours, theirs), rel=0.05)


def test_float32_features_are_measured_in_float64():
    ours, theirs = features(50, 6).astype(np.float32), features(50, 6, 1).astype(np.float32)
    wide = ours.astype(np.float64), theirs.astype(np.float64)
    assert frechet_distance(ours, theirs) == frechet_distance(*wide)
    assert kernel_distance(ours, theirs) == kernel_distance(*wide)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_unfit_features_are_refused(distance):
    good = features(4, 3)
    broken = good.copy()
    broken[1, 2] = np.nan
    with pytest.raises(InputError, match="at least two"):
        distance(good[:1], good)
    with pytest.raises(InputError, match="not finite in 1 rows"):
        distance(good, broken)
    with pytest.raises(InputError, match="3 wide and reference 2"):
        distance(good, good[:, :2])
    with pytest.raises(InputError, match="shape"):
        distance(good, good[0])


def test_no_subsets_and_too_small_ones_are_refused():
    good = features(4, 3)
    with pytest.raises(InputError, match="subsets is 0"):
        kernel_distance(good, good, subsets=0)
    with pytest.raises(InputError, match="size 1"):
        kernel_distance(good, good, size=1)
