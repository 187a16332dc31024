"""Answers of networks take the colours of the known pixels along the rim."""

from __future__ import annotations

import numpy as np

from twofold.engine.detail.color_match import FADE, fitted_to_rim

SIDE = 64


def case() -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(60, 190, (SIDE, SIDE, 3), np.uint8)
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[16:48, 16:48] = True
    return image, hole


def test_an_even_error_around_the_hole_is_taken_off_at_the_rim_and_fades_inside() -> None:
    image, hole = case()
    fitted = fitted_to_rim(image, image + np.uint8(30), hole)
    left = (fitted - image)[32, :, 0]
    np.testing.assert_array_equal(fitted[~hole], image[~hole])
    np.testing.assert_allclose(left[16], 0, atol=1e-3)
    depths = np.arange(1, 17)
    np.testing.assert_allclose(left[16:32], 30 * (1 - np.exp((1 - depths) / FADE)), atol=1e-3)


def test_an_answer_that_repeats_the_known_pixels_stays_as_it_is() -> None:
    image, hole = case()
    answer = np.where(hole[..., None], np.uint8(77), image)
    np.testing.assert_array_equal(fitted_to_rim(image, answer, hole), answer)


def test_what_the_hole_hides_has_no_influence_and_levels_stay_in_range() -> None:
    image, hole = case()
    answer = np.random.default_rng(1).integers(0, 255, image.shape, np.uint8, endpoint=True)
    fitted = fitted_to_rim(image, answer, hole)
    other = np.where(hole[..., None], np.uint8(7), image)
    np.testing.assert_array_equal(fitted_to_rim(other, answer, hole), fitted)
    assert fitted.min() >= 0
    assert fitted.max() <= 255


def test_without_a_known_pixel_the_answer_stays() -> None:
    image, _ = case()
    everything = np.ones((SIDE, SIDE), np.bool_)
    np.testing.assert_array_equal(fitted_to_rim(image, image, everything), image)
