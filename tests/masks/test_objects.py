from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twofold.masks.components import components
from twofold.masks.objects import THINGS, Thing, draw_parts, object_shaped, rounded


def drawn(seed: int, height: int = 96, width: int = 96) -> np.ndarray:
    return object_shaped(height, width, np.random.default_rng(seed))


def pieces(hole: np.ndarray) -> int:
    """How many connected pieces a mask has, by flooding one after another."""
    left, count = hole.copy(), 0
    while left.any():
        flood = np.zeros_like(left)
        flood[tuple(np.argwhere(left)[0])] = True
        while True:
            wide = np.pad(flood, 1)
            more = left & (
                wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
            )
            if (more == flood).all():
                break
            flood = more
        left, count = left & ~flood, count + 1
    return count


def test_the_same_seed_gives_the_same_mask_and_another_seed_another():
    first, again, other = (drawn(seed, 64, 96) for seed in (5, 5, 6))
    assert first.shape == (64, 96)
    assert first.dtype == np.bool_
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=60)
@given(height=st.integers(1, 80), width=st.integers(1, 80), seed=st.integers(0, 9999))
def test_no_picture_is_too_small_for_a_hole(height, width, seed):
    assert drawn(seed, height, width).any()


def test_holes_take_3_to_30_percent_small_ones_as_often_as_large_ones():
    ratios = np.array([drawn(seed).mean() for seed in range(150)])
    assert ratios.min() >= 0.03
    assert ratios.max() <= 0.3
    small = (ratios < np.sqrt(0.03 * 0.3)).mean()
    assert 0.35 < small < 0.75


def test_masks_look_alike_at_every_size():
    for seed in range(6):
        small = drawn(seed, 64, 64)
        large = Image.fromarray(drawn(seed, 256, 256)).resize((64, 64), Image.Resampling.BOX)
        assert (small == (np.asarray(large) > 0)).mean() > 0.93


def test_things_stay_in_few_pieces_with_smooth_outlines():
    for seed in range(25):
        hole = drawn(seed, 128, 128)
        assert pieces(hole) <= 4  # one or two things; a hand may be cut off by a post
        edges = (hole[1:] != hole[:-1]).sum() + (hole[:, 1:] != hole[:, :-1]).sum()
        # Noise of this area would have thousands; twice the picture's outline is plenty for two things.
        assert edges < 16 * 128


def test_things_have_limbs_where_blobs_have_none():
    """Silhouettes fill far less of their own bounding box than ovals (79 %) or boxes do."""
    shares = []
    for seed in range(150):
        parts = components(drawn(seed, 128, 128))
        if parts.count == 1 and 0.05 <= parts.areas[0] / 128**2 <= 0.15:  # one thing, seen as a whole
            shares.append(parts.areas[0] / parts.boxes()[0].prod())
    assert len(shares) > 25
    assert np.mean(np.array(shares) < 0.65) > 0.6


@pytest.mark.parametrize("make", THINGS)
def test_every_thing_is_one_piece_about_as_high_as_its_unit(make):
    for seed in range(10):
        thing = make(np.random.default_rng(seed))
        canvas = Image.new("L", (400, 160), 0)
        draw_parts(canvas, [part * 100 + (200, 30) for part in thing.parts])
        hole = np.asarray(canvas) > 0
        assert pieces(hole) == 1
        rows = np.flatnonzero(hole.any(axis=1))
        assert 75 < rows[-1] - rows[0] < 135


def test_a_limb_is_as_wide_as_its_joints():
    thing = Thing()
    thing.limb((0.2, 0.5, 0.1), (0.8, 0.5, 0.2))
    canvas = Image.new("L", (100, 100), 0)
    draw_parts(canvas, [part * 100 for part in thing.parts])
    hole = np.asarray(canvas) > 0
    assert abs(int(hole[:, 20].sum()) - 21) <= 2
    assert abs(int(hole[:, 80].sum()) - 41) <= 2
    assert not hole[:, :9].any()
    assert not hole[:28].any()


def test_rounding_paints_a_little_over_the_thing():
    canvas = Image.new("L", (100, 100), 0)
    canvas.paste(255, (30, 30, 70, 70))
    thing = np.asarray(canvas) > 0
    painted = np.asarray(rounded(canvas, 3.0, np.random.default_rng(0))) > 0
    assert (painted & thing).sum() > 0.98 * thing.sum()
    assert 1.05 < painted.sum() / thing.sum() < 1.5
