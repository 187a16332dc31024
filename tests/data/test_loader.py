from __future__ import annotations

from itertools import islice

import pytest
import torch

from twofold.data.loader import training_batches
from twofold.data.pairs import DataConfig, TrainingPairs
from twofold.errors import InputError


@pytest.fixture
def pairs(photos):
    return TrainingPairs(DataConfig(folder=photos, size=32), seed=5)


def _take(pairs, steps, **options):
    return list(islice(training_batches(pairs, **{"start_step": 0, **options}), steps))


def _same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_batch_slots_are_consecutive_draws(pairs):
    batches = _take(pairs, 3, batch_size=2)
    for step, batch in enumerate(batches):
        for slot in range(2):
            draw = pairs[step * 2 + slot]
            assert _same({key: value[slot] for key, value in batch.items()}, draw)


def test_two_ranks_see_what_one_rank_sees_with_twice_the_batch(pairs):
    one = _take(pairs, 4, batch_size=4)
    first = _take(pairs, 4, batch_size=2, rank=0, world_size=2)
    second = _take(pairs, 4, batch_size=2, rank=1, world_size=2)
    for whole, left, right in zip(one, first, second, strict=True):
        assert _same(whole, {key: torch.cat([left[key], right[key]]) for key in left})


def test_a_resumed_run_goes_on_where_it_stopped(pairs):
    assert all(
        _same(one, other)
        for one, other in zip(
            _take(pairs, 6, batch_size=3)[4:], _take(pairs, 2, batch_size=3, start_step=4), strict=True
        )
    )


def test_workers_change_nothing(pairs):
    alone = _take(pairs, 3, batch_size=2)
    helped = _take(pairs, 3, batch_size=2, workers=2)
    assert all(_same(one, other) for one, other in zip(alone, helped, strict=True))


def test_loading_leaves_torchs_own_randomness_alone(pairs):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    _take(pairs, 2, batch_size=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1, "start_step": -1}, "start_step"),
        ({"batch_size": 1, "rank": 2, "world_size": 2}, "rank"),
    ],
)
def test_numbers_out_of_range_are_refused(pairs, wrong, word):
    with pytest.raises(InputError, match=word):
        _take(pairs, 1, **wrong)
