"""The encoder: sizes, what it hands on, its bottleneck."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny
from twofold.medfe.encoder import Encoder, ResidualBlock


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 192), (256, 128)])
def test_every_stage_halves_the_side(height, width):
    config = tiny()
    pyramid = Encoder(config)(random(2, 6, height, width))
    expected = [(2, c, height >> i, width >> i) for i, c in enumerate(config.encoder_channels, 1)]
    assert [tuple(features.shape) for features in pyramid] == expected


def test_features_are_handed_on_before_their_activation():
    encoder = Encoder(tiny())
    picture = random(1, 6, 64, 64)
    first, second = encoder(picture)[:2]
    torch.testing.assert_close(first, encoder.stages[0].conv(picture))
    raw = encoder.stages[1].conv(F.leaky_relu(first, 0.2))
    torch.testing.assert_close(second, F.instance_norm(raw), atol=1e-5, rtol=1e-4)


def test_only_the_inner_stages_are_normalized():
    assert [stage.norm is not None for stage in Encoder(tiny()).stages] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(("mode", "padding"), [("paper", "constant"), ("official", "reflect")])
def test_residual_block_is_two_padded_convolutions_and_a_shortcut(mode, padding):
    block, features = build_medfe(tiny(mode)).encoder.middle[0], random(2, 8, 4, 4)
    inner = F.conv2d(F.pad(features, (2,) * 4, mode=padding), block.dilated.weight, dilation=2)
    inner = F.conv2d(F.pad(F.relu(F.instance_norm(inner)), (1,) * 4, mode=padding), block.plain.weight)
    torch.testing.assert_close(block(features), features + F.instance_norm(inner), atol=1e-5, rtol=1e-4)


def test_paper_mode_has_a_bottleneck_of_a_single_position():
    block = ResidualBlock(8, "instance")
    features = random(1, 8, 1, 1)
    torch.testing.assert_close(block(features), features)  # instance norm leaves nothing of one position


def test_the_bottleneck_has_the_blocks_asked_for():
    assert len(Encoder(replace(tiny(), residual_blocks=3)).middle) == 3
