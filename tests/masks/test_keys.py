from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import ImageError, InputError
from twofold.masks.keys import hole_from_alpha, hole_from_color, parse_color

DEPTHS = [(np.uint8, 1), (np.uint16, 257)]


@pytest.mark.parametrize(("kind", "scale"), DEPTHS)
@pytest.mark.parametrize(("below", "expected"), [(1, 1), (128, 3), (255, 4)])
def test_what_is_transparent_enough_is_hole(kind, scale, below, expected):
    pixels = np.full((1, 5, 4), 200 * scale, kind)
    pixels[0, :, 3] = np.array([0, 1, 127, 128, 255]) * scale
    assert hole_from_alpha(pixels, below=below).tolist() == [[True] * expected + [False] * (5 - expected)]


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 1), (3, 3, 3)])
def test_a_picture_without_alpha_is_refused(shape):
    with pytest.raises(ImageError, match="no alpha channel"):
        hole_from_alpha(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("below", [0, 256])
def test_an_alpha_that_none_or_all_are_below_is_refused(below):
    with pytest.raises(InputError, match="from 1 to 255"):
        hole_from_alpha(np.zeros((2, 2, 4), np.uint8), below=below)


@pytest.mark.parametrize(("kind", "scale"), DEPTHS)
@pytest.mark.parametrize("channels", [3, 4])
def test_the_greatest_difference_of_the_three_colours_decides(kind, scale, channels):
    colors = [(250, 5, 250), (239, 16, 239), (238, 0, 255), (255, 17, 255), (255, 0, 0)]
    pixels = np.zeros((1, 5, channels), kind)
    pixels[0, :, :3] = np.array(colors) * scale
    hole = hole_from_color(pixels, (255, 0, 255), tolerance=16)
    assert hole.tolist() == [[True, True, False, False, False]]


def test_grey_pictures_have_grey_keys():
    pixels = np.array([[0, 15, 17, 255]], np.uint8)
    for shaped in (pixels, pixels[..., None]):
        assert hole_from_color(shaped, (0, 0, 0), tolerance=16).tolist() == [[True, True, False, False]]


def test_tall_pictures_are_compared_in_every_band():
    pixels = np.zeros((700, 2, 3), np.uint8)
    pixels[::7] = (255, 0, 255)
    np.testing.assert_array_equal(hole_from_color(pixels, (255, 0, 255))[:, 0], np.arange(700) % 7 == 0)


@pytest.mark.parametrize("text", ["#ff00ff", "#f0f", "magenta", "rgb(255, 0, 255)"])
def test_colours_are_written_in_the_usual_ways(text):
    assert parse_color(text) == (255, 0, 255)


def test_what_is_no_colour_is_refused():
    with pytest.raises(InputError, match="'pinkish' is no colour"):
        parse_color("pinkish")


@pytest.mark.parametrize("tolerance", [-1, 256, float("nan")])
def test_a_tolerance_that_is_no_level_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        hole_from_color(np.zeros((2, 2, 3), np.uint8), (0, 0, 0), tolerance=tolerance)
