"""Masks: white is the hole, cut at half, and what a mask is warned about."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from twofold.errors import MaskError
from twofold.pixels import MaskWarning, hole_of, read_hole
from twofold.pixels.holes import mask_levels


def quiet_hole(mask: object, height: int, width: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)
        return read_hole(mask, height, width)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "half"), [("uint8", 128), ("uint16", 32768)])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_half_and_above_is_hole_and_below_is_not(dtype: str, half: int, channels: int) -> None:
    top = np.iinfo(dtype).max
    levels = np.array([[0, half - 1, half, top]], dtype)
    mask = levels if channels == 0 else np.repeat(levels[..., None], channels, axis=2)
    if channels == 4:
        mask[..., 3] = top
    np.testing.assert_array_equal(quiet_hole(mask, 1, 4), [[False, False, True, True]])


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_grey_mask_is_cut_at_128(mask: np.ndarray) -> None:
    hole = quiet_hole(mask, *mask.shape)
    assert hole.dtype == np.bool_
    np.testing.assert_array_equal(hole, mask >= 128)


@given(hnp.arrays(np.uint8, (3, 4, 3)))
def test_colours_count_by_luma(mask: np.ndarray) -> None:
    luma = mask.astype(int) @ [299, 587, 114]
    np.testing.assert_array_equal(quiet_hole(mask, 3, 4), luma >= 128_000)


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_bools_are_taken_as_they_are(mask: np.ndarray) -> None:
    hole = read_hole(mask, *mask.shape)
    np.testing.assert_array_equal(hole, mask)
    assert not np.shares_memory(hole, mask)
    np.testing.assert_array_equal(read_hole(mask[..., None], *mask.shape), mask)


def test_transparent_white_is_not_hole() -> None:
    mask = np.full((1, 3, 4), 255, np.uint8)
    mask[0, :, 3] = [0, 127, 128]
    np.testing.assert_array_equal(quiet_hole(mask, 1, 3), [[False, False, True]])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_every_kind_of_mask_file_reads_alike(tmp_path: object, mode: str) -> None:
    hole = np.zeros((8, 9), np.bool_)
    hole[2:5, 3:8] = True
    buffer = io.BytesIO()
    Image.fromarray(hole.astype(np.uint8) * 255).convert(mode).save(buffer, "PNG")
    np.testing.assert_array_equal(read_hole(Image.open(buffer), 8, 9), hole)


@pytest.mark.parametrize("quality", [50, 75])
def test_jpeg_mask_is_warned_about_and_still_cut(quality: int) -> None:
    hole = np.hypot(*np.mgrid[-64:64, -64:64]) < 40
    buffer = io.BytesIO()
    Image.fromarray(hole.astype(np.uint8) * 255).save(buffer, "JPEG", quality=quality)
    with pytest.warns(MaskWarning, match="grey levels"):
        read = read_hole(Image.open(buffer), 128, 128)
    assert (read != hole).mean() < 0.01


def test_gradient_and_flat_grey_masks_are_warned_about() -> None:
    gradient = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    for mask in (gradient, np.full((4, 4), 140, np.uint8)):
        with pytest.warns(MaskWarning, match="grey levels"):
            read_hole(mask, *mask.shape)


def test_clean_and_slightly_smoothed_masks_are_silent() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 255
    smoothed = mask.copy()
    smoothed[19, 20:40], smoothed[40, 20:40] = 90, 180
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for quiet in (mask, smoothed, mask.astype(np.uint16) * 257, np.zeros((64, 64), np.uint8)):
            read_hole(quiet, 64, 64)


def test_mask_of_zeros_and_ones_is_warned_about() -> None:
    with pytest.warns(MaskWarning, match="255"):
        hole = read_hole(np.eye(4, dtype=np.uint8), 4, 4)
    assert not hole.any()


@given(st.integers(1, 9), st.integers(1, 9))
def test_other_size_is_refused_with_both_sizes(height: int, width: int) -> None:
    if (height, width) == (5, 7):
        return
    word = "upright" if (height, width) == (7, 5) else "size"
    for mask in (np.zeros((height, width), np.uint8), np.zeros((height, width), np.bool_)):
        with pytest.raises(MaskError, match=f"mask is {width}x{height} but image is 7x5.*{word}"):
            read_hole(mask, 5, 7)


def test_unreadable_mask_is_a_mask_error() -> None:
    for mask in ("missing.png", np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.bool_), 3):
        with pytest.raises(MaskError, match="mask"):
            read_hole(mask, 4, 4)  # type: ignore[arg-type]


@given(
    st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda kind: hnp.arrays(kind, st.sampled_from([(9, 9), (9, 9, 1), (9, 9, 3), (9, 9, 4)]))
    )
)
def test_levels_are_luma_over_black_rounded_down_and_from_128_on_a_hole(pixels: np.ndarray) -> None:
    white = int(np.iinfo(pixels.dtype).max)
    exact = pixels.reshape(9, 9, -1).astype(object)  # Python's own integers
    luma = exact[..., :3] @ [299, 587, 114] if exact.shape[2] > 1 else 1000 * exact[..., 0]
    over_black = luma * exact[..., 3] if exact.shape[2] == 4 else luma * white
    levels = over_black // (1000 * white * ((white + 1) // 256))
    np.testing.assert_array_equal(mask_levels(pixels), levels.astype(int))
    half = (white + 1) // 2
    np.testing.assert_array_equal(hole_of(pixels), (over_black >= half * 1000 * white).astype(bool))
    np.testing.assert_array_equal(quiet_hole(pixels, 9, 9), hole_of(pixels))


@pytest.mark.parametrize("level", [0, 127, 128, 255])
def test_levels_of_grey_are_kept_in_every_shape_and_depth(level: int) -> None:
    for scale, kind in ((1, np.uint8), (257, np.uint16)):
        for shape in ((2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)):
            pixels = np.full(shape, level * scale, kind)
            pixels[..., 3:] = 255 * scale
            assert (mask_levels(pixels) == level).all()


def test_a_dark_label_is_told_of_and_a_soft_edge_is_not() -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[5:15, 5:15], labels[30:50, 30:50] = 38, 224
    with pytest.warns(MaskWarning, match="100 pixels of level 38, below half.*binarise --at 38"):
        hole = read_hole(labels, 64, 64)
    assert hole.sum() == 400
    rows, columns = np.indices((64, 64))
    soft = ((20.5 - np.hypot(rows - 32, columns - 32)).clip(0, 1) * 255).round().astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_hole(soft, 64, 64)
        read_hole(np.where(labels > 0, np.uint8(255), np.uint8(0)), 64, 64)
    few = np.where(labels > 100, 255, 0).astype(np.uint8)
    few[0, :15] = 38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_hole(few, 64, 64)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_dark_brush_on_a_clear_layer_is_told_of(dtype: str) -> None:
    layer = np.zeros((32, 32, 4), dtype)
    layer[8:16, 8:16, 3] = np.iinfo(dtype).max
    with pytest.warns(MaskWarning, match="what is opaque in it is dark.*alpha"):
        assert not read_hole(layer, 32, 32).any()
    layer[8:16, 8:16, :3] = np.iinfo(dtype).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_hole(layer, 32, 32).sum() == 64
    layer[..., :3], layer[..., 3] = 0, np.iinfo(dtype).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_hole(layer, 32, 32)  # opaque throughout: an empty mask
