"""Causal convolutions against nested loops, and what they may not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dsi.lively import enliven, random
from twofold.dsi.causal_conv import DownRightShiftedConv2d, DownShiftedConv2d, down_shift, right_shift
from twofold.dsi.weight_norm import WeightNormConv2d


def by_loops(layer: WeightNormConv2d, features: torch.Tensor, last_column: int) -> np.ndarray:
    """Sum over taps; the kernel's last row is the position's own, ``last_column`` lies that far right."""
    weight, bias = layer.weight.detach().double().numpy(), layer.b.detach().double().numpy()
    values = features.double().numpy()
    outs, ins, rows, columns = weight.shape
    batch, _, height, width = values.shape
    answer = np.zeros((batch, outs, height, width))
    for b, o, y, x in np.ndindex(batch, outs, height, width):
        total = bias[o]
        for i, r, c in np.ndindex(ins, rows, columns):
            row, column = y - (rows - 1) + r, x + last_column - (columns - 1) + c
            if 0 <= row < height and 0 <= column < width:
                total += weight[o, i, r, c] * values[b, i, row, column]
        answer[b, o, y, x] = total
    return answer


@pytest.mark.parametrize("kernel", [(2, 3), (1, 3), (3, 5)])
def test_the_upper_convolution_is_centred_over_its_last_row(kernel):
    layer = DownShiftedConv2d(2, 3, kernel)
    enliven(layer)
    features = random(2, 2, 4, 5)
    expected = by_loops(layer, features, (kernel[1] - 1) // 2)
    np.testing.assert_allclose(layer(features).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [(2, 2), (2, 1), (3, 4)])
def test_the_left_convolution_ends_at_its_position(kernel):
    layer = DownRightShiftedConv2d(2, 3, kernel)
    enliven(layer)
    features = random(2, 2, 4, 5)
    expected = by_loops(layer, features, 0)
    np.testing.assert_allclose(layer(features).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_kernels_are_the_papers_unless_told():
    assert DownShiftedConv2d(1, 1).v.shape == (1, 1, 2, 3)
    assert DownRightShiftedConv2d(1, 1).v.shape == (1, 1, 2, 2)


def test_shifts_move_by_one_and_bring_in_zeros():
    features = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    assert down_shift(features).flatten().tolist() == [0, 0, 0, 1, 2, 3]
    assert right_shift(features).flatten().tolist() == [0, 1, 2, 0, 4, 5]
