from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from twofold.masks.strokes import draw_stroke, free_form, mirrored, thin


def _drawn(points, widths, size=100):
    canvas = Image.new("L", (size, size), 0)
    draw_stroke(ImageDraw.Draw(canvas), points, np.array(widths, dtype=np.float64))
    return np.asarray(canvas) > 0


def test_a_straight_stroke_covers_its_length_times_its_width_and_two_half_discs():
    hole = _drawn([(20.0, 50.0), (80.0, 50.0)], [20.0, 20.0])
    assert hole.sum() == pytest.approx(60 * 20 + math.pi * 100, rel=0.08)
    assert hole[50, 11:90].all()
    assert not hole[:, :9].any()
    assert not hole[:38].any()


def test_a_stroke_is_wider_where_its_width_is_larger():
    hole = _drawn([(20.0, 50.0), (80.0, 50.0)], [6.0, 30.0])
    assert hole[:, 25].sum() < 14 < 22 < hole[:, 75].sum()


def test_a_stroke_without_length_is_a_dot():
    hole = _drawn([(50.0, 50.0), (50.0, 50.0)], [10.0, 10.0])
    assert hole.sum() == pytest.approx(math.pi * 25, rel=0.3)


@pytest.mark.parametrize(("position", "expected"), [(3, 3), (-2, 2), (12, 8), (20, 0), (-11, 9), (33, 7)])
def test_positions_are_mirrored_at_the_borders(position, expected):
    assert mirrored(position, 10) == pytest.approx(expected)


def test_the_same_seed_gives_the_same_mask_and_another_seed_another():
    first, again, other = (free_form(64, 96, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (64, 96)
    assert first.dtype == np.bool_
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_masks_look_alike_at_every_size():
    small = np.mean([free_form(64, 64, np.random.default_rng(seed)).mean() for seed in range(60)])
    large = np.mean([free_form(256, 256, np.random.default_rng(seed)).mean() for seed in range(60)])
    assert small == pytest.approx(large, rel=0.12)


def test_even_a_tiny_image_gets_a_hole():
    assert all(free_form(1, 3, np.random.default_rng(seed)).any() for seed in range(20))


def test_thin_strokes_are_seeded_and_never_missing():
    first, again, other = (thin(64, 96, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (64, 96)
    assert first.dtype == np.bool_
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    for height, width in ((1, 1), (1, 3), (7, 2), (64, 64)):
        assert all(thin(height, width, np.random.default_rng(seed)).any() for seed in range(60))


def test_thin_strokes_are_narrow_everywhere_and_long():
    """What is left when a mask is eaten away from all sides tells its greatest width."""
    for seed in range(30):
        hole = thin(256, 256, np.random.default_rng(seed))
        assert hole.mean() < 0.2
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) > 30
        core = hole
        for _ in range(
            4
        ):  # 2 % of 256 is 5 pixels wide, 1.2 times that 6; joints and crossings a little more
            padded = np.pad(core, 1)
            core = core & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        assert core.sum() < 0.15 * hole.sum()
