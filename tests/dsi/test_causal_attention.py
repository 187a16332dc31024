"""Causal attention against nested loops, head by head as the official code has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dsi.lively import enliven, random
from twofold.dsi.causal_attention import CausalAttention


def by_loops(layer: CausalAttention, features: np.ndarray) -> np.ndarray:
    """One sample [c h w]; every head with its own three maps, earlier positions alone."""
    channels, height, width = features.shape
    flat = features.reshape(channels, -1).T
    maps = {}
    for name in ("query", "key", "value"):
        linear = getattr(layer, name)
        maps[name] = flat @ linear.weight.detach().double().numpy().T + linear.b.detach().double().numpy()
    found = np.zeros((len(flat), layer.heads * layer.value_channels))
    for head in range(layer.heads):
        k = slice(head * layer.key_channels, (head + 1) * layer.key_channels)
        v = slice(head * layer.value_channels, (head + 1) * layer.value_channels)
        for i in range(len(flat)):
            if i == 0:
                continue  # exp(..) / (0 + 1e-10) of nothing
            scores = np.array([maps["query"][i, k] @ maps["key"][j, k] for j in range(i)])
            scores /= np.sqrt(layer.key_channels)
            weight = np.exp(scores - scores.max())
            weight /= weight.sum() + 1e-10
            found[i, v] = sum(weight[j] * maps["value"][j, v] for j in range(i))
    output = layer.output
    mapped = found @ output.weight.detach().double().numpy().T + output.b.detach().double().numpy()
    return features + mapped.T.reshape(channels, height, width)


@pytest.mark.parametrize(("key", "value"), [(2, 5), (5, 2), (3, 3)])
def test_attention_is_that_of_the_official_code(key, value):
    layer = CausalAttention(4, heads=3, key_channels=key, value_channels=value)
    enliven(layer, gain=3.0)
    features = 2 * random(2, 4, 3, 4)
    answer = layer(features).detach().numpy()
    for sample in range(2):
        expected = by_loops(layer, features[sample].double().numpy())
        np.testing.assert_allclose(answer[sample], expected, rtol=1e-4, atol=1e-5)


def test_the_first_position_finds_zeros():
    layer = CausalAttention(4, heads=2, key_channels=2, value_channels=3)
    enliven(layer)
    features = random(1, 4, 2, 2)
    torch.testing.assert_close(layer(features)[..., 0, 0], features[..., 0, 0] + layer.output.b)


def test_the_second_position_copies_the_first():
    layer = CausalAttention(4, heads=2, key_channels=2, value_channels=3)
    enliven(layer)
    features = random(1, 4, 1, 2)
    expected = features[..., 1:] + layer.output(layer.value(features[..., :1]))
    torch.testing.assert_close(layer(features)[..., 1:], expected)


def test_one_position_alone_is_answered():
    layer = CausalAttention(4, heads=2, key_channels=2, value_channels=3)
    enliven(layer)
    features = random(2, 4, 1, 1)
    torch.testing.assert_close(layer(features), features + layer.output.b[:, None, None])


def test_no_position_sees_itself_or_later_ones_through_attention():
    layer = CausalAttention(4, heads=2, key_channels=2, value_channels=3)
    enliven(layer)
    features = random(1, 4, 2, 3).requires_grad_()
    for position in range(6):
        gained = (layer(features) - features).flatten(2)[0, :, position].sum()
        (gradient,) = torch.autograd.grad(gained, features)
        seen = gradient[0].flatten(1).abs().sum(dim=0) > 0
        # A position asks by its own query, but if there is one key alone, asking changes nothing.
        asks = torch.arange(6) == position
        assert not (seen & ~asks)[position:].any()
        assert seen[:position].all()


def test_half_precision_keeps_the_softmax_in_float32():
    layer = CausalAttention(4, heads=2, key_channels=4, value_channels=8)
    enliven(layer, gain=2.0)
    features = random(1, 4, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = layer(features)
    whole = layer(features)
    # bfloat16 keeps 8 bits; a softmax in it would lose count of 255 keys.
    assert (half - whole).abs().mean() < 0.01 * whole.abs().mean()
