from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import InputError
from twofold.masks.boxes import centre_box, random_boxes, regular_box
from twofold.masks.components import components


def test_the_centre_box_of_256_is_128_pixels_wide_and_centred():
    hole = centre_box(256, 256)
    expected = np.zeros((256, 256), dtype=bool)
    expected[64:192, 64:192] = True
    assert np.array_equal(hole, expected)


@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_the_centre_box_is_a_box_with_equal_margins(height, width):
    hole = centre_box(height, width)
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    assert hole.sum() == len(rows) * len(columns) > 0
    assert abs(rows[0] - (height - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (width - 1 - columns[-1])) <= 1
    assert abs(len(rows) - height / 2) <= 1


def test_every_random_box_is_one_rectangle_within_its_sides():
    rectangles = 0
    for seed in range(60):
        hole = random_boxes(60, 100, np.random.default_rng(seed))
        parts = components(hole)
        assert 1 <= parts.count <= 4
        # What does not touch another one is a rectangle, its sides from a tenth to 45 % of 60 pixels.
        rows, columns = parts.boxes().T
        alone = parts.areas == rows * columns
        rectangles += int(alone.sum())
        assert (rows[alone] >= 6).all()
        assert (columns[alone] >= 6).all()
        if parts.count == 1 and alone[0]:
            assert max(rows[0], columns[0]) <= 27
    assert rectangles > 60


def test_random_boxes_reach_all_four_borders():
    union = np.zeros((40, 40), dtype=bool)
    for seed in range(300):
        union |= random_boxes(40, 40, np.random.default_rng(seed))
    assert union[0].any()
    assert union[-1].any()
    assert union[:, 0].any()
    assert union[:, -1].any()
    assert union[5:-5, 5:-5].all()


def test_an_image_without_pixels_is_refused():
    with pytest.raises(InputError, match="0x5"):
        centre_box(5, 0)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_regular_box_is_half_the_sides_less_a_little(seed):
    hole = regular_box(256, 192, np.random.default_rng(seed))
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert 128 - 32 <= len(rows) <= 128
    assert 96 - 24 <= len(columns) <= 96
    assert (128 - len(rows)) % 2 == 0


def test_regular_boxes_reach_every_border_of_the_image():
    rng = np.random.default_rng(0)
    seen = np.zeros((32, 32), np.bool_)
    for _ in range(600):
        seen |= regular_box(32, 32, rng)
    assert seen.any(axis=0).all()
    assert seen.any(axis=1).all()
