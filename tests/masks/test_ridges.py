from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from twofold.masks.ridges import DIRECTIONS, find_lines, find_spots, halved, highest, top_hat


def line(angle, thickness, *, ground=60, level=160, side=81):
    """A straight line through the middle of a flat picture."""
    picture = Image.new("L", (4 * side, 4 * side), ground)
    away = 2 * side * np.array([math.cos(angle), math.sin(angle)])
    ends = [tuple(2 * side + sign * away) for sign in (-1, 1)]
    ImageDraw.Draw(picture).line(ends, fill=level, width=round(4 * thickness))
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


@pytest.mark.parametrize("thickness", [1.5, 2, 3, 4])
@pytest.mark.parametrize("index", range(0, DIRECTIONS, 3))
def test_a_line_answers_with_its_contrast_and_direction(index, thickness):
    lines = find_lines(line(math.pi * index / DIRECTIONS, thickness))
    assert 60 <= lines.bright[40, 40] <= 100
    off = (int(lines.direction[40, 40]) - index) % DIRECTIONS
    assert min(off, DIRECTIONS - off) <= 1
    assert lines.dark[40, 40] <= 10


def test_a_dark_line_is_the_bright_line_of_the_negative():
    picture = line(0.7, 2)
    lines, negative = find_lines(picture), find_lines(255 - picture)
    np.testing.assert_array_equal(lines.bright, negative.dark)
    np.testing.assert_array_equal(lines.dark, negative.bright)


@pytest.mark.parametrize("angle", [0, 0.4, 1.2, 2.5])
def test_the_border_between_two_tones_is_no_line(angle):
    rows, columns = np.mgrid[-40:41, -40:41]
    picture = np.where(columns * math.sin(angle) > rows * math.cos(angle), 200, 50).astype(np.uint8)
    lines = find_lines(picture)
    # A digital staircase is not quite straight.
    assert lines.bright[20:60, 20:60].max() < 30
    assert find_spots(picture)[20:60, 20:60].max() < 30


def test_nothing_is_found_on_a_flat_picture_up_to_its_border():
    flat = np.full((70, 50), 130, np.uint8)
    lines = find_lines(flat)
    assert lines.bright.max() == lines.dark.max() == find_spots(flat).max() == 0


def test_a_spot_answers_as_a_spot_and_hardly_as_a_line():
    rows, columns = np.mgrid[-30:31, -30:31]
    picture = np.where(rows**2 + columns**2 <= 6, 180, 80).astype(np.uint8)
    assert find_spots(picture)[30, 30] == 100
    assert find_lines(picture).bright[30, 30] < 40
    assert find_spots(line(0.3, 3))[30:50, 30:50].max() < 30


@pytest.mark.parametrize("find", [find_spots, lambda level: find_lines(level).bright])
def test_tiles_do_not_show(find):
    picture = np.random.default_rng(0).integers(0, 256, (300, 530), dtype=np.uint8)
    whole = find(picture)
    # The seams of these lie elsewhere.
    np.testing.assert_array_equal(find(picture[37:])[30:], whole[67:])
    np.testing.assert_array_equal(find(picture[:, 101:])[:, 30:], whole[:, 131:])


@pytest.mark.parametrize("shape", [(40, 50), (3, 60), (1, 1)])
@pytest.mark.parametrize("side", [1, 3, 9])
def test_extremes_and_top_hats_are_those_of_scipy(shape, side):
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    square = (side, side)
    np.testing.assert_array_equal(
        highest(picture, side), ndimage.grey_dilation(picture, square, mode="nearest")
    )
    opened = ndimage.grey_dilation(
        ndimage.grey_erosion(picture, square, mode="nearest"), square, mode="nearest"
    )
    np.testing.assert_array_equal(top_hat(picture, side), picture - opened)


def test_half_the_size_is_the_mean_of_four():
    picture = np.array([[0, 4, 255], [8, 12, 255], [100, 100, 7]], np.uint8)
    assert halved(picture).tolist() == [[6, 255], [100, 7]]
