"""Closed forms and properties of the pixel metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio

from twofold.errors import InputError
from twofold.metrics.fidelity import grey, mean_absolute_error, psnr, psnr_grey, relative_error

pictures = hnp.arrays(np.uint8, (4, 5, 3))


def test_constant_difference_has_its_closed_form():
    dark = np.full((6, 7, 3), 10, np.uint8)
    bright = np.full((6, 7, 3), 61, np.uint8)
    assert psnr(dark, bright) == pytest.approx(20 * math.log10(255 / 51))
    assert mean_absolute_error(dark, bright) == pytest.approx(0.2)


def test_black_against_white_is_zero_decibels_and_error_one():
    black, white = np.zeros((3, 3), np.uint8), np.full((3, 3), 255, np.uint8)
    assert psnr(black, white) == 0
    assert psnr(white, black) == 0
    assert mean_absolute_error(black, white) == 1


def test_one_wrong_pixel_counts_by_its_share():
    truth = np.zeros((10, 10, 3), np.uint8)
    image = truth.copy()
    image[0, 0] = 255
    assert psnr(image, truth) == pytest.approx(20)
    assert mean_absolute_error(image, truth) == pytest.approx(0.01)


def test_hole_psnr_is_whole_psnr_less_the_dilution_by_the_hole_ratio():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    hole = np.zeros((16, 16), np.bool_)
    hole[4:12, 4:12] = True
    image = np.where(hole[..., None], rng.integers(0, 256, truth.shape, dtype=np.uint8), truth)
    assert psnr(image, truth) == pytest.approx(psnr(image, truth, hole) + 10 * math.log10(4))
    assert mean_absolute_error(image, truth, hole) == pytest.approx(4 * mean_absolute_error(image, truth))


def test_errors_outside_the_hole_do_not_count_inside_it():
    truth = np.zeros((4, 4, 3), np.uint8)
    image = truth.copy()
    image[0, 0] = 200
    hole = np.zeros((4, 4), np.bool_)
    hole[2:, 2:] = True
    assert psnr(image, truth, hole) == math.inf
    assert mean_absolute_error(image, truth, hole) == 0


@given(pictures, pictures)
def test_both_agree_with_plain_loops(image, truth):
    differences = [int(a) - int(b) for a, b in zip(image.ravel(), truth.ravel(), strict=True)]
    squared = sum(d * d for d in differences) / len(differences)
    expected = 10 * math.log10(65025 / squared) if squared else math.inf
    assert psnr(image, truth) == pytest.approx(expected)
    assert psnr(truth, image) == psnr(image, truth)
    assert mean_absolute_error(image, truth) == pytest.approx(
        sum(map(abs, differences)) / len(differences) / 255
    )


@given(pictures, st.integers(0, 254))
def test_a_larger_error_never_has_a_higher_psnr(truth, step):
    near = np.clip(truth.astype(int) + step, 0, 255).astype(np.uint8)
    far = np.clip(truth.astype(int) + step + 1, 0, 255).astype(np.uint8)
    assert psnr(far, truth) <= psnr(near, truth)


def test_wrong_shapes_types_and_empty_holes_are_refused():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(InputError, match="one shape"):
        psnr(image, image[:3])
    with pytest.raises(InputError, match="uint8"):
        psnr(image.astype(np.float32), image)
    with pytest.raises(InputError, match="at least one True"):
        psnr(image, image, np.zeros((4, 4), np.bool_))
    with pytest.raises(InputError, match="height and width"):
        mean_absolute_error(image, image, np.ones((4, 3), np.bool_))


@given(pictures, pictures)
def test_grey_metrics_agree_with_scikit_image_on_pictures_in_zero_to_one(image, truth):
    ours, theirs = rgb2gray(image), rgb2gray(truth)
    np.testing.assert_allclose(grey(image) / 255, ours, atol=1e-12)
    squared = float(((ours - theirs) ** 2).mean())
    if squared > 1e-12:
        assert psnr_grey(image, truth) == pytest.approx(peak_signal_noise_ratio(theirs, ours, data_range=1))
    light = float((ours + theirs).sum())
    expected = float(np.abs(ours - theirs).sum()) / light if light else 0.0
    assert relative_error(image, truth) == pytest.approx(expected, abs=1e-12)
    assert relative_error(truth, image) == relative_error(image, truth)


def test_relative_error_counts_more_in_the_dark():
    dark, bright = np.full((4, 4, 3), 10, np.uint8), np.full((4, 4, 3), 200, np.uint8)
    assert relative_error(dark + 10, dark) == pytest.approx(1 / 3)
    assert relative_error(bright + 10, bright) == pytest.approx(10 / 410)
    assert relative_error(np.zeros_like(dark), dark) == 1


def test_black_and_equal_pictures_are_without_error():
    black = np.zeros((4, 4, 3), np.uint8)
    assert relative_error(black, black) == 0
    assert psnr_grey(black + 7, black + 7) == math.inf


def test_green_weighs_most_and_a_grey_picture_is_itself():
    assert grey(np.eye(3, dtype=np.uint8)[None] * 255)[0].tolist() == pytest.approx(
        [54.1875, 182.427, 18.3855]
    )
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(grey(levels), levels)


def test_grey_metrics_refuse_what_is_no_pair_of_pictures():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(InputError, match="one shape"):
        psnr_grey(image, image[:2])
    with pytest.raises(InputError, match="uint8"):
        relative_error(image, image.astype(float))
    with pytest.raises(InputError, match=r"\[h w 3\]"):
        psnr_grey(np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 2), np.uint8))
