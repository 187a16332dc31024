"""Gated convolutions: which half gates which, and how pictures grow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from twofold.dsi.gated_conv import GatedConv2d, GatedUp


def slow_gated(features: Tensor, layer: GatedConv2d, *, kernel: int, stride: int, dilation: int) -> Tensor:
    """One sample by nested loops: TensorFlow's SAME padding, then elu of the first half times the gate."""
    weight, bias = (value.detach().double().numpy() for value in (layer.conv.weight, layer.conv.bias))
    image = features.double().numpy()
    channels, (height, width) = len(weight) // 2, image.shape[1:]
    out = np.zeros((channels, -(-height // stride), -(-width // stride)))
    reach = (kernel - 1) * dilation + 1
    top = max((out.shape[1] - 1) * stride + reach - height, 0) // 2
    left = max((out.shape[2] - 1) * stride + reach - width, 0) // 2
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            sums = bias.copy()
            for dy in range(kernel):
                for dx in range(kernel):
                    row, column = y * stride - top + dy * dilation, x * stride - left + dx * dilation
                    if 0 <= row < height and 0 <= column < width:
                        sums += weight[:, :, dy, dx] @ image[:, row, column]
            values, gate = sums[:channels], sums[channels:]
            out[:, y, x] = np.where(values > 0, values, np.expm1(values)) / (1 + np.exp(-gate))
    return torch.from_numpy(out)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(5, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 1, 4)]
)
@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_every_shape_of_convolution_is_that_of_nested_loops(kernel, stride, dilation, size):
    torch.manual_seed(0)
    layer = GatedConv2d(3, 2, kernel, stride=stride, dilation=dilation)
    torch.nn.init.normal_(layer.conv.bias)
    features = torch.randn(2, 3, *size)
    for ours, sample in zip(layer(features), features, strict=True):
        slow = slow_gated(sample, layer, kernel=kernel, stride=stride, dilation=dilation)
        torch.testing.assert_close(ours.double(), slow, atol=1e-5, rtol=1e-5)


def test_the_first_half_is_the_features_and_the_second_gates_them():
    layer = GatedConv2d(1, 2)
    torch.nn.init.zeros_(layer.conv.weight)
    with torch.no_grad():
        layer.conv.bias.copy_(torch.tensor([3.0, -1.0, 0.0, math.log(3)]))
    out = layer(torch.randn(1, 1, 4, 4))
    expected = torch.tensor([3.0 * 0.5, (math.exp(-1) - 1) * 0.75])
    torch.testing.assert_close(out, expected[None, :, None, None].expand(1, 2, 4, 4))


def test_growing_repeats_pixels_before_it_convolves():
    torch.manual_seed(0)
    layer = GatedUp(3, 2)
    features = torch.randn(1, 3, 3, 4)
    repeated = torch.from_numpy(features[0].numpy().repeat(2, axis=1).repeat(2, axis=2))
    slow = slow_gated(repeated, layer, kernel=3, stride=1, dilation=1)
    assert slow.shape == (2, 6, 8)
    torch.testing.assert_close(layer(features)[0].double(), slow, atol=1e-5, rtol=1e-5)


def test_fresh_layers_start_with_open_gates_and_bounded_weights():
    torch.manual_seed(0)
    layer = GatedConv2d(8, 16)
    spread = (3 * 3 * 8) ** -0.5
    assert layer.conv.weight.shape == (32, 8, 3, 3)
    assert layer.conv.weight.abs().max() <= 2 * spread
    assert 0.8 * spread < layer.conv.weight.std() < 0.95 * spread  # cut at two deviations: 0.88
    assert not layer.conv.bias.any()


def test_gradients_reach_features_and_gates():
    layer = GatedUp(2, 3)
    layer(torch.randn(1, 2, 4, 4)).square().sum().backward()
    assert (layer.conv.weight.grad.flatten(1).abs().sum(dim=1) > 0).all()
    assert (layer.conv.bias.grad != 0).all()
