from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twofold.masks.components import components

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))


def flood_fill(mask):
    """Label by walking from pixel to pixel, numbered by the first pixel in reading order."""
    labels = np.full(mask.shape, -1)
    count = 0
    for start in np.argwhere(mask):
        if labels[tuple(start)] >= 0:
            continue
        open_ends = [tuple(start)]
        while open_ends:
            y, x = open_ends.pop()
            inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
            if inside and mask[y, x] and labels[y, x] < 0:
                labels[y, x] = count
                open_ends += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        count += 1
    return labels, count


@given(MASKS)
def test_labels_are_those_of_a_flood_fill(mask):
    labels, count = flood_fill(mask)
    parts = components(mask)
    assert parts.count == count
    np.testing.assert_array_equal(parts.labelled(), labels + 1)


@given(MASKS, st.integers(0, 2**32))
def test_measurements_are_those_of_the_pixels(mask, seed):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, mask.shape, dtype=np.uint8)
    marked = rng.random(mask.shape) < 0.1
    labels, count = flood_fill(mask)
    parts = components(mask)
    boxes = parts.boxes()
    for label in range(count):
        pixels = labels == label
        assert parts.areas[label] == pixels.sum()
        assert parts.means(picture)[label] == pytest.approx(picture[pixels].mean())
        assert parts.holds(marked)[label] == marked[pixels].any()
        place = np.argwhere(pixels)
        np.testing.assert_array_equal(boxes[label], np.ptp(place, axis=0) + 1)


@given(MASKS, st.integers(0, 2**32))
def test_kept_components_are_painted_and_the_others_are_not(mask, seed):
    labels, count = flood_fill(mask)
    chosen = np.random.default_rng(seed).random(count) < 0.5
    parts = components(mask)
    expected = np.isin(labels, np.flatnonzero(chosen))
    np.testing.assert_array_equal(parts.painted(chosen), expected)
    fewer = parts.kept(chosen)
    assert fewer.count == chosen.sum()
    np.testing.assert_array_equal(fewer.painted(np.ones(fewer.count, bool)), expected)
    np.testing.assert_array_equal(fewer.areas, parts.areas[chosen])


def test_a_spiral_is_one_component():
    mask = np.zeros((41, 41), bool)
    y = x = 20
    for step in range(19):
        dy, dx = ((0, 1), (1, 0), (0, -1), (-1, 0))[step % 4]
        for _ in range(2 * (step // 2 + 1)):
            y, x = y + dy, x + dx
            mask[y, x] = True
    assert components(mask).count == 1
    assert components(~mask).count == 1


def test_an_empty_mask_has_no_components():
    parts = components(np.zeros((5, 7), bool))
    assert parts.count == 0
    assert not parts.painted(np.zeros(0, bool)).any()
    assert parts.areas.shape == parts.means(np.zeros((5, 7))).shape == (0,)
