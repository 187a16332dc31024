from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twofold.errors import InputError
from twofold.masks.editing import FEATHER_SIDES, feather, grow, shrink
from twofold.pixels import read_hole

pytestmark = pytest.mark.filterwarnings("ignore::twofold.pixels.MaskWarning")

HOLES = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
RADII = st.one_of(st.integers(0, 20).map(float), st.floats(0, 20))


def distances(hole, *, square=False):
    """From each pixel's centre to that of the nearest pixel of the hole, by trying all."""
    squared = np.full(hole.shape, np.inf)
    rows, columns = np.indices(hole.shape)
    for y, x in np.argwhere(hole):
        squared = np.minimum(squared, (rows - y) ** 2 + (columns - x) ** 2)
    return squared if square else np.sqrt(squared)


@given(HOLES, RADII)
def test_growing_adds_all_within_the_radius_and_nothing_else(hole, radius):
    np.testing.assert_array_equal(grow(hole, radius), distances(hole, square=True) <= radius**2)


@given(HOLES, RADII)
def test_growing_never_makes_a_hole_smaller_and_shrinking_never_larger(hole, radius):
    assert not (hole & ~grow(hole, radius)).any()
    assert not (shrink(hole, radius) & ~hole).any()


@given(HOLES, RADII)
def test_shrinking_undoes_growing_but_for_what_was_closed(hole, radius):
    closed = shrink(grow(hole, radius), radius)
    assert not (hole & ~closed).any()
    np.testing.assert_array_equal(shrink(grow(closed, radius), radius), closed)


def test_a_pixel_grows_to_a_disc():
    hole = np.zeros((7, 7), bool)
    hole[3, 3] = True
    assert [int(grow(hole, radius).sum()) for radius in (0, 1, 1.4, 1.5, 2, 3)] == [1, 5, 5, 9, 13, 29]


def test_growing_is_the_same_across_bands_of_rows():
    hole = np.random.default_rng(0).random((700, 40)) < 0.002
    lying = grow(np.ascontiguousarray(hole.T), 9.0)
    np.testing.assert_array_equal(grow(hole, 9.0), lying.T)


def test_a_hole_at_the_border_does_not_shrink_from_there():
    hole = np.zeros((6, 8), bool)
    hole[:, :5] = True
    assert shrink(hole, 2)[:, :3].all()
    assert not shrink(hole, 2)[:, 3:].any()


@pytest.mark.parametrize("radius", [-1, math.nan, math.inf])
def test_a_radius_that_is_no_length_is_refused(radius):
    with pytest.raises(InputError, match="give a number"):
        grow(np.ones((3, 3), bool), radius)


@given(HOLES, st.floats(0.1, 30))
def test_a_hole_feathered_in_the_middle_is_the_same_hole_when_cut_at_half(hole, width):
    np.testing.assert_array_equal(read_hole(feather(hole, width), *hole.shape), hole)


@given(HOLES, st.floats(0.5, 30), st.sampled_from(FEATHER_SIDES))
def test_a_soft_edge_falls_in_a_straight_line(hole, width, side):
    signed = np.where(hole, 0.5 - distances(~hole), distances(hole) - 0.5)
    start = {"middle": 0.5, "outside": 1, "inside": 0}[side]
    expected = 255 * np.clip(start - signed / width, 0, 1)
    assert np.abs(feather(hole, width, side=side) - expected).max() < 1


def test_a_feather_outside_keeps_the_hole_white_and_one_inside_keeps_the_rest_black():
    hole = np.zeros((30, 30), bool)
    hole[10:20, 10:20] = True
    outside, inside = feather(hole, 6, side="outside"), feather(hole, 6, side="inside")
    assert (outside[hole] == 255).all()
    assert 0 < outside[9, 15] < 255
    assert (inside[~hole] == 0).all()
    assert 0 < inside[10, 15] < 255


@pytest.mark.parametrize(
    ("width", "side"), [(0, "middle"), (-2, "middle"), (math.nan, "middle"), (4, "left")]
)
def test_a_feather_that_cannot_be_is_refused(width, side):
    with pytest.raises(InputError, match="soft edge"):
        feather(np.ones((3, 3), bool), width, side=side)
