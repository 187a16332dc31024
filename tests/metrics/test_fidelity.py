"""Closed forms and properties of the pixel metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twofold.errors import InputError
from twofold.metrics.fidelity import mean_absolute_error, psnr

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
