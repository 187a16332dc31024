import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.train.crops import crop, hole_corners


@given(st.integers(0, 2**31), st.integers(0, 31), st.integers(0, 39), st.integers(1, 32))
def test_crop_lies_inside_and_holds_the_missing_pixel(seed, row, column, size):
    hole = torch.zeros(1, 1, 32, 40)
    hole[0, 0, row, column] = 1
    ((top, left),) = hole_corners(hole, size, [seed])
    assert 0 <= top <= 32 - size
    assert 0 <= left <= 40 - size
    assert crop(hole, [(top, left)], size).sum() == 1


def test_same_seed_gives_same_corner_whatever_the_batch():
    hole = (torch.rand(3, 1, 20, 20) > 0.5).float()
    together = hole_corners(hole, 8, [1, 2, 3])
    assert [hole_corners(hole[i : i + 1], 8, [i + 1])[0] for i in range(3)] == together


def test_a_picture_without_hole_is_cropped_anywhere():
    corners = {hole_corners(torch.zeros(1, 1, 16, 16), 4, [seed])[0] for seed in range(20)}
    assert len(corners) > 5
