"""What the encoder sees in the hole: one colour, or the surroundings diffused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.diffusion import diffuse
from twofold.medfe.prefill import MEAN_COLOR, OFFICIAL_COLOR, mean_prefill


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def random_hole(height: int, width: int, share: float, seed: int = 0) -> torch.Tensor:
    return (torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(seed)) < share).float()


def test_mean_colours_are_the_numbers_of_the_papers_code():
    hole = torch.ones(2, 1, 4, 4)
    official = mean_prefill(picture(4, 4), hole, OFFICIAL_COLOR)[0, :, 0, 0]
    ours = mean_prefill(picture(4, 4), hole, MEAN_COLOR)[0, :, 0, 0]
    torch.testing.assert_close(official, torch.tensor([-0.035294, -0.184314, -0.082353]), atol=1e-6, rtol=0)
    torch.testing.assert_close(ours, official[[0, 2, 1]])  # the official code swaps green and blue


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    level=st.floats(-1, 1, width=32),
    share=st.floats(0, 0.95),
)
def test_a_constant_picture_stays_constant(height, width, level, share):
    image, hole = torch.full((2, 3, height, width), level), random_hole(height, width, share)
    hole[..., 0, 0] = 0  # something is known
    torch.testing.assert_close(diffuse(image, hole), image, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("prefill", [diffuse, lambda i, h: mean_prefill(i, h, MEAN_COLOR)])
def test_known_pixels_are_untouched_and_the_hole_has_no_influence(prefill):
    image, hole = picture(37, 22), random_hole(37, 22, 0.6)
    filled = prefill(image, hole)
    assert torch.equal(torch.where(hole > 0, 0, filled), torch.where(hole > 0, 0, image))
    assert torch.equal(prefill(torch.where(hole > 0, 0.5, image), hole), filled)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 192), (1, 1), (5, 1), (31, 48)])
def test_a_picture_that_is_all_hole_becomes_grey(height, width):
    filled = diffuse(picture(height, width), torch.ones(2, 1, height, width))
    assert torch.equal(filled, torch.zeros(2, 3, height, width))


def test_the_fill_stays_within_the_known_colours():
    image, hole = picture(64, 64) * 0.3 + 0.5, random_hole(64, 64, 0.9)
    filled = diffuse(image, hole)
    assert filled.max() <= image.max() + 1e-5
    assert filled.min() >= image.min() - 1e-5


def test_a_hole_between_black_and_white_becomes_a_slope():
    image = torch.ones(1, 3, 32, 32)
    image[..., :16] = -1
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., 8:24] = 1
    row = diffuse(image, hole)[0, 0, 16]
    assert (row.diff() >= -1e-5).all()
    assert row[10] < -0.2
    assert row[21] > 0.2


def test_pictures_of_a_batch_do_not_mix():
    image, hole = picture(48, 32), random_hole(48, 32, 0.5)
    alone = torch.cat([diffuse(image[i : i + 1], hole[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(diffuse(image, hole), alone)


def test_missing_pixels_take_the_average_of_the_known_ones_around_them_first():
    image, hole = torch.full((1, 3, 4, 4), -1.0), torch.ones(1, 1, 4, 4)
    image[..., 0, 0] = 1
    hole[..., 0, 0] = 0  # one white pixel in the upper left quarter
    hole[..., 2:, 2:] = 0  # four black ones in the lower right
    everywhere = (1 - 4) / 5
    filled = diffuse(image, hole)[0, 0]
    assert float(filled[0, 1]) == pytest.approx(0.75 * 1 + 0.25 * everywhere)
    assert float(filled[0, 3]) == pytest.approx(everywhere)
    centre = (9 * 1 + 2 * 3 * everywhere + 1 * -1) / 16
    assert float(filled[1, 1]) == pytest.approx(centre)
