"""Minimal filtering gives the convolution's sums, and rounds no worse than they do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from dsi.lively import random
from twofold.dsi.folded_linear import FoldedLinear
from twofold.dsi.minimal_conv import MinimalConv, write_tiles


def tiles_of(rows: Tensor) -> Tensor:
    """Tiles [4, n t, 2 i] of two rows [n 2 w+2 i]."""
    samples, _, padded, size = rows.shape
    tiles = torch.full((4, samples, padded // 2 - 1, 2, size), float("nan"))
    for number in range(2):
        write_tiles(rows[:, number], tiles[:, :, :, number])
    return tiles.flatten(3).flatten(1, 2)


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 7), st.integers(1, 9))
def test_the_convolution_of_torch_comes_out(samples: int, pairs: int, inputs: int, outputs: int) -> None:
    rows = random(samples, 2, 2 * pairs + 2, inputs)
    weight, bias = random(outputs, 2, 3, inputs, seed=1), random(outputs, seed=2)
    plus = random(samples * 2 * pairs, outputs, seed=3)
    expected = F.conv2d(rows.permute(0, 3, 1, 2), weight.permute(0, 3, 1, 2), bias)  # n o 1 w
    expected = expected[:, :, 0].transpose(1, 2).flatten(0, 1)
    conv = MinimalConv(weight, bias)
    torch.testing.assert_close(conv(tiles_of(rows)), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(conv(tiles_of(rows), plus), expected + plus, rtol=1e-4, atol=1e-5)
    plain = MinimalConv(weight)
    torch.testing.assert_close(plain(tiles_of(rows)), expected - bias, rtol=1e-4, atol=1e-5)


def test_rounding_is_that_of_the_plain_sum() -> None:
    rows, weight = random(2, 2, 34, 256), random(128, 2, 3, 256, seed=1) / 40
    taps = rows.unfold(2, 3, 1).permute(0, 2, 1, 4, 3).reshape(64, -1)  # n w, row column i
    plain = FoldedLinear(weight.flatten(1))
    exact = taps.double() @ weight.double().flatten(1).T
    error = (MinimalConv(weight)(tiles_of(rows)).double() - exact).std()
    assert 0 < error < 2 * (plain(taps).double() - exact).std()


@pytest.mark.parametrize("width", [2, 6])
def test_padding_is_part_of_the_row(width: int) -> None:
    rows = torch.zeros(1, 2, width + 2, 1)
    rows[0, 1, 1] = 1  # the first column behind the padding
    weight = torch.arange(6.0).view(1, 2, 3, 1)
    answer = MinimalConv(weight)(tiles_of(rows))[:, 0]
    assert answer[:2].tolist() == [4, 3]
    assert not answer[2:].any()
