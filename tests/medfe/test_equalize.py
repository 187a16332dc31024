"""Feature equalization against dense matrices, loops and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.medfe.config import tiny
from twofold.medfe.equalize import (
    BilateralPropagation,
    ChannelReweighing,
    FeatureEqualization,
    NonLocalBlock,
    gaussian_rows,
    neighbours,
    range_propagation,
    spatial_propagation,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=40)
@given(size=st.integers(1, 80), sigma=st.floats(0.2, 6))
def test_gaussian_rows_sum_to_one_and_hold_no_denormals(size, sigma):
    rows = gaussian_rows(size, sigma, torch.empty(0))
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(size))
    assert ((rows == 0) | (rows > torch.finfo(torch.float32).tiny)).all()
    assert (rows.diagonal() == rows.max(dim=1).values).all()


def test_gaussian_rows_fall_off_by_distance():
    rows = gaussian_rows(9, 1.5, torch.empty(0))
    for distance in range(5):
        ratio = math.exp(-(distance**2) / (2 * 1.5**2))
        assert float(rows[4, 4 + distance] / rows[4, 4]) == pytest.approx(ratio, rel=1e-5)
        assert rows[4, 4 + distance] == rows[4, 4 - distance]


def dense_gaussian(height: int, width: int, sigma: float) -> np.ndarray:
    """Weights between all pairs of positions of the plane; every row sums to 1."""
    row, column = np.divmod(np.arange(height * width), width)
    squared = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    weight = np.exp(-squared / (2 * sigma**2))
    return weight / weight.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 9), width=st.integers(1, 9), sigma=st.floats(0.3, 4))
def test_two_passes_equal_the_dense_row_normalised_matrix(height, width, sigma):
    features = random(2, 3, height, width)
    dense = torch.from_numpy(dense_gaussian(height, width, sigma)).float()
    expected = (features.flatten(2) @ dense.T).unflatten(2, (height, width))
    torch.testing.assert_close(spatial_propagation(features, sigma), expected, atol=1e-5, rtol=1e-4)


def test_spatial_propagation_keeps_a_constant_map_even_at_the_border():
    features = torch.full((1, 2, 6, 7), 3.5)
    torch.testing.assert_close(spatial_propagation(features, 1.5), features)


def range_propagation_by_loops(features: np.ndarray, window: int) -> np.ndarray:
    channels, height, width = features.shape
    answer = np.zeros_like(features)
    reach = window // 2
    for row in range(height):
        for column in range(width):
            for y in range(row - reach, row + reach + 1):
                for x in range(column - reach, column + reach + 1):
                    if 0 <= y < height and 0 <= x < width:
                        product = sum(features[c, row, column] * features[c, y, x] for c in range(channels))
                        answer[:, row, column] += product * features[:, y, x]
    return answer / (channels * window**2)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_range_propagation_equals_loops(window):
    features = random(2, 3, 4, 5)
    answer = range_propagation(features, window)
    for sample in range(2):
        expected = range_propagation_by_loops(features[sample].double().numpy(), window)
        np.testing.assert_allclose(answer[sample].numpy(), expected, atol=1e-5)


def test_range_propagation_of_a_constant_map_cubes_it_inside_and_loses_the_border():
    answer = range_propagation(torch.full((1, 4, 5, 5), 2.0), 3)
    assert answer[0, 0, 2, 2] == pytest.approx(8.0)
    assert answer[0, 0, 0, 0] == pytest.approx(8.0 * 4 / 9)
    assert answer[0, 0, 0, 2] == pytest.approx(8.0 * 6 / 9)


@pytest.mark.parametrize("window", [0, 2, 4, -1])
def test_a_window_without_a_centre_is_refused(window):
    with pytest.raises(ValueError, match=f"odd number of feature pixels, got {window}"):
        neighbours(random(1, 1, 3, 3), window)


def test_neighbours_list_the_window_row_by_row():
    features = torch.arange(9.0).view(1, 1, 3, 3)
    centre = [float(shifted[0, 0, 1, 1]) for shifted in neighbours(features, 3)]
    corner = [float(shifted[0, 0, 0, 0]) for shifted in neighbours(features, 3)]
    assert centre == list(range(9))
    assert corner == [0, 0, 0, 0, 0, 1, 0, 3, 4]


def test_channel_reweighing_equals_its_formula():
    layer = ChannelReweighing(8, reduction=4)
    features = random(2, 8, 3, 4)
    squeeze, excite = (conv.weight.detach().flatten(1).numpy() for conv in (layer.squeeze, layer.excite))
    for sample in range(2):
        average = features[sample].numpy().mean(axis=(1, 2))
        hidden = np.maximum(squeeze @ average + layer.squeeze.bias.detach().numpy(), 0)
        weight = 1 / (1 + np.exp(-(excite @ hidden + layer.excite.bias.detach().numpy())))
        expected = features[sample].numpy() * weight[:, None, None]
        np.testing.assert_allclose(layer(features)[sample].detach().numpy(), expected, atol=1e-6)


def test_channel_reweighing_keeps_at_least_one_hidden_channel():
    assert ChannelReweighing(8, reduction=16).squeeze.out_channels == 1


def test_non_local_block_equals_an_explicit_softmax():
    block = NonLocalBlock(4)
    features = random(2, 4, 3, 5)
    query, key, value = (embed(features).flatten(2) for embed in (block.query, block.key, block.value))
    attention = torch.softmax(query.transpose(1, 2) @ key, dim=2)  # b positions positions
    attended = (value @ attention.transpose(1, 2)).unflatten(2, (3, 5))
    expected = features + block.project(attended)
    torch.testing.assert_close(block(features), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("switches", "kind", "inputs"),
    [
        ({}, BilateralPropagation, 32),
        ({"spatial_propagation": False}, BilateralPropagation, 16),
        ({"range_propagation": False}, BilateralPropagation, 16),
        ({"spatial_propagation": False, "range_propagation": False}, type(None), 0),
        ({"non_local": True}, NonLocalBlock, 0),
    ],
)
def test_switches_choose_the_propagation(switches, kind, inputs):
    from dataclasses import replace

    equalization = FeatureEqualization(replace(tiny(), **switches))
    assert isinstance(equalization.propagate, kind)
    if inputs:
        assert equalization.propagate.combine.conv.in_channels == inputs
    assert equalization(random(1, 16, 4, 6)).shape == (1, 16, 4, 6)


def test_everything_switched_off_is_the_identity():
    from dataclasses import replace

    off = replace(tiny(), channel_reweighing=False, spatial_propagation=False, range_propagation=False)
    features = random(1, 16, 4, 4)
    assert FeatureEqualization(off)(features) is features


@pytest.mark.parametrize(
    "propagate",
    [lambda x: spatial_propagation(x, 1.5), lambda x: range_propagation(x, 3)],
    ids=["spatial", "range"],
)
def test_gradients_equal_finite_differences(propagate):
    features = random(1, 2, 3, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(propagate, (features,))
