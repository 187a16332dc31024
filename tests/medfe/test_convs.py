"""The convolution blocks: norms, resizes, activations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from twofold.medfe.convs import ChannelNorm, ConvNormAct, leaky, resize_to


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_instance_norm_is_torchs_instance_norm():
    norm = ChannelNorm("instance", 6)
    with torch.no_grad():
        norm.weight.copy_(random(6, seed=1))
        norm.bias.copy_(random(6, seed=2))
    features = random(2, 6, 5, 7) * 3 + 1
    expected = F.instance_norm(features, weight=norm.weight, bias=norm.bias)
    torch.testing.assert_close(norm(features), expected, atol=1e-5, rtol=1e-5)


def test_group_norm_normalises_each_group_by_its_own_statistics():
    features = random(2, 16, 4, 5) * 2 + 3
    answer = ChannelNorm("group", 16)(features)
    for sample in range(2):
        for group in range(8):
            values = features[sample, 2 * group : 2 * group + 2]
            expected = (values - values.mean()) / torch.sqrt(values.var(unbiased=False) + 1e-5)
            torch.testing.assert_close(answer[sample, 2 * group : 2 * group + 2], expected)


def test_group_norm_of_few_channels_has_a_group_for_each():
    assert ChannelNorm("group", 4).groups == 4


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_channel_far_from_zero_keeps_its_digits(layout):
    features = (random(2, 24, 32, 32) + 100).to(memory_format=layout)
    exact = features.double()
    variance, mean = torch.var_mean(exact, (2, 3), correction=0, keepdim=True)
    wanted = (exact - mean) / (variance + 1e-5).sqrt()
    assert (ChannelNorm("instance", 24, affine=False)(features) - wanted).abs().max() < 1e-4


def test_channels_that_cannot_be_grouped_are_refused():
    with pytest.raises(ValueError, match="12 channels"):
        ChannelNorm("group", 12)


def test_a_single_position_gives_the_bias():
    norm = ChannelNorm("instance", 3)
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, -2.0, 0.5]))
    expected = norm.bias.detach().view(1, 3, 1, 1).expand(2, -1, -1, -1)
    torch.testing.assert_close(norm(random(2, 3, 1, 1)), expected, atol=1e-4, rtol=0)


def test_only_group_norms_learn_a_scale_behind_a_convolution():
    assert ConvNormAct(8, 8, 1, "instance").norm.weight is None
    assert ConvNormAct(8, 8, 1, "group").norm.weight is not None


@pytest.mark.parametrize(("kernel", "side"), [(1, 8), (3, 8), (4, 4)])
def test_kernel_four_halves_the_side_and_others_keep_it(kernel, side):
    assert ConvNormAct(2, 3, kernel, "instance")(random(1, 2, 8, 8)).shape == (1, 3, side, side)


def test_resizing_behind_a_1x1_convolution_equals_resizing_before_it():
    block = ConvNormAct(3, 5, 1, "instance")
    features, like = random(2, 3, 4, 3), random(1, 1, 9, 12)
    resized = F.interpolate(features, size=(9, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(block(features, like=like), block(resized), atol=1e-5, rtol=1e-5)


def test_resizing_to_the_same_size_changes_nothing():
    features = random(1, 2, 3, 4)
    assert resize_to(features, random(1, 1, 3, 4)) is features


def test_leaky_has_a_slope_of_a_fifth_and_leaves_its_input_alone():
    features = torch.tensor([-5.0, 0.0, 2.0])
    assert leaky(features).tolist() == [-1.0, 0.0, 2.0]
    assert features.tolist() == [-5.0, 0.0, 2.0]


def test_a_block_without_activation_gives_negative_values_in_full():
    block = ConvNormAct(2, 3, 1, "instance", activate=False)
    features = random(1, 2, 6, 6)
    torch.testing.assert_close(block(features).mean(dim=(2, 3)), torch.zeros(1, 3), atol=1e-6, rtol=0)
