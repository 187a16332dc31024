from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import InputError
from twofold.masks.buckets import MASK_KINDS, hole_ratio
from twofold.masks.making import make_mask, parse_ratio


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_every_kind_is_made_and_the_same_seed_makes_the_same_mask(kind):
    first, again = (make_mask(kind, 60, 80, (3, 5)) for _ in range(2))
    assert first.shape == (60, 80)
    assert first.any()
    np.testing.assert_array_equal(first, again)


def test_each_number_of_the_seed_counts():
    masks = {make_mask("free-form", 64, 64, seed).tobytes() for seed in ((0,), (0, 1), (1, 1), (1, 0))}
    assert len(masks) == 4


def test_a_ratio_is_kept():
    for seed in range(10):
        assert 0.2 <= hole_ratio(make_mask("free-form", 64, 64, (seed,), ratio=(0.2, 0.3))) < 0.3


@pytest.mark.parametrize(
    ("text", "ratio"), [("20-30", (0.2, 0.3)), (" 1 - 2.5 %", (0.01, 0.025)), ("0-100", (0.0, 1.0))]
)
def test_ratios_are_read_as_percentages(text, ratio):
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "20", "30-20", "20-20", "50-101", "a-b", "-5-10"])
def test_what_is_no_ratio_is_refused(text):
    with pytest.raises(InputError, match="such as 20-30"):
        parse_ratio(text)


def test_unknown_kinds_and_negative_seeds_are_refused():
    with pytest.raises(InputError, match="choose from centre"):
        make_mask("squares", 8, 8, (0,))
    with pytest.raises(InputError, match="seed is -1"):
        make_mask("boxes", 8, 8, (0, -1))
