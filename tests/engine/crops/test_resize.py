"""Scaling by strips: the same as in one piece, and never from what a hole hides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twofold.engine.crops import resize
from twofold.engine.crops.resize import enlarged_strips, scale_known, touched


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(0, 999))
def test_touched_pixels_are_those_that_cover_a_true_one(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    rows, columns = min(rows, height), min(columns, width)
    mask = np.random.default_rng(seed).random((height, width)) < 0.02
    small = touched(mask, rows, columns)
    expected = np.zeros((rows, columns), np.bool_)
    for y, x in np.argwhere(mask):
        # In units of 1 / (rows height), pixel y covers [y rows, (y + 1) rows), small pixel r [r height, ...).
        inside_y = [r for r in range(rows) if r * height < (y + 1) * rows and (r + 1) * height > y * rows]
        inside_x = [
            c for c in range(columns) if c * width < (x + 1) * columns and (c + 1) * width > x * columns
        ]
        expected[np.ix_(inside_y, inside_x)] = True
    np.testing.assert_array_equal(small, expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("size", [(40, 50), (333, 517), (1000, 700)])
def test_flat_pictures_stay_flat_at_any_scale_and_hide_their_hole(size: tuple[int, int], dtype: str) -> None:
    image = np.full((*size, 3), 90 if dtype == "uint8" else 90 * 257, dtype)
    missing = np.zeros(size, np.bool_)
    missing[size[0] // 3 : size[0] // 2, size[1] // 3 :] = True
    image[missing] = 0
    small = scale_known(image, missing, 32, 40)
    assert small.shape == (32, 40, 3)
    known = ~touched(missing, 32, 40)
    assert (small[known] == 90).all()


def test_a_large_window_is_scaled_as_lanczos_does_it_in_one_step() -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
    image = np.asarray(coarse.resize((640, 640), Image.Resampling.BICUBIC))
    ours = scale_known(image, np.zeros((640, 640), np.bool_), 64, 64)
    theirs = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.LANCZOS))
    assert np.abs(ours.astype(int) - theirs).mean() < 1
    assert np.abs(ours.astype(int) - theirs).max() <= 6


@pytest.mark.parametrize("deep", [False, True])
def test_strips_together_are_the_enlarged_picture(deep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    colors = np.random.default_rng(1).integers(0, 256, (24, 31, 3), np.uint8)
    own = np.zeros((100, 130), np.bool_)
    own[13:77, 20:111] = np.random.default_rng(2).random((64, 91)) < 0.5
    planes = [Image.fromarray(colors[..., c].astype(np.float32)) for c in range(3)]
    sized = [np.asarray(plane.resize((130, 100), Image.Resampling.BICUBIC)) for plane in planes]
    whole = np.stack(sized, axis=2).clip(0, 255)
    monkeypatch.setattr(resize, "STRIP", 500)
    seen, parts = np.zeros_like(own), 0
    for part, picture in enlarged_strips(colors, own, deep=deep):
        assert picture.dtype == (np.uint16 if deep else np.uint8)
        levels = picture.astype(float) / (257 if deep else 1)
        assert np.abs(levels - whole[part.slices]).max() <= 0.51
        assert not seen[part.slices].any()
        seen[part.slices] = True
        parts += 1
    assert parts > 5
    assert seen[own].all()


def test_nothing_wanted_is_nothing_done() -> None:
    assert not list(enlarged_strips(np.zeros((4, 4, 3), np.uint8), np.zeros((9, 9), np.bool_), deep=False))
