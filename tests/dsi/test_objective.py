import math

import numpy as np
import pytest
import torch
from einops import rearrange

from twofold.dsi import objective
from twofold.dsi.quantize import Codebook, Quantized


def test_reconstruction_is_the_mean_square():
    image, other = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    expected = float(((image.double() - other.double()) ** 2).mean())
    assert float(objective.reconstruction_loss(other, image)) == pytest.approx(expected, rel=1e-5)


def test_commitment_moves_features_and_not_codes():
    features = torch.randn(1, 2, 3, 3, requires_grad=True)
    vectors = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = objective.commitment_loss(Quantized(features, torch.zeros(1, 3, 3, dtype=torch.int64), vectors))
    loss.backward()
    assert vectors.grad is None
    torch.testing.assert_close(features.grad, 2 * (features - vectors).detach() / 18)


def test_code_loss_is_the_negative_log_likelihood_at_each_place():
    rng = np.random.default_rng(0)
    logits, codes = rng.normal(size=(2, 5, 3, 4)), rng.integers(0, 5, (2, 3, 4))
    ours = objective.code_loss(torch.tensor(logits), torch.tensor(codes)).numpy()
    for b, y, x in np.ndindex(2, 3, 4):
        values = logits[b, :, y, x]
        expected = math.log(sum(math.exp(value) for value in values)) - values[codes[b, y, x]]
        assert ours[b, y, x] == pytest.approx(expected, rel=1e-5)


def test_even_logits_cost_the_bits_of_the_codebook():
    loss = objective.code_loss(torch.zeros(1, 512, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))
    assert float(loss.mean()) * objective.BITS == pytest.approx(9)


def test_picture_loss_weighs_the_hole():
    image, answer = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    hole = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert float(objective.picture_loss(answer, image, hole)) == 1
    assert float(objective.picture_loss(answer, image, hole, hole_weight=5.0)) == 2


def slow_feature_loss(vectors, features, codes, scale):
    """The formula of the official code, a position at a time."""
    losses = []
    for feature, code in zip(rearrange(features, "b d h w -> (b h w) d"), codes.reshape(-1), strict=True):
        distances = np.array([((feature - vector) ** 2).sum() for vector in vectors])
        logits = scale * -np.tanh((distances - distances.mean()) / distances.std())
        losses.append(np.log(np.exp(logits).sum()) - logits[code])
    return np.mean(losses)


def test_feature_loss_matches_the_formula():
    rng = np.random.default_rng(1)
    vectors, features = rng.normal(size=(7, 4)), rng.normal(size=(2, 4, 3, 2))
    codes = rng.integers(0, 7, (2, 3, 2))
    book = Codebook(7, 4)
    book.vectors.copy_(torch.tensor(vectors))
    ours = objective.feature_loss(book, torch.tensor(features, dtype=torch.float32), torch.tensor(codes))
    assert float(ours) == pytest.approx(slow_feature_loss(vectors, features, codes, 10.0), rel=1e-4)


def test_feature_loss_of_a_dead_codebook_has_finite_gradients():
    book = Codebook(4, 2)
    book.vectors.zero_()
    features = torch.randn(1, 2, 2, 2, requires_grad=True)
    objective.feature_loss(book, features, torch.zeros(1, 2, 2, dtype=torch.int64)).backward()
    assert bool(torch.isfinite(features.grad).all())


def test_hinge_losses():
    real, fake = torch.tensor([[2.0, 0.5]]), torch.tensor([[-3.0, 0.0]])
    assert float(objective.discriminator_loss(real, fake)) == pytest.approx(((0 + 0.5) / 2 + (0 + 1) / 2) / 2)
    assert float(objective.generator_loss(fake)) == pytest.approx(1.5)
