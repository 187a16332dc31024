"""How answers to one hole are ranked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.inpainter import Result, Sample, rank_samples

IMAGE = np.zeros((1, 1, 3), np.uint8)


def samples_of(likelihoods: list[float | None], scores: list[float | None]) -> list[Sample]:
    return [
        Sample(IMAGE, log_likelihood=likelihood, score=score, index=index)
        for index, (likelihood, score) in enumerate(zip(likelihoods, scores, strict=True))
    ]


@pytest.mark.parametrize(
    ("likelihoods", "scores", "ranking"),
    [
        ([None, None, None], [None, None, None], (0, 1, 2)),
        ([-3.0, -1.0, -2.0], [None, None, None], (1, 2, 0)),
        ([None, None, None], [0.1, 0.3, 0.2], (1, 2, 0)),
        ([-1.0, -2.0, -3.0], [0.1, 0.3, 0.2], (1, 0, 2)),  # ranks 0+2, 1+0, 2+1
        ([-2.0, -1.0], [0.2, 0.1], (1, 0)),  # ties go to the likelier
        ([-1.0, -1.0], [0.5, 0.5], (0, 1)),  # then to the earlier
        ([-1.0, None, -3.0], [0.1, 0.3, 0.2], (1, 2, 0)),  # not known of all: does not count
        ([math.nan, -5.0, -math.inf], [None, None, None], (1, 0, 2)),
    ],
)
def test_ranking_is_by_the_mean_of_both_ranks(
    likelihoods: list[float | None], scores: list[float | None], ranking: tuple[int, ...]
) -> None:
    samples = samples_of(likelihoods, scores)
    assert rank_samples(samples) == ranking
    result = Result(samples, "model", 0)
    assert result.ranking == ranking
    assert result.best is samples[ranking[0]]
    assert result.image is samples[0].image


values = st.lists(st.tuples(st.floats(-9, 0), st.floats(-1, 1)), min_size=1, max_size=8)


@given(values)
def test_a_sample_better_in_both_ranks_before(pairs: list[tuple[float, float]]) -> None:
    ranking = rank_samples(samples_of([a for a, _ in pairs], [b for _, b in pairs]))
    assert sorted(ranking) == list(range(len(pairs)))
    for i, one in enumerate(pairs):
        for j, other in enumerate(pairs):
            if one[0] > other[0] and one[1] > other[1]:
                assert ranking.index(i) < ranking.index(j)
