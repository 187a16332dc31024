"""The looked-at bilateral propagation against closed forms, and against the propagation itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bilateral_maps import (
    bilateral_maps,
    equally_weighted,
    range_weights,
    scaled,
    spatial_weights,
    switch_halves,
)
from twofold.medfe.build import build_medfe
from twofold.medfe.config import tiny
from twofold.medfe.equalize import neighbours, range_propagation, spatial_propagation


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(**switches):
    torch.manual_seed(3)
    return build_medfe(replace(tiny(), **switches)).eval()


def picture():
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 16:48, 24:56] = 1
    return random(1, 3, 64, 64).clamp(-1, 1), hole


def test_range_weights_of_a_map_of_two_pixels_are_dot_products_over_channels_and_terms():
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, -1.0]]]])  # (1, 2) beside (3, -1)
    weights = range_weights(features, 3)[0]
    left, right = weights[:, 0, 0].tolist(), weights[:, 0, 1].tolist()
    terms = 2 * 9
    # The window's row in the middle holds the only neighbours that exist.
    assert left == pytest.approx([0, 0, 0, 0, 5 / terms, 1 / terms, 0, 0, 0])
    assert right == pytest.approx([0, 0, 0, 1 / terms, 10 / terms, 0, 0, 0, 0])


def test_opposite_neighbours_have_negative_weights():
    features = torch.tensor([[[[2.0, -2.0]]]])
    assert range_weights(features, 3)[0, 5, 0, 0] == pytest.approx(-4 / 9)


def test_doubled_features_have_fourfold_weights():
    features = random(2, 3, 5, 4)
    torch.testing.assert_close(range_weights(2 * features, 3), 4 * range_weights(features, 3))


@settings(deadline=None, max_examples=20)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    window=st.sampled_from([1, 3, 5]),
    seed=st.integers(0, 99),
)
def test_weighted_neighbours_sum_to_the_range_propagation(height, width, window, seed):
    features = random(2, 3, height, width, seed=seed)
    weights = range_weights(features, window)
    summed = sum(
        weights[:, k : k + 1] * neighbour for k, neighbour in enumerate(neighbours(features, window))
    )
    torch.testing.assert_close(summed, range_propagation(features, window), atol=1e-5, rtol=1e-4)


@settings(deadline=None, max_examples=20)
@given(row=st.integers(0, 4), column=st.integers(0, 6), sigma=st.floats(0.3, 4))
def test_spatial_weights_give_the_spatial_propagation_of_that_position(row, column, sigma):
    features = random(1, 3, 5, 7)
    weights = spatial_weights(5, 7, row, column, sigma)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    expected = (features[0] * weights).sum(dim=(1, 2))
    torch.testing.assert_close(
        expected, spatial_propagation(features, sigma)[0, :, row, column], atol=1e-5, rtol=1e-4
    )


def test_spatial_weights_fall_off_with_the_squared_distance():
    weights = spatial_weights(31, 31, 15, 15, 1.5)
    assert float(weights[15, 17] / weights[15, 15]) == pytest.approx(math.exp(-4 / 4.5), rel=1e-5)
    assert float(weights[16, 16] / weights[15, 15]) == pytest.approx(math.exp(-2 / 4.5), rel=1e-5)


@pytest.mark.parametrize(("row", "column"), [(-1, 0), (0, 4), (3, 0)])
def test_a_position_outside_the_map_is_refused(row, column):
    with pytest.raises(ValueError, match="inside the 3x4 map"):
        spatial_weights(3, 4, row, column, 1.5)


def test_where_all_neighbours_are_alike_equal_weights_change_nothing_even_at_the_border():
    features = torch.full((1, 4, 5, 6), 0.7)
    torch.testing.assert_close(equally_weighted(features, 3), range_propagation(features, 3))


def test_equal_weights_of_a_map_of_two_pixels_are_their_mean():
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, -1.0]]]])
    # Left: dot products 5 and 1 over 18 terms have the mean 3/18; the neighbours sum to (4, 1).
    found = equally_weighted(features, 3)[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([4.0, 1.0]) * 3 / 18)


def test_scaled_features_come_closest_to_what_was_propagated():
    features, propagated = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    for picture, target in zip(features, propagated, strict=True):
        # What is left of a least squares fit is orthogonal to what was fitted.
        left = target - scaled(picture[None], target[None])[0]
        assert float((left * picture).sum()) == pytest.approx(0, abs=1e-4)
    torch.testing.assert_close(scaled(features, -2.5 * features), -2.5 * features)
    assert torch.equal(scaled(torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3)), torch.zeros(1, 2, 3, 3))


def test_maps_are_what_the_network_computes():
    medfe, (image, hole) = network(), picture()
    maps = bilateral_maps(medfe, image, hole)
    propagation = medfe.equalization.propagate
    seen = []
    propagation.combine.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        propagation(maps.features)
        medfe(image, hole)
    for combined in seen:
        torch.testing.assert_close(torch.cat([maps.spatial, maps.range], dim=1), combined)
    assert maps.weights.shape == (1, 9, 8, 8)
    assert not propagation._forward_pre_hooks


@torch.inference_mode()
def test_halves_that_stay_on_change_nothing_and_others_do():
    image, hole = picture()
    trained = network()(image, hole).image
    torch.testing.assert_close(switch_halves(network())(image, hole).image, trained)
    answers = [
        switch_halves(network(), spatial=spatial, similarity=similarity)(image, hole).image
        for spatial, similarity in [
            ("off", "on"),
            ("on", "off"),
            ("plain", "on"),
            ("on", "plain"),
            ("on", "scaled"),
        ]
    ]
    for number, answer in enumerate(answers):
        assert not torch.equal(answer, trained)
        assert all(not torch.equal(answer, other) for other in answers[:number])


@torch.inference_mode()
def test_a_half_that_is_off_gives_zeros_and_a_plain_one_its_input():
    features = random(1, 16, 4, 4)
    propagation = switch_halves(network(), spatial="plain", similarity="off").equalization.propagate
    expected = propagation.combine(torch.cat([features, torch.zeros_like(features)], dim=1))
    torch.testing.assert_close(propagation(features), expected)


@pytest.mark.parametrize("switches", [{"non_local": True}, {"range_propagation": False}])
def test_networks_without_both_halves_are_refused(switches):
    with pytest.raises(ValueError, match="spatial_propagation, range_propagation and without non_local"):
        switch_halves(network(**switches))
