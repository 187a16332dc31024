from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.errors import InputError
from twofold.masks.buckets import (
    MASK_KINDS,
    RATIO_BUCKETS,
    draw_in_bucket,
    hole_ratio,
    make_mask,
    mixed,
    parse_ratio,
)


def test_hole_ratio_is_the_part_that_is_true():
    hole = np.zeros((4, 5), dtype=bool)
    hole[1, :3] = True
    assert hole_ratio(hole) == pytest.approx(3 / 20)


def test_the_buckets_join_without_gap_from_1_to_60_percent():
    assert RATIO_BUCKETS[0][0] == 0.01
    assert RATIO_BUCKETS[-1][1] == 0.6
    assert all(left[1] == right[0] for left, right in pairwise(RATIO_BUCKETS))


@pytest.mark.parametrize("kind", ["boxes", "free-form", "irregular"])
@pytest.mark.parametrize("bucket", RATIO_BUCKETS)
@given(seed=st.integers(0, 2**32), height=st.integers(40, 90), width=st.integers(40, 90))
@settings(max_examples=8, deadline=None)
def test_a_drawn_hole_lies_in_its_bucket(kind, bucket, seed, height, width):
    hole = draw_in_bucket(MASK_KINDS[kind], height, width, bucket, seed)
    assert hole.shape == (height, width)
    assert bucket[0] <= hole_ratio(hole) < bucket[1]


@pytest.mark.parametrize("kind", ["thin", "object"])
@pytest.mark.parametrize("bucket", RATIO_BUCKETS)
@pytest.mark.parametrize("size", [64, 256])
def test_thin_and_object_holes_reach_every_bucket(kind, bucket, size):
    for seed in range(3):
        hole = draw_in_bucket(MASK_KINDS[kind], size, size, bucket, seed)
        assert bucket[0] <= hole_ratio(hole) < bucket[1]


def test_the_same_seed_gives_the_same_hole():
    first, again, other = (
        draw_in_bucket(MASK_KINDS["free-form"], 64, 64, (0.2, 0.3), seed) for seed in (9, 9, 10)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_lower_end_is_included_and_the_upper_end_is_not():
    def quarter(height, width, rng):
        return np.arange(height * width).reshape(height, width) < height * width // 4

    assert hole_ratio(draw_in_bucket(quarter, 8, 8, (0.25, 0.3), 0)) == 0.25
    with pytest.raises(InputError, match="never came"):
        draw_in_bucket(quarter, 8, 8, (0.2, 0.25), 0)


@pytest.mark.parametrize("bucket", [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.5, 1.2), (0.501, 0.502)])
def test_a_bucket_that_holds_no_mask_is_refused(bucket):
    with pytest.raises(InputError, match="no hole in a 8x8 image"):
        draw_in_bucket(MASK_KINDS["boxes"], 8, 8, bucket, 0)


def test_the_centre_box_fits_only_its_own_bucket():
    assert hole_ratio(draw_in_bucket(MASK_KINDS["centre"], 64, 64, (0.2, 0.3), 0)) == 0.25
    with pytest.raises(InputError, match="another kind of mask"):
        draw_in_bucket(MASK_KINDS["centre"], 64, 64, (0.3, 0.4), 0)


def test_mixed_holes_are_spread_evenly_over_5_to_60_percent():
    rng = np.random.default_rng(0)
    ratios = np.array([hole_ratio(mixed(48, 48, rng)) for _ in range(1100)])
    counts = np.histogram(ratios, bins=11, range=(0.05, 0.6))[0]
    assert counts.sum() == 1100
    # 100 expected per bin, standard deviation 9.5: five of them leave no room for bad luck.
    assert counts.min() > 52
    assert counts.max() < 148


def test_mixed_uses_only_the_kinds_it_is_given():
    hole = mixed(64, 64, np.random.default_rng(0), ("centre",))
    assert np.array_equal(hole, MASK_KINDS["centre"](64, 64, np.random.default_rng(0)))


@pytest.mark.parametrize("kinds", [(), ("free-form", "squares")])
def test_unknown_kinds_are_refused_with_the_known_ones(kinds):
    with pytest.raises(
        InputError, match="choose from centre, regular, boxes, free-form, irregular, thin, object"
    ):
        mixed(64, 64, np.random.default_rng(0), kinds)


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
