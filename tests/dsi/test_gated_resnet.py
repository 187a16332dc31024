"""The residual blocks: their formula written out, and where dropout strikes."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from dsi.lively import enliven, random
from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.causal_conv import DownRightShiftedConv2d
from twofold.dsi.gated_resnet import GatedResnet, OutResnet, concat_elu
from twofold.dsi.weight_norm import WeightNormConv2d


def test_concat_elu_keeps_both_signs():
    answer = concat_elu(torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)).flatten()
    less = torch.expm1(torch.tensor([-2.0, -1.0]))
    torch.testing.assert_close(answer, torch.stack([torch.tensor(1.0), less[0], less[1], torch.tensor(2.0)]))


def test_the_block_is_the_official_formula():
    attention = CausalAttention(4, heads=2, key_channels=2, value_channels=3)
    block = GatedResnet(
        4,
        DownRightShiftedConv2d,
        DownRightShiftedConv2d,
        extra_channels=3,
        condition_channels=5,
        attention=attention,
        dropout=0.5,
    ).eval()
    enliven(block)
    features, extra, condition = random(2, 4, 3, 3), random(2, 3, 3, 3, seed=1), random(2, 5, 3, 3, seed=2)

    def ce(value: torch.Tensor) -> torch.Tensor:
        return F.elu(torch.cat([value, -value], dim=1))

    assert block.from_extra is not None
    assert block.from_condition is not None
    hidden = block.first(ce(features)) + block.from_extra(ce(extra))
    hidden = block.second(ce(hidden)) + block.from_condition(ce(condition))
    activation, gate = hidden[:, :4], hidden[:, 4:]
    expected = features + attention(activation * torch.sigmoid(gate))
    torch.testing.assert_close(block(features, extra, concat_elu(condition)), expected)


def test_a_block_alone_needs_features_alone():
    conv = partial(WeightNormConv2d, kernel=3)
    block = GatedResnet(2, partial(conv, dilation=2), conv)
    enliven(block)
    assert block.first.dilation == 2
    assert block.second.dilation == 1
    features = random(1, 2, 5, 5)
    expected = features + F.glu(block.second(concat_elu(block.first(concat_elu(features)))), dim=1)
    torch.testing.assert_close(block(features), expected)


def test_dropout_strikes_what_is_added_and_after_the_attention():
    """Features survive; of what attention adds too, each value is doubled or dropped."""
    attention = CausalAttention(4, heads=2, key_channels=2, value_channels=3)
    block = GatedResnet(4, DownRightShiftedConv2d, DownRightShiftedConv2d, attention=attention, dropout=0.5)
    enliven(block)
    features = random(1, 4, 4, 4)
    whole = block.eval()(features) - features
    torch.manual_seed(0)
    struck = block.train()(features) - features
    dropped = struck == 0
    assert 0.2 < dropped.float().mean() < 0.8
    torch.testing.assert_close(struck[~dropped], 2 * whole[~dropped], rtol=1e-4, atol=1e-5)


def test_the_output_block_adds_a_map_of_the_elu():
    block = OutResnet(3)
    enliven(block)
    features = random(1, 3, 2, 2)
    torch.testing.assert_close(block(features), features + block.mix(F.elu(features)))
