"""The discriminators: shapes, sizes, spectral norms, crops."""

from __future__ import annotations

import torch

from twofold.medfe.discriminator import LOCAL_SIZE, Discriminators, PatchDiscriminator, random_corner


def test_official_size_has_2764737_parameters():
    with torch.device("meta"):
        discriminator = PatchDiscriminator()
    assert sum(p.numel() for p in discriminator.parameters()) == 2_764_737
    assert sum(b.numel() for b in discriminator.buffers()) == 16_369


def test_scores_are_8x8_for_the_picture_and_2x2_for_the_crop():
    discriminators = Discriminators(width=4)
    whole, local = discriminators(torch.zeros(3, 3, 256, 256), (96, 160))
    assert whole.shape == (3, 1, 8, 8)
    assert local.shape == (3, 1, 2, 2)


def test_any_multiple_of_32_is_scored():
    assert PatchDiscriminator(4)(torch.zeros(1, 3, 64, 192)).shape == (1, 1, 2, 6)


def test_the_local_discriminator_sees_its_crop_only():
    discriminators = Discriminators(width=4).eval()
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    outside, inside = image.clone(), image.clone()
    outside[..., :20, :] = 0
    inside[..., 40, 50] = 5
    corner = (20, 30)
    assert torch.equal(discriminators(image, corner)[1], discriminators(outside, corner)[1])
    assert not torch.equal(discriminators(image, corner)[1], discriminators(inside, corner)[1])
    torch.testing.assert_close(
        discriminators(image, corner)[1], discriminators.local(image[..., 20:84, 30:94])
    )


def test_every_convolution_has_a_largest_singular_value_of_one():
    discriminator = PatchDiscriminator(4)
    discriminator.train()
    for _ in range(300):  # power iterations
        discriminator(torch.zeros(1, 3, 32, 32))
    discriminator.eval()
    for layer in list(discriminator.layers)[::2]:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        torch.testing.assert_close(largest, torch.tensor(1.0), atol=1e-2, rtol=0)


def test_evaluation_leaves_the_spectral_norms_alone():
    discriminator = PatchDiscriminator(4).eval()
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    discriminator(torch.zeros(1, 3, 64, 64))
    assert all(torch.equal(before[name], value) for name, value in discriminator.state_dict().items())


def test_corners_fit_and_reach_every_border_and_follow_their_seed():
    corners = [random_corner(66, 65, torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert {row for row, _ in corners} == {0, 1, 2}
    assert {column for _, column in corners} == {0, 1}
    assert corners[:5] == [random_corner(66, 65, torch.Generator().manual_seed(seed)) for seed in range(5)]
    assert random_corner(LOCAL_SIZE, LOCAL_SIZE, torch.Generator()) == (0, 0)
