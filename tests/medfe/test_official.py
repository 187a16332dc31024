"""The quirks of official mode against their reference form."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_medfe as reference
from twofold.medfe.config import tiny
from twofold.medfe.equalize import spatial_propagation
from twofold.medfe.official import (
    OfficialFilling,
    OfficialStream,
    as_if_transposed,
    constant_mask_sums,
    official_range_propagation,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=20)
@given(channels=st.integers(1, 6), height=st.integers(1, 7), width=st.integers(1, 7), seed=st.integers(0, 99))
def test_range_propagation_and_its_layout_are_the_reference_ones(channels, height, width, seed):
    features = random(1, channels, height, width, seed=seed) * 2
    ours = as_if_transposed(official_range_propagation(features, 3))
    torch.testing.assert_close(ours, reference.range_propagation(features), atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(channels=st.integers(1, 6), height=st.integers(1, 7), width=st.integers(1, 7))
def test_spatial_propagation_and_its_layout_are_the_reference_ones(channels, height, width):
    features = random(1, channels, height, width)
    ours = as_if_transposed(spatial_propagation(features, 1.5))
    torch.testing.assert_close(ours, reference.spatial_propagation(features), atol=1e-5, rtol=1e-5)


def test_range_weights_outside_the_map_take_part_with_a_value_of_zero():
    features = torch.zeros(1, 1, 1, 1)  # sigmoid 0.5, score 0.25 of the centre, 0 of eight others
    features += 2.0
    score = torch.sigmoid(torch.tensor(2.0)) ** 2
    share = torch.exp(score) / (torch.exp(score) + 8)
    torch.testing.assert_close(official_range_propagation(features, 3), (2 * share).view(1, 1, 1, 1))


def test_the_layout_mixes_positions_and_channels_as_the_specification_says():
    position, channel = torch.arange(1024), torch.arange(512)
    # Encode where a value comes from: position * 512 + channel, exact in float32.
    features = (position.view(1, 1, 32, 32) * 512 + channel.view(1, 512, 1, 1)).float()
    mixed = as_if_transposed(features)
    plane, row, column = torch.meshgrid(torch.arange(512), torch.arange(32), torch.arange(32), indexing="ij")
    expected_position = 2 * plane + (row >= 16)
    expected_channel = (row % 16) * 32 + column
    assert torch.equal(mixed[0], (expected_position * 512 + expected_channel).float())


def test_no_hole_ever_reaches_the_official_features():
    assert reference.feature_hole(torch.ones(1, 1, 256, 256)).sum() == 0
    assert list(signature(OfficialFilling.forward).parameters) == ["self", "pyramid"]


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("empty", [False, True])
def test_streams_of_constant_sums_equal_full_mask_convolutions(kernel, empty):
    config = replace(tiny("official"), fill_depth=3)
    stream = OfficialStream(8, kernel, config, side=6)
    masks = [
        torch.rand(8, 8, kernel, kernel, generator=torch.Generator().manual_seed(i)) + 0.5 for i in range(3)
    ]
    if empty:  # mask sums of exactly zero: a channel that is never known from the first layer on
        masks[0][2] = 0
        masks[1][5] = 0
    stream.mask_sums.copy_(constant_mask_sums(masks, side=6))
    features = random(1, 8, 6, 6)
    expected, mask = features, torch.ones(1, 8, 6, 6)
    for conv, norm, mask_weight in zip(stream.convs, stream.norms, masks, strict=True):
        block = {"layer.input_conv.weight": conv.weight, "layer.mask_conv.weight": mask_weight}
        expected, mask = reference.partial_conv(block, "layer", expected, mask)
        expected = torch.nn.functional.leaky_relu(norm(expected), 0.2)
    torch.testing.assert_close(stream(features), expected, atol=1e-4, rtol=1e-4)
    assert bool((mask == 0).any()) is False  # the third layer has no empty sum
    assert bool((stream.mask_sums == 0).any()) is empty


def test_random_mask_sums_can_be_negative_as_in_the_official_initialisation():
    sums = OfficialStream(8, 3, tiny("official"), side=8).mask_sums
    assert sums.shape == (2, 8, 8, 8)
    assert 0.2 < float((sums < 0).float().mean()) < 0.8


def test_both_branches_go_through_the_same_streams():
    filling = OfficialFilling(replace(tiny("official"), native_size=192))
    calls = []
    for stream in filling.streams:
        stream.register_forward_hook(lambda module, inputs, output: calls.append(tuple(inputs[0].shape)))
    pyramid = [random(2, c, 192 >> i, 192 >> i, seed=i) for i, c in enumerate(tiny().encoder_channels, 1)]
    filling(pyramid)
    assert calls == [(4, 8, 24, 24)] * 3
