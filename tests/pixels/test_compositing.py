"""Pasting a fill: exact outside the hole, the fill's colours inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixels.crafted import noise
from twofold.pixels import composite, rgb8, to_depth


@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    channels=st.sampled_from([0, 1, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    fill_dtype=st.sampled_from(["uint8", "uint16"]),
    fill_channels=st.sampled_from([0, 1, 3, 4]),
    seed=st.integers(0, 999),
)
def test_outside_is_identical_and_shape_stays(
    height: int, width: int, channels: int, dtype: str, fill_dtype: str, fill_channels: int, seed: int
) -> None:
    image = noise(height, width, channels, dtype, seed)
    before = image.copy()
    fill = noise(height, width, fill_channels, fill_dtype, seed + 1)
    hole = np.random.default_rng(seed).random((height, width)) < 0.5
    result = composite(image, fill, hole)
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result[~hole], image[~hole])
    if channels == 4:
        np.testing.assert_array_equal(result[..., 3], image[..., 3])
    if channels == 3 and fill_channels in (3, 4) and fill_dtype == dtype:
        np.testing.assert_array_equal(result[hole], fill[hole][:, :3])


def test_grey_image_takes_the_luma_of_a_colour() -> None:
    fill = np.array([[[255, 0, 0], [0, 255, 0], [10, 10, 10]]], np.uint8)
    result = composite(np.zeros((1, 3), np.uint8), fill, np.ones((1, 3), np.bool_))
    np.testing.assert_array_equal(result, [[76, 150, 10]])  # 255 * .299, 255 * .587


def test_white_stays_white_across_depths() -> None:
    levels = np.arange(256, dtype=np.uint8)
    deep = to_depth(levels, np.dtype(np.uint16))
    np.testing.assert_array_equal(deep, levels.astype(int) * 257)
    np.testing.assert_array_equal(to_depth(deep, np.dtype(np.uint8)), levels)
    every = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(to_depth(every, np.dtype(np.uint8)), np.rint(every / 257))


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_rgb8_repeats_grey_and_leaves_alpha_out(channels: int) -> None:
    pixels = noise(4, 5, channels, "uint16")
    seen = rgb8(pixels)
    assert (seen.shape, seen.dtype) == ((4, 5, 3), np.uint8)
    grey = pixels.reshape(4, 5, -1)[..., :3]
    np.testing.assert_array_equal(seen, np.broadcast_to(np.rint(grey / 257), (4, 5, 3)))


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        composite(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((4, 4), np.bool_))
