"""Convolutions over frequencies are convolutions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from twofold.medfe.fast.fft_conv import FftConv, tile_transform


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(answer: torch.Tensor, exact: torch.Tensor) -> float:
    return float((answer.double() - exact).norm() / exact.norm())


@settings(deadline=None, max_examples=40)
@given(
    batch=st.integers(1, 3),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    kernel=st.sampled_from([3, 5, 7, 9]),
    height=st.integers(1, 21),
    width=st.integers(1, 21),
    seed=st.integers(0, 99),
    kept=st.booleans(),
)
def test_any_size_gives_the_sums_of_a_plain_convolution(
    batch, inputs, outputs, kernel, height, width, seed, kept
):
    features = random(batch, inputs, height, width, seed=seed)
    weight = random(outputs, inputs, kernel, kernel, seed=seed + 1)
    exact = F.conv2d(features.double(), weight.double(), padding=kernel // 2)
    with torch.inference_mode():
        answer = FftConv(weight, kept=kept)(features)
    torch.testing.assert_close(answer.double(), exact, atol=2e-4, rtol=1e-4)


def test_rounding_is_smaller_than_that_of_the_direct_sum():
    features, weight = random(1, 64, 32, 32), random(64, 64, 7, 7, seed=1)
    exact = F.conv2d(features.double(), weight.double(), padding=3)
    fft = error(FftConv(weight)(features), exact)
    assert fft < 5e-7
    assert fft < error(F.conv2d(features, weight, padding=3), exact)


def test_bfloat16_rounds_no_worse_than_a_convolution_in_bfloat16():
    features, weight = random(1, 64, 32, 32), random(64, 64, 5, 5, seed=1)
    exact = F.conv2d(features.double(), weight.double(), padding=2)
    direct = F.conv2d(features.bfloat16(), weight.bfloat16(), padding=2)
    fft = error(FftConv(weight, torch.bfloat16)(features), exact)
    assert 1e-4 < fft < 1.2 * error(direct, exact)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_answer_does_not_depend_on_its_neighbours_in_a_batch(dtype):
    conv, features = FftConv(random(16, 16, 5, 5), dtype), random(3, 16, 24, 16, seed=1)
    together = conv(features)
    for place in range(3):
        assert torch.equal(conv(features[place : place + 1]), together[place : place + 1])


def test_the_layout_of_what_comes_in_does_not_matter():
    conv, features = FftConv(random(8, 8, 5, 5)), random(2, 8, 9, 12, seed=1)
    assert torch.equal(conv(features), conv(features.to(memory_format=torch.channels_last)))


def test_moving_and_converting_leave_the_precision_alone():
    conv = FftConv(random(4, 4, 5, 5), torch.bfloat16).float().to("cpu")
    assert conv.real.dtype == torch.bfloat16
    assert conv.down.dtype == torch.float32


@pytest.mark.parametrize("size", [10, 12, 14])
def test_the_transform_is_a_discrete_fouriertile_transform(size):
    tile = random(size, size).double()
    rows = torch.einsum("fyx,yx->f", tile_transform(size), tile)
    whole = torch.fft.fft2(tile)
    # The first pair of lines is frequency 1 of the width, the last four rows are the real frequencies.
    pairs = rows[: 2 * size].view(size, 2)
    torch.testing.assert_close(torch.complex(pairs[:, 0], pairs[:, 1]), whole[:, 1])
    half = size // 2
    corners = torch.stack([whole[0, 0], whole[half, 0], whole[0, half], whole[half, half]])
    torch.testing.assert_close(rows[-4:], corners.real)
