"""Pictures brought to the size of a model and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.external.model_files import box_hole, photo
from twofold.engine.external.fit import fit, grow_known


@settings(max_examples=40)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    share=st.floats(0.02, 0.98),
    seed=st.integers(0, 999),
)
def test_growing_keeps_what_is_known_and_invents_no_new_extremes(height, width, share, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = rng.random((height, width)) < share
    hole[rng.integers(height), rng.integers(width)] = False
    grown = grow_known(image, hole)
    assert np.array_equal(grown[~hole], image[~hole])
    low, high = image[~hole].min(axis=0), image[~hole].max(axis=0)
    assert (grown >= low).all()
    assert (grown <= high).all()
    poisoned = np.where(hole[..., None], rng.integers(0, 256, image.shape, dtype=np.uint8), image)
    assert np.array_equal(grow_known(poisoned, hole), grown)


def test_growing_takes_the_colours_that_are_near():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = (200, 0, 0), (0, 0, 200)
    hole = np.zeros((40, 80), np.bool_)
    hole[10:30, 8:28] = hole[10:30, 52:72] = True
    grown = grow_known(image, hole).astype(int)
    assert np.abs(grown - image)[hole].max() < 60
    assert np.abs(grown - image)[hole].mean() < 10


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (64, 64), (65, 71), (130, 90)])
def test_padding_goes_to_the_next_multiple_and_back(height, width):
    image = photo(height, width)
    hole = np.zeros((height, width), np.bool_)
    hole[height // 2 + 1 :] = True
    fitted = fit(image, hole, size=None, multiple=8, least=64)
    rows, columns = fitted.hole.shape
    assert rows % 8 == columns % 8 == 0
    assert (rows, columns) == (max(64, -(-height // 8) * 8), max(64, -(-width // 8) * 8))
    assert np.array_equal(fitted.back(fitted.image)[~hole], image[~hole])
    assert np.array_equal(fitted.hole[:height, :width], hole)
    # The first row beyond the edge mirrors the last one, mask and all.
    if rows > height:
        assert np.array_equal(fitted.image[height, :width], fitted.image[height - 1, :width])
        assert np.array_equal(fitted.hole[height], fitted.hole[height - 1])


@pytest.mark.parametrize("size", [(32, 48), (96, 40), (50, 60), (128, 128)])
def test_a_scaled_mask_has_every_pixel_that_the_hole_touches(size):
    hole = np.random.default_rng(0).random((50, 60)) < 0.02
    image = photo(50, 60)
    scaled = fit(image, hole, size=size, multiple=1, least=1).hole
    for y in range(size[0]):
        for x in range(size[1]):
            top, bottom = y * 50 / size[0], (y + 1) * 50 / size[0]
            left, right = x * 60 / size[1], (x + 1) * 60 / size[1]
            covered = hole[int(top + 1e-9) : int(np.ceil(bottom - 1e-9)), :]
            covered = covered[:, int(left + 1e-9) : int(np.ceil(right - 1e-9))]
            assert scaled[y, x] == covered.any()


def test_scaling_keeps_the_hole_from_bleeding_into_what_is_known():
    image = np.full((90, 120, 3), 180, np.uint8)
    hole = box_hole(90, 120)
    image[hole] = 0
    fitted = fit(image, hole, size=(32, 32), multiple=1, least=1)
    assert fitted.image.min() == fitted.image.max() == 180
    assert (fitted.back(fitted.image) == 180).all()
    assert fitted.back(fitted.image).shape == (90, 120, 3)
