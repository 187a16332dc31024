"""The condition network: what it looks at, and its sizes."""

from __future__ import annotations

import pytest
import torch

from dsi.lively import TINY, enliven, random
from twofold.dsi.condition import ConditionNetwork
from twofold.dsi.config import StructureConfig


@pytest.fixture(scope="module")
def network() -> ConditionNetwork:
    made = ConditionNetwork(TINY).eval()
    enliven(made)
    return made


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 40)])
def test_features_lie_on_an_eighth_of_the_side(network, height, width):
    features = network(random(2, 3, height, width), torch.zeros(2, 1, height, width))
    assert features.shape == (2, 5, height // 8, width // 8)


def test_what_is_missing_is_not_looked_at(network):
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., 8:20, 4:16] = 1
    image = random(1, 3, 32, 32)
    other = torch.where(hole.bool(), random(1, 3, 32, 32, seed=1), image)
    assert torch.equal(network(image, hole), network(other, hole))
    assert not torch.equal(network(image, hole), network(image, torch.zeros_like(hole)))


def test_grey_is_told_from_the_border(network):
    """The constant channel makes a uniform grey picture answer differently at its rim."""
    features = network(torch.zeros(1, 3, 128, 128), torch.zeros(1, 1, 128, 128))
    assert not torch.allclose(features[..., 0, 0], features[..., 8, 8], atol=1e-3)


def test_the_full_size_is_the_official_one():
    with torch.device("meta"):
        network = ConditionNetwork(StructureConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == 36_959_392
    assert sum(1 for name, _ in network.named_parameters() if name.endswith(".v")) == 30
