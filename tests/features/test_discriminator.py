import pytest
import torch

from twofold.features.discriminator import (
    DISCRIMINATOR_LAYERS,
    FeatureDiscriminator,
    discriminator_loss,
    generator_loss,
)
from twofold.features.vgg import CHANNELS, VGG16


def features(seed=0, size=32, batch=2):
    generator = torch.Generator().manual_seed(seed)
    sides = {"relu2_2": size // 2, "relu3_3": size // 4, "relu4_3": size // 8}
    return {
        layer: torch.rand(batch, CHANNELS[layer], side, side, generator=generator)
        for layer, side in sides.items()
    }


def test_every_position_of_every_depth_is_scored():
    scores = FeatureDiscriminator()(VGG16()(torch.rand(2, 3, 32, 48)))
    assert [tuple(score.shape) for score in scores] == [(2, 1, 16, 24), (2, 1, 8, 12), (2, 1, 4, 6)]


def test_the_direction_of_features_is_judged_not_their_length():
    discriminator = FeatureDiscriminator().eval()
    ours = features()
    longer = {layer: maps * 37 for layer, maps in ours.items()}
    for one, other in zip(discriminator(ours), discriminator(longer), strict=True):
        torch.testing.assert_close(one, other)


def test_losses_by_hand():
    hole = torch.zeros(1, 1, 4, 4)
    hole[..., :2, :2] = 1  # all of the upper left of 2x2 positions
    hole[..., :2, 2] = 1  # half of the upper right
    real = [torch.tensor([[[[0.5, -1.0], [9.0, 9.0]]]])]
    fake = [torch.tensor([[[[-3.0, 2.0], [9.0, 9.0]]]])]
    # Upper left: (1 - 0.5) + 0 at weight 1; upper right: (1 + 1) + (1 + 2) at weight 1/2.
    assert discriminator_loss(real, fake, hole) == pytest.approx((0.5 + 0.5 * 5) / 1.5)
    assert generator_loss(fake, hole) == pytest.approx(-(-3 + 0.5 * 2) / 1.5)


def test_depths_count_alike_and_no_hole_costs_nothing():
    hole = torch.ones(2, 1, 8, 8)
    fake = [torch.full((2, 1, 4, 4), 1.0), torch.full((2, 1, 2, 2), 3.0)]
    assert generator_loss(fake, hole) == -2
    assert generator_loss(fake, 0 * hole) == 0


def test_a_discriminator_learns_to_tell_two_kinds_of_features_apart():
    torch.manual_seed(0)
    discriminator = FeatureDiscriminator(width=8)
    hole = torch.ones(2, 1, 32, 32)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-2)
    losses = []
    for step in range(150):
        real, fake = features(step), features(step + 1000)
        fake = {layer: maps.square() for layer, maps in fake.items()}  # sparser
        loss = discriminator_loss(discriminator(real), discriminator(fake), hole)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(2, abs=0.3)
    assert losses[-1] < 1.3


def test_the_layers_are_those_of_vgg():
    assert set(DISCRIMINATOR_LAYERS) <= CHANNELS.keys()
