"""Every loss against its formula, written with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from twofold.medfe import objective
from twofold.medfe.objective import PERCEPTUAL_LAYERS, STYLE_LAYERS


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def features(names: tuple[str, ...], seed: int) -> dict[str, torch.Tensor]:
    return {name: random(2, 3 + i, 4, 5, seed=seed + i) for i, name in enumerate(names)}


def test_reconstruction_is_the_mean_absolute_difference_of_the_whole_picture():
    answer, image = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    loss = objective.reconstruction_loss(answer, image, torch.zeros(2, 1, 4, 5))
    assert float(loss) == pytest.approx(np.abs(answer.numpy() - image.numpy()).mean(), rel=1e-6)


def test_reconstruction_counts_missing_pixels_by_their_weight():
    answer, image = torch.full((1, 3, 2, 2), 0.5), torch.zeros(1, 3, 2, 2)
    hole = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    loss = objective.reconstruction_loss(answer, image, hole, hole_weight=6.0)
    assert float(loss) == pytest.approx(0.5 * (6 + 1 + 1 + 1) / 4)


def test_perceptual_sums_the_mean_difference_of_five_depths():
    ours, theirs = features(PERCEPTUAL_LAYERS, 0), features(PERCEPTUAL_LAYERS, 50)
    expected = sum(np.abs(ours[n].numpy() - theirs[n].numpy()).mean() for n in PERCEPTUAL_LAYERS)
    assert float(objective.perceptual_loss(ours, theirs)) == pytest.approx(expected, rel=1e-6)
    assert PERCEPTUAL_LAYERS == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def gram_by_loops(maps: np.ndarray) -> np.ndarray:
    channels, height, width = maps.shape
    gram = np.zeros((channels, channels))
    for i in range(channels):
        for j in range(channels):
            for y in range(height):
                for x in range(width):
                    gram[i, j] += maps[i, y, x] * maps[j, y, x]
    return gram / (channels * height * width)


def test_gram_matrix_equals_loops():
    maps = random(2, 3, 4, 5)
    for sample, gram in zip(maps.numpy(), objective.gram_matrix(maps).numpy(), strict=True):
        np.testing.assert_allclose(gram, gram_by_loops(sample), atol=1e-6)


def test_style_sums_the_mean_difference_of_four_gram_matrices():
    ours, theirs = features(STYLE_LAYERS, 0), features(STYLE_LAYERS, 50)
    expected = sum(
        np.mean(
            [
                np.abs(gram_by_loops(a) - gram_by_loops(b))
                for a, b in zip(ours[n].numpy(), theirs[n].numpy(), strict=True)
            ]
        )
        for n in STYLE_LAYERS
    )
    assert float(objective.style_loss(ours, theirs)) == pytest.approx(expected, rel=1e-5)
    assert STYLE_LAYERS == ("relu2_2", "relu3_3", "relu4_3", "relu5_2")


def test_style_does_not_see_where_things_are():
    ours = features(STYLE_LAYERS, 0)
    moved = {name: maps.flip(3).roll(1, dims=2) for name, maps in ours.items()}
    assert float(objective.style_loss(ours, moved)) == pytest.approx(0, abs=1e-6)
    assert float(objective.style_loss(ours, features(STYLE_LAYERS, 50))) > 0.01


def test_supervision_compares_with_the_target_resized_bilinearly_without_antialiasing():
    target, branch = random(2, 3, 16, 24), random(2, 3, 2, 3, seed=1)
    # Shrinking by 8 without antialiasing reads the mean of the four pixels around each centre.
    centres = target.numpy().reshape(2, 3, 2, 8, 3, 8)[:, :, :, 3:5, :, 3:5].mean(axis=(3, 5))
    expected = np.abs(branch.numpy() - centres).mean()
    assert float(objective.supervision_loss(branch, target)) == pytest.approx(expected, rel=1e-5)


def test_a_branch_that_is_off_costs_nothing():
    assert float(objective.supervision_loss(None, random(1, 3, 8, 8))) == 0


def relativistic_by_loops(real, fake, target: float) -> float:
    """Mean over pictures and patches, against the other side's average score of the same picture."""
    total = 0.0
    for real_score, fake_score in zip(real, fake, strict=True):
        ours, theirs = [], []
        for r, f in zip(real_score.numpy(), fake_score.numpy(), strict=True):
            ours += [(value - f.mean() - target) ** 2 for value in r.ravel()]
            theirs += [(value - r.mean() + target) ** 2 for value in f.ravel()]
        total += (np.mean(ours) + np.mean(theirs)) / 2
    return total


def scores(seed: int) -> list[torch.Tensor]:
    return [random(3, 1, 8, 8, seed=seed), random(3, 1, 2, 2, seed=seed + 1)]


def test_adversarial_losses_equal_loops_and_mirror_each_other():
    real, fake = scores(0), scores(10)
    discriminators, network = objective.discriminator_loss(real, fake), objective.generator_loss(real, fake)
    assert float(discriminators) == pytest.approx(relativistic_by_loops(real, fake, 1.0), rel=1e-5)
    assert float(network) == pytest.approx(relativistic_by_loops(real, fake, -1.0), rel=1e-5)
    assert float(network) == pytest.approx(float(objective.discriminator_loss(fake, real)), rel=1e-5)


def test_discriminators_are_content_when_photographs_score_one_above():
    fake = [torch.full((2, 1, 2, 2), 0.3)]
    real = [torch.full((2, 1, 2, 2), 1.3)]
    assert float(objective.discriminator_loss(real, fake)) == pytest.approx(0, abs=1e-10)
    assert float(objective.generator_loss(real, fake)) == pytest.approx(4)


def test_adversarial_losses_of_a_batch_are_the_mean_of_its_pictures():
    real, fake = scores(0), scores(10)
    alone = [
        float(objective.discriminator_loss([s[i : i + 1] for s in real], [s[i : i + 1] for s in fake]))
        for i in range(3)
    ]
    assert float(objective.discriminator_loss(real, fake)) == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("loss", [objective.generator_loss, objective.discriminator_loss])
def test_adversarial_gradients_equal_finite_differences(loss):
    real = random(1, 1, 2, 2).double().requires_grad_()
    fake = random(1, 1, 2, 2, seed=1).double().requires_grad_()

    def value(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        return loss([real], [fake])

    # The sum starts as a float32 zero, so the values are compared and not their last digits.
    assert torch.autograd.gradcheck(value, (real, fake), atol=1e-4)


def test_resizing_of_targets_is_what_torch_calls_bilinear():
    target, branch = random(1, 3, 16, 16), torch.zeros(1, 3, 2, 2)
    small = F.interpolate(target, size=(2, 2), mode="bilinear", align_corners=False)
    assert float(objective.supervision_loss(branch, target)) == pytest.approx(
        float(small.abs().mean()), rel=1e-6
    )
