"""Rim error and seam: closed forms, slow references and what must never matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twofold.errors import InputError
from twofold.metrics.boundary import rim_error, seam

pictures = hnp.arrays(np.uint8, (6, 7, 3))
holes = hnp.arrays(np.bool_, (6, 7))


def square(side: int = 12, start: int = 3, stop: int = 9) -> np.ndarray:
    hole = np.zeros((side, side), np.bool_)
    hole[start:stop, start:stop] = True
    return hole


def test_only_the_rim_counts_and_all_of_it():
    truth, hole = np.zeros((12, 12, 3), np.uint8), square()
    image = truth.copy()
    image[5:7, 5:7] = 255  # two pixels from the nearest known one, and more
    assert rim_error(image, truth, hole) == 0
    assert rim_error(image, truth, hole, width=3) == pytest.approx(4 / 36)
    image[3, 3:9] = 255  # a side of the outermost ring; the two outer rings have 32 pixels
    assert rim_error(image, truth, hole) == pytest.approx(6 / 32)
    assert rim_error(image, truth, hole, width=1) == pytest.approx(6 / 20)


def test_rim_counts_a_diagonal_step_as_one():
    hole = np.ones((5, 5), np.bool_)
    hole[0, 0] = False
    truth = np.zeros((5, 5), np.uint8)
    image = truth.copy()
    image[1, 1] = 255
    assert rim_error(image, truth, hole, width=1) == pytest.approx(1 / 3)
    image[1, 1], image[2, 2] = 0, 255
    assert rim_error(image, truth, hole, width=1) == 0
    assert rim_error(image, truth, hole, width=2) == pytest.approx(1 / 8)


def test_the_edge_of_the_picture_is_no_rim():
    hole = np.zeros((8, 8), np.bool_)
    hole[:, :6] = True
    truth = np.zeros((8, 8), np.uint8)
    image = truth.copy()
    image[:, :4] = 255
    assert rim_error(image, truth, hole) == 0
    assert seam(image, truth, hole) == 0


def test_flat_fill_in_a_flat_picture_is_a_seam_of_its_step():
    truth = np.full((12, 12, 3), 100, np.uint8)
    image = truth.copy()
    image[square()] = 151
    assert seam(image, truth, square()) == pytest.approx(51 / 255)
    assert rim_error(image, truth, square()) == pytest.approx(51 / 255)


def test_fill_smoother_than_the_truth_is_below_zero():
    truth = np.full((12, 12, 3), 100, np.uint8)
    truth[square()] = 200  # a true edge along the outline
    image = np.full((12, 12, 3), 100, np.uint8)
    assert seam(image, truth, square()) == pytest.approx(-100 / 255)


def slow_rim(image: np.ndarray, truth: np.ndarray, hole: np.ndarray, width: int) -> float:
    """Every missing pixel beside every known one."""
    known = list(zip(*np.nonzero(~hole), strict=True))
    errors = [
        abs(int(image[y, x, c]) - int(truth[y, x, c]))
        for y, x in zip(*np.nonzero(hole), strict=True)
        if any(max(abs(y - v), abs(x - u)) <= width for v, u in known)
        for c in range(3)
    ]
    return sum(errors) / len(errors) / 255 if errors else 0.0


def slow_seam(image: np.ndarray, truth: np.ndarray, hole: np.ndarray) -> float:
    """Pair by pair."""
    steps = []
    for y, x in zip(*np.nonzero(hole), strict=True):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < hole.shape[0] and 0 <= u < hole.shape[1] and not hole[v, u]:
                for c in range(3):
                    known = int(truth[v, u, c])
                    steps.append(abs(int(image[y, x, c]) - known) - abs(int(truth[y, x, c]) - known))
    return sum(steps) / len(steps) / 255 if steps else 0.0


@given(pictures, pictures, holes, st.integers(1, 8))
def test_both_agree_with_plain_loops(image, truth, hole, width):
    assert rim_error(image, truth, hole, width=width) == pytest.approx(slow_rim(image, truth, hole, width))
    assert seam(image, truth, hole) == pytest.approx(slow_seam(image, truth, hole), abs=1e-12)


@given(pictures, pictures, holes)
def test_equal_pictures_are_at_zero_and_known_pixels_of_the_answer_never_matter(image, truth, hole):
    assert rim_error(truth, truth, hole) == 0
    assert seam(truth, truth, hole) == 0
    composited = np.where(hole[..., None], image, truth)
    assert rim_error(image, truth, hole) == rim_error(composited, truth, hole)
    assert seam(image, truth, hole) == seam(composited, truth, hole)


@given(pictures, pictures, holes)
def test_mirrored_pictures_have_the_same_figures_within_their_ranges(image, truth, hole):
    mirrored = [np.ascontiguousarray(one[:, ::-1]) for one in (image, truth, hole)]
    assert rim_error(*mirrored) == pytest.approx(rim_error(image, truth, hole))
    assert seam(*mirrored) == pytest.approx(seam(image, truth, hole), abs=1e-12)
    assert 0 <= rim_error(image, truth, hole) <= 1
    assert -1 <= seam(image, truth, hole) <= 1


@pytest.mark.parametrize("full", [False, True])
def test_empty_and_full_holes_have_no_rim(full):
    image, truth = np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)
    assert rim_error(image, truth, np.full((4, 5), full)) == 0
    assert seam(image, truth, np.full((4, 5), full)) == 0


def test_unfit_arguments_are_refused():
    image, hole = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.bool_)
    with pytest.raises(InputError, match="height and width"):
        rim_error(image, image, hole[:3])
    with pytest.raises(InputError, match="boolean"):
        seam(image, image, hole.astype(np.uint8))
    with pytest.raises(InputError, match="one shape"):
        seam(image, image[:, :4], hole)
    with pytest.raises(InputError, match="width is 0"):
        rim_error(image, image, hole, width=0)
