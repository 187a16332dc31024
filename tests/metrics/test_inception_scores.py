"""The Inception score and its modification: closed forms and scipy's entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from twofold.errors import InputError
from twofold.metrics.inception_scores import inception_score, modified_inception_score


def random_rows(rows: int, classes: int, seed: int = 0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 3, (rows, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_sure_and_varied_pictures_score_the_number_of_classes():
    assert inception_score(np.eye(8), splits=1) == pytest.approx(8)
    assert modified_inception_score(np.eye(8), splits=1) == 1


def test_sure_pictures_of_one_class_differ_between_the_scores_only_by_variety():
    one = np.tile(np.eye(8)[3], (20, 1))
    assert inception_score(one) == 1
    assert modified_inception_score(one) == 1


def test_even_rows_score_one_and_one_over_the_classes():
    even = np.full((20, 5), 0.2)
    assert inception_score(even) == pytest.approx(1)
    assert modified_inception_score(even) == pytest.approx(1 / 5)


def test_two_kinds_of_rows_have_the_closed_form():
    rows = np.array([[0.9, 0.1], [0.1, 0.9]] * 5)
    own = 0.9 * math.log(0.9) + 0.1 * math.log(0.1)
    assert modified_inception_score(rows, splits=5) == pytest.approx(math.exp(own))
    assert inception_score(rows, splits=5) == pytest.approx(math.exp(own - math.log(0.5)))


@given(st.integers(1, 5), st.integers(5, 17), st.integers(2, 9), st.integers(0, 99))
def test_both_agree_with_scipys_entropy_split_by_split(splits, count, classes, seed):
    rows = random_rows(count, classes, seed)
    rows[0] = np.eye(classes)[0]
    length = count // splits
    scores, modified = [], []
    for start in range(splits):
        part = rows[start * length : (start + 1) * length]
        scores.append(math.exp(np.mean([entropy(row, part.mean(axis=0)) for row in part])))
        modified.append(math.exp(np.mean([-entropy(row) for row in part])))
    assert inception_score(rows, splits) == pytest.approx(np.mean(scores))
    assert modified_inception_score(rows, splits) == pytest.approx(np.mean(modified))
    assert 1 - 1e-12 <= inception_score(rows, splits) <= classes
    assert 1 / classes - 1e-12 <= modified_inception_score(rows, splits) <= 1


def test_rows_left_over_do_not_count():
    rows = random_rows(23, 6)
    assert inception_score(rows, 10) == inception_score(rows[:20], 10)
    assert modified_inception_score(rows, 10) == modified_inception_score(rows[:20], 10)
    assert inception_score(rows, 10) != inception_score(rows[3:], 10)


def test_float32_softmax_is_close_enough_to_sum_one():
    rows = random_rows(20, 1008).astype(np.float32)
    assert inception_score(rows) == pytest.approx(inception_score(rows.astype(np.float64)), rel=1e-12)


@pytest.mark.parametrize("score", [inception_score, modified_inception_score])
def test_unfit_probabilities_are_refused(score):
    rows = random_rows(20, 4)
    with pytest.raises(InputError, match="splits is 10 but there are 9"):
        score(rows[:9])
    with pytest.raises(InputError, match="splits is 0"):
        score(rows, 0)
    with pytest.raises(InputError, match="20 rows are no probabilities"):
        score(np.log(rows))
    rows[4] = np.nan
    with pytest.raises(InputError, match="1 rows are no probabilities"):
        score(rows)
    with pytest.raises(InputError, match="shape"):
        score(rows[0])
