"""Skip connections and decoder: sizes, order, last layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import leaky
from twofold.medfe.decoder import Decoder, DecoderStage, Refinement, SkipConnections

CONFIG = MedfeConfig(encoder_channels=(2, 3, 4, 5, 6, 7), fill_channels=4, native_size=64)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pyramid(height: int, width: int) -> list[torch.Tensor]:
    return [random(2, c, height >> i, width >> i, seed=i) for i, c in enumerate(CONFIG.encoder_channels, 1)]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 192), (128, 128)])
def test_skips_have_the_sizes_of_the_encoders_features(height, width):
    given = pyramid(height, width)
    skips = SkipConnections(CONFIG)(random(2, 8, height // 8, width // 8), given)
    assert [skip.shape for skip in skips] == [features.shape for features in given]


def test_equalized_features_are_added_to_every_skip():
    connections, given = SkipConnections(CONFIG), pyramid(128, 128)
    equalized = random(2, 8, 16, 16)
    skips = connections(equalized, given)
    resized = F.interpolate(equalized, size=(64, 64), mode="bilinear", align_corners=False)
    first = leaky(F.instance_norm(F.conv2d(resized, connections.up[0].conv.weight)))
    torch.testing.assert_close(skips[0], first + given[0], atol=1e-5, rtol=1e-4)
    inner = equalized
    for block in connections.down[2]:
        inner = F.instance_norm(F.conv2d(inner, block.conv.weight, stride=2, padding=1))
        inner = leaky(inner) if block.activate else inner
    assert [block.activate for block in connections.down[2]] == [True, True, False]
    torch.testing.assert_close(skips[5], inner + given[5], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("detail_channels", [0, 5])
def test_decoder_ends_at_full_size_in_three_channels(upsampling, detail_channels):
    decoder = Decoder(replace(CONFIG, upsampling=upsampling, detail_channels=detail_channels))
    assert decoder(pyramid(64, 128), random(2, 6, 64, 128)).shape == (2, 3, 64, 128)


def test_decoder_uses_every_skip():
    decoder, given, picture = Decoder(CONFIG), pyramid(128, 128), random(2, 6, 128, 128)
    answer = decoder(given, picture)
    for index in range(6):
        changed = [
            features + 1.0 * (i == index) * random(*features.shape, seed=9)
            for i, features in enumerate(given)
        ]
        assert (decoder(changed, picture) - answer).abs().max() > 1e-6, f"skip {index} has no influence"


def test_every_stage_sees_a_skip_and_what_came_before_after_a_relu():
    decoder, given, picture = Decoder(CONFIG), pyramid(64, 64), random(2, 6, 64, 64)
    before = [features.clone() for features in given]
    features = decoder.stages[0](given[5].clamp(min=0))
    for index in range(1, 6):
        joined = torch.cat([features, given[5 - index]], dim=1)
        features = decoder.stages[index](joined.clamp(min=0))
    torch.testing.assert_close(decoder(given, picture), features)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


def test_only_the_detail_layer_sees_the_picture_again():
    given, picture = pyramid(64, 64), random(2, 6, 64, 64)
    plain, detailed = Decoder(CONFIG), Decoder(replace(CONFIG, detail_channels=4))
    torch.testing.assert_close(plain(given, picture), plain(given, picture + 1), rtol=0, atol=0)
    assert (detailed(given, picture) - detailed(given, picture + 1)).abs().max() > 1e-3


def test_a_stage_convolves_first_and_normalizes_last():
    stage, features = DecoderStage(3, 2, CONFIG, normalized=True, refined=False), random(1, 3, 4, 4)
    expected = F.conv_transpose2d(features, stage.conv.weight, stage.conv.bias, stride=2, padding=1)
    torch.testing.assert_close(stage(features), F.instance_norm(expected), atol=1e-5, rtol=1e-4)
    assert DecoderStage(3, 2, CONFIG, normalized=False, refined=False).norm is None


def test_a_resizing_stage_repeats_pixels_before_its_convolution():
    stage = DecoderStage(3, 2, replace(CONFIG, upsampling="resize"), normalized=False, refined=False)
    features = random(1, 3, 2, 3)
    repeated = features.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = F.conv2d(repeated, stage.conv.weight, stage.conv.bias, padding=1)
    torch.testing.assert_close(stage(features), expected)


def test_refinements_stand_before_the_last_stage_and_start_as_the_identity():
    refined = Decoder(replace(CONFIG, refined_stages=2))
    assert [stage.refinement is not None for stage in refined.stages] == [
        False,
        False,
        False,
        True,
        True,
        False,
    ]
    plain = Decoder(CONFIG)
    kept = {name: value for name, value in refined.state_dict().items() if ".refinement." not in name}
    plain.load_state_dict(kept)
    given, picture = pyramid(64, 64), random(2, 6, 64, 64)
    torch.testing.assert_close(refined(given, picture), plain(given, picture), rtol=0, atol=0)


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_a_refinement_learns_to_be_more_than_the_identity(norm):
    block, features = Refinement(8, norm), random(1, 8, 6, 6)
    (block(features) ** 3).sum().backward()
    torch.optim.SGD(block.parameters(), lr=0.01).step()
    assert (block(features) - features).abs().max() > 1e-3
