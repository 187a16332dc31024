"""Weight normalisation: closed forms, the official corner cases, TensorFlow's padding."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from dsi.lively import enliven, random
from twofold.dsi.weight_norm import WeightNormConv2d, WeightNormLinear


def fill(layer: WeightNormConv2d | WeightNormLinear, *, v, g, b) -> None:
    with torch.no_grad():
        layer.v.copy_(torch.tensor(v).reshape(layer.v.shape))
        layer.g.copy_(torch.tensor(g))
        layer.b.copy_(torch.tensor(b))


def test_a_linear_map_is_its_direction_times_its_length():
    layer = WeightNormLinear(2, 1)
    fill(layer, v=[3.0, 4.0], g=[10.0], b=[0.5])
    torch.testing.assert_close(layer.weight, torch.tensor([[6.0, 8.0]]))
    answer = layer(torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1))
    torch.testing.assert_close(answer, torch.tensor([22.5]).reshape(1, 1, 1, 1))


def test_a_convolution_is_its_direction_times_its_length():
    layer = WeightNormConv2d(1, 1, (2, 1))
    fill(layer, v=[3.0, 4.0], g=[10.0], b=[0.5])
    torch.testing.assert_close(layer.weight.flatten(), torch.tensor([6.0, 8.0]))


def test_the_norm_runs_over_all_inputs_of_an_output():
    layer = WeightNormConv2d(3, 4, (2, 3))
    enliven(layer)
    torch.testing.assert_close(layer.weight.flatten(1).norm(dim=1), layer.g)


def test_the_scale_of_directions_does_not_matter():
    for layer in (WeightNormConv2d(2, 3, 3), WeightNormLinear(2, 3)):
        enliven(layer)
        before = layer.weight.detach().clone()
        with torch.no_grad():
            layer.v *= 7
        torch.testing.assert_close(layer.weight, before)


def test_a_convolution_without_direction_is_its_bias():
    layer = WeightNormConv2d(2, 1, 3)
    fill(layer, v=[0.0] * 18, g=[5.0], b=[0.25])
    assert torch.equal(layer(random(1, 2, 4, 4)), torch.full((1, 1, 4, 4), 0.25))


def test_tiny_directions_are_bounded_as_in_tensorflow():
    """l2_normalize raises the squared norm to 1e-12, so 1e-7 becomes 0.1 and not 1."""
    layer = WeightNormConv2d(1, 1, 1)
    fill(layer, v=[1e-7], g=[1.0], b=[0.0])
    assert abs(layer.weight.item() - 0.1) < 1e-6


def test_fresh_layers_follow_the_official_initialisation():
    torch.manual_seed(0)
    for layer in (WeightNormConv2d(32, 64, 3), WeightNormLinear(128, 256)):
        assert abs(layer.v.std().item() - 0.05) < 1e-3
        assert torch.equal(layer.g, torch.ones_like(layer.g))
        assert torch.equal(layer.b, torch.zeros_like(layer.b))


def test_padding_is_tensorflows():
    """Stride 2 on an even side: nothing above, one row below."""
    layer = WeightNormConv2d(2, 3, 3, stride=2)
    enliven(layer)
    features = random(1, 2, 6, 8)
    expected = F.conv2d(F.pad(features, (0, 1, 0, 1)), layer.weight, layer.b, stride=2)
    torch.testing.assert_close(layer(features), expected)
    dilated = WeightNormConv2d(2, 3, 3, dilation=2)
    assert dilated(features).shape == (1, 3, 6, 8)


def test_a_linear_map_sees_every_position_by_itself():
    layer = WeightNormLinear(2, 3)
    enliven(layer)
    features = random(2, 2, 3, 4)
    answer = layer(features).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.b.detach().numpy()
    for b, y, x in np.ndindex(2, 3, 4):
        np.testing.assert_allclose(
            answer[b, :, y, x], weight @ features[b, :, y, x].numpy() + bias, rtol=1e-5
        )


def test_directions_get_no_gradient_along_themselves():
    layer = WeightNormLinear(3, 2)
    enliven(layer)
    (layer(random(1, 3, 2, 2)) ** 2).sum().backward()
    assert layer.v.grad is not None
    along = (layer.v.grad * layer.v).sum(dim=1) / layer.v.grad.norm()
    torch.testing.assert_close(along.detach(), torch.zeros(2), atol=1e-6, rtol=0)
